// How long to wait before the next try.
#pragma once

#include <algorithm>

#include "base/random.hpp"
#include "base/time.hpp"

namespace isotube::client {

/// Full jitter: each wait is drawn evenly from nothing to a limit that doubles from 1 s to 30 s, so that clients which
/// lost one gateway together don't come back together.
class Backoff {
 public:
  static constexpr Duration kFirst = std::chrono::seconds(1);
  static constexpr Duration kLast = std::chrono::seconds(30);

  explicit Backoff(Random random) : random_(random) {}

  [[nodiscard]] Duration next() {
    const Duration limit = std::min(limit_, kLast);
    limit_ = std::min(limit_ * 2, kLast);
    return std::chrono::duration_cast<Duration>(limit * random_.unit());
  }

  void reset() { limit_ = kFirst; }

 private:
  Random random_;
  Duration limit_ = kFirst;
};

}  // namespace isotube::client
