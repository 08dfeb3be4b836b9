// Round trip and retransmission time-out (RFC 9260 6.3.1).
#pragma once

#include <algorithm>
#include <optional>

#include "base/time.hpp"

namespace isotube::sctp {

class RoundTrip {
 public:
  RoundTrip(Duration initial, Duration min, Duration max) : rto_(initial), min_(min), max_(max) {}

  void on_sample(Duration sample) {
    if (!smoothed_) {
      smoothed_ = sample;
      variation_ = sample / 2;
    } else {
      const Duration error = *smoothed_ > sample ? *smoothed_ - sample : sample - *smoothed_;
      variation_ = (variation_ * 3 + error) / 4;
      smoothed_ = (*smoothed_ * 7 + sample) / 8;
    }
    rto_ = std::clamp(*smoothed_ + 4 * variation_, min_, max_);
  }

  /// After each expiry (RFC 9260 6.3.3 E2).
  void back_off() { rto_ = std::min(rto_ * 2, max_); }

  [[nodiscard]] Duration rto() const { return rto_; }
  [[nodiscard]] std::optional<Duration> smoothed() const { return smoothed_; }

 private:
  std::optional<Duration> smoothed_;
  Duration variation_{};
  Duration rto_;
  Duration min_;
  Duration max_;
};

}  // namespace isotube::sctp
