// Virtual time and a breaker in it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "isolation/breaker.hpp"

namespace isotube::isolation {

using namespace std::chrono_literals;

inline constexpr TimePoint kStart{1h};

[[nodiscard]] inline Random seeded(std::uint64_t number) {
  Random::Seed seed{};
  for (std::size_t i = 0; i < 8; ++i) seed[i] = static_cast<std::byte>(number >> (8 * i));
  return Random(seed);
}

/// A breaker, a clock that stands still unless told, and the transitions as they were observed.
class BreakerWorld {
 public:
  explicit BreakerWorld(const CircuitConfig& config = {}, CircuitMode mode = CircuitMode::Normal,
                        std::uint64_t seed = 1)
      : breaker(config, seeded(seed), [this](const Transition& each) { transitions.push_back(each); }, mode) {}

  [[nodiscard]] Permit acquire(ErrorType operation = ErrorType::IceConnectionFailed) {
    auto permit = breaker.try_acquire(now, operation);
    return permit ? std::move(*permit) : Permit();
  }
  /// Why nothing is let through; nothing if something is. What was let through is given back.
  [[nodiscard]] std::optional<CircuitRefusal> refusal() {
    const auto permit = breaker.try_acquire(now, ErrorType::IceConnectionFailed);
    return permit ? std::nullopt : std::optional(permit.error());
  }
  void succeed(ErrorType operation = ErrorType::IceConnectionFailed) { acquire(operation).success(now); }
  void fail(ErrorType type = ErrorType::IceConnectionFailed, int times = 1) {
    for (int i = 0; i < times; ++i) acquire(type).failure(now, type);
  }
  /// To the moment at which the open circuit would let a test request through.
  void sit_out_open_time() { now = *breaker.snapshot().open_until; }
  [[nodiscard]] Duration open_time() const { return *breaker.snapshot().open_until - now; }
  [[nodiscard]] CircuitState state() const { return breaker.snapshot().state; }
  [[nodiscard]] std::string state_text() const { return describe_state(breaker.snapshot(), now); }

  TimePoint now = kStart;
  std::vector<Transition> transitions;
  Breaker breaker;
};

}  // namespace isotube::isolation
