#include "sctp/congestion.hpp"

#include <algorithm>

namespace isotube::sctp {
namespace {

/// RFC 6928: ten packets. RFC 9260's 4,380 bytes are older and cost a small transfer two round trips.
constexpr std::size_t kInitialPackets = 10;
/// More than any receive window that we ever see: a bound against arithmetic, not a policy.
constexpr std::size_t kMaxWindow = std::size_t{64} << 20;

}  // namespace

CongestionControl::CongestionControl(std::size_t max_packet)
    : max_packet_(max_packet), window_(kInitialPackets * max_packet), threshold_(kMaxWindow) {}

void CongestionControl::on_acknowledged(std::size_t acknowledged, bool was_full, bool in_recovery) {
  // RFC 9260 7.2.1: a window that is not used says nothing about the path, and recovery holds it still.
  if (!was_full || in_recovery) return;
  if (in_slow_start()) {
    // Appropriate byte counting (RFC 3465): acknowledgements come in batches here, one for dozens of packets.
    window_ = std::min(window_ + acknowledged, kMaxWindow);
    return;
  }
  partial_bytes_acked_ += acknowledged;
  if (partial_bytes_acked_ >= window_) {
    partial_bytes_acked_ -= window_;
    window_ = std::min(window_ + max_packet_, kMaxWindow);
  }
}

void CongestionControl::on_loss() {
  threshold_ = std::max(window_ / 2, 4 * max_packet_);
  window_ = threshold_;
  partial_bytes_acked_ = 0;
}

void CongestionControl::on_timeout() {
  threshold_ = std::max(window_ / 2, 4 * max_packet_);
  window_ = max_packet_;
  partial_bytes_acked_ = 0;
}

void CongestionControl::on_idle(Duration idle, Duration rto) {
  const std::size_t floor = std::min(window_, kInitialPackets * max_packet_);
  for (; idle >= rto && window_ > floor; idle -= rto) window_ = std::max(window_ / 2, floor);
}

}  // namespace isotube::sctp
