// What happens at a given time, whatever the network does: a node that nobody sends to.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "sim/world/world.hpp"

namespace isotube::sim {

/// Actions of the same time happen in the order in which they were added.
class Script : public Node {
 public:
  using Action = std::function<void(TimePoint now)>;

  void at(TimePoint when, Action action) { actions_.emplace(when, std::move(action)); }

  [[nodiscard]] bool owns(const Address& /*address*/) const override { return false; }
  void handle_datagram(TimePoint /*now*/, const Path& /*path*/, ByteView /*datagram*/) override {}
  void handle_timeout(TimePoint now) override {
    while (!actions_.empty() && actions_.begin()->first <= now) {
      const Action action = std::move(actions_.extract(actions_.begin()).mapped());
      action(now);
    }
  }
  bool drain(TimePoint /*now*/, Outlet& /*outlet*/) override { return false; }
  [[nodiscard]] TimePoint next_timeout() const override { return actions_.empty() ? kNever : actions_.begin()->first; }

 private:
  std::multimap<TimePoint, Action> actions_;
};

}  // namespace isotube::sim
