// Nodes on a network, driven from one wakeup to the next: minutes take milliseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/time.hpp"
#include "sim/world/network.hpp"
#include "sim/world/transcript.hpp"

namespace isotube::sim {

/// What a machine is given to send with. Writes down all that goes out.
class Outlet {
 public:
  Outlet(Network& network, Transcript& transcript) : network_(network), transcript_(transcript) {}
  void send(TimePoint now, const Path& path, ByteView datagram) {
    transcript_.add(now, path, datagram);
    network_.send(now, path, datagram);
  }

 private:
  Network& network_;
  Transcript& transcript_;
};

/// A machine with its driver.
class Node {
 public:
  virtual ~Node() = default;
  [[nodiscard]] virtual bool owns(const Address& address) const = 0;
  virtual void handle_datagram(TimePoint now, const Path& path, ByteView datagram) = 0;
  virtual void handle_timeout(TimePoint now) = 0;
  /// Takes up events and sends what waits; true if there was any.
  virtual bool drain(TimePoint now, Outlet& outlet) = 0;
  [[nodiscard]] virtual TimePoint next_timeout() const = 0;
};

enum class End : std::uint8_t {
  Done,
  Idle,      ///< nothing waits for anything any more
  TimeUp,    ///< the next thing would happen beyond the limit
  Livelock,  ///< the step cap was reached: something goes round in circles
};

class World {
 public:
  /// Steps in one moment of virtual time, or altogether: no run of these tests comes near.
  static constexpr std::uint64_t kMaxStepsInAMoment = 20'000;
  static constexpr std::uint64_t kMaxSteps = 20'000'000;

  explicit World(std::uint64_t seed) : network(seed) {}

  /// Nodes act in the order in which they were added. `node` must outlive the world's use.
  void add(Node& node) { nodes_.push_back(&node); }

  [[nodiscard]] End run_until(const std::function<bool()>& done, Duration limit);
  /// Lets exactly this much time pass.
  [[nodiscard]] End run_for(Duration time);

  TimePoint now = TimePoint(std::chrono::hours(1));
  Network network;
  Transcript transcript;

 private:
  bool step();
  [[nodiscard]] TimePoint next_wakeup() const;
  void wake();

  std::vector<Node*> nodes_;
};

}  // namespace isotube::sim
