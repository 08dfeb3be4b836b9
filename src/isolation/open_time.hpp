// How long a circuit stays open: the first time with jitter, then twice as long each time.
#pragma once

#include <cstdint>

#include "base/random.hpp"
#include "base/time.hpp"

namespace isotube::isolation {

/// Jitter is downward only, so that a circuit is never open for longer than its setting says; it is drawn at the first
/// opening and kept, so that each re-opening is exactly twice the one before, and circuits that opened together stay
/// apart. Not thread-safe.
class OpenTime {
 public:
  /// The time for one more opening: `base` times `factor` with the jitter, doubled for each opening since forget().
  [[nodiscard]] Duration next(Duration base, double factor, Duration limit, Random& random);
  /// The circuit has closed: the next opening is a first one.
  void forget() { openings_ = 0; }

 private:
  std::uint32_t openings_ = 0;
  double share_ = 1;
};

}  // namespace isotube::isolation
