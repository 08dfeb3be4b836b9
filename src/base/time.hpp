// Time as machines see it: a number that is handed in. Nothing below the line can ask what time it is.
#pragma once

#include <chrono>

namespace isotube {

using Duration = std::chrono::nanoseconds;

/// The clock of all machines. It has no now(): the driver hands in the time (a steady clock in the product, virtual
/// time in simulation), and it never goes back.
struct MachineClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MachineClock>;
  static constexpr bool is_steady = true;
};

using TimePoint = MachineClock::time_point;

/// What next_timeout() answers when a machine waits for nothing.
inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace isotube
