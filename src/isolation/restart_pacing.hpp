// How often a tube may restart ICE.
#pragma once

#include <cstdint>
#include <expected>

#include "base/random.hpp"
#include "base/time.hpp"

namespace isotube::isolation {

/// The first restart may be at once; the next are at least 5, 10, 20, then 60 s after the one before, each time ±20 %,
/// until one succeeds. After 5 without a success there is one a minute. Test requests of a breaker don't ask here.
/// Not thread-safe. `now` never goes back.
class RestartPacing {
 public:
  explicit RestartPacing(const Random& random) : random_(random) {}

  /// Starts one, or says how long to wait.
  [[nodiscard]] std::expected<void, Duration> try_start(TimePoint now);
  /// The restart that was started last has a new pair.
  void succeeded();
  /// When try_start() would agree.
  [[nodiscard]] TimePoint next_allowed() const { return next_allowed_; }
  [[nodiscard]] std::uint32_t without_success() const { return without_success_; }

 private:
  [[nodiscard]] Duration gap();
  [[nodiscard]] Duration jittered(Duration gap);

  Random random_;
  TimePoint last_ = TimePoint::min();
  TimePoint next_allowed_ = TimePoint::min();
  std::uint32_t without_success_ = 0;
};

}  // namespace isotube::isolation
