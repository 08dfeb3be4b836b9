// Two tubes in one process, signalled directly: a client that opens, a gateway that connects to targets.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tube/tube.hpp"
#include "unit/tube/sockets.hpp"

namespace isotube::tube {

/// Far over what anything here takes.
inline constexpr std::chrono::seconds kLimit{60};

/// What an observer was told, to be waited for by the test's thread. The observers share it, so it may go before they
/// do.
class Witness {
 public:
  struct End {
    CloseReason reason;
    std::string message;
  };

  /// `also` is called too.
  [[nodiscard]] Observer observer(Observer also = {});

  bool wait_for_state(State state);
  std::optional<End> wait_for_close();
  /// The first `count` records.
  std::vector<ConnectionRecord> wait_for_records(std::size_t count);
  [[nodiscard]] int times_closed();

 private:
  struct Told {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<State> states;
    std::vector<ConnectionRecord> records;
    std::vector<End> ends;

    template <typename Also, typename Change>
    void note_after(Also also, Change change);
  };

  std::shared_ptr<Told> told_ = std::make_shared<Told>();
};

/// Allows what it is told to.
class TestPolicy : public TargetPolicy {
 public:
  std::function<bool(const Target&)> by_name = [](const Target&) { return true; };
  std::function<bool(const Target&, const IpAddress&)> by_address = [](const Target&, const IpAddress&) {
    return true;
  };

  [[nodiscard]] bool allows(const Target& target) const override { return by_name(target); }
  [[nodiscard]] bool allows_resolved(const Target& target, const IpAddress& address) const override {
    return by_address(target, address);
  }
};

[[nodiscard]] Config client_config();
[[nodiscard]] Config gateway_config(std::shared_ptr<const TargetPolicy> policy = std::make_shared<TestPolicy>());

class World {
 public:
  struct Options {
    Config client = client_config();
    Config gateway = gateway_config();
    Observer client_also;
    Observer gateway_also;
  };
  explicit World(runtime::Runtime& runtime);
  World(runtime::Runtime& runtime, Options options);
  /// Ends on runtimes of their own, so that one can be taken away.
  World(runtime::Runtime& client_runtime, runtime::Runtime& gateway_runtime, Options options);

  /// Carries offer and answer.
  void signal();
  void connect();
  /// The test's end of a connection through the tube.
  TestSocket open(const Target& target);
  TestSocket open(std::uint16_t port) { return open(Target{"127.0.0.1", port}); }
  TestSocket open_fixed();
  void close_both();

  std::shared_ptr<Tube> client;
  std::shared_ptr<Tube> gateway;
  Witness client_saw;
  Witness gateway_saw;

 private:
  runtime::Runtime& client_runtime_;
  boost::asio::io_context blocking_;
};

/// The result of a tube's coroutine, waited for.
template <typename T>
T wait_for(runtime::Runtime& runtime, boost::asio::awaitable<T> work);

std::size_t open_descriptors();

}  // namespace isotube::tube

#include "unit/tube/world_wait.hpp"
