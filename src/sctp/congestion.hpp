// Congestion control of RFC 9260 7.2: slow start, congestion avoidance, fast recovery, with bytes as the unit.
#pragma once

#include <cstddef>

#include "base/time.hpp"

namespace isotube::sctp {

class CongestionControl {
 public:
  explicit CongestionControl(std::size_t max_packet);

  [[nodiscard]] std::size_t window() const { return window_; }
  [[nodiscard]] bool in_slow_start() const { return window_ <= threshold_; }

  /// `acknowledged` bytes left the network; `was_full` tells that the window was in full use before.
  void on_acknowledged(std::size_t acknowledged, bool was_full, bool in_recovery);
  /// Loss was found by later acknowledgements: once per recovery.
  void on_loss();
  /// T3 expired: nothing is known of what is in flight.
  void on_timeout();
  /// Nothing was sent for `idle`: what the window was good for is long ago (RFC 9260 7.2.1).
  void on_idle(Duration idle, Duration rto);

 private:
  std::size_t max_packet_;
  std::size_t window_;
  std::size_t threshold_;
  std::size_t partial_bytes_acked_ = 0;
};

}  // namespace isotube::sctp
