// How many unauthenticated requests are answered at all.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace isotube::ice {

/// RFC 8489 9.1.3 obliges us to answer a request without or with wrong credentials (400, 401). Whoever sends with a
/// forged source address must not gain by that: the agent sends no error that is longer than its request, and this
/// budget bounds how many there are.
class RefusalBudget {
 public:
  [[nodiscard]] bool take(TimePoint now) {
    const std::int64_t earned = (now - counted_at_) / kEarn;
    // A full budget forgets the time that it could not use.
    left_ = std::min(kMost, left_ + std::min(earned, kMost));
    counted_at_ = left_ == kMost ? now : counted_at_ + earned * kEarn;
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  static constexpr std::int64_t kMost = 10;
  static constexpr Duration kEarn = std::chrono::milliseconds(100);

  std::int64_t left_ = kMost;
  TimePoint counted_at_{};
};

}  // namespace isotube::ice
