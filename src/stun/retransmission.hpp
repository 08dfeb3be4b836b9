// When a STUN request over UDP is sent again, and when it is given up (RFC 8489 6.2.1).
#pragma once

#include <cstdint>

#include "base/time.hpp"

namespace isotube::stun {

/// The schedule of one request: the waits double from the RTO, and after the last one it is given up.
class Retransmission {
 public:
  /// RFC 8489 6.2.1: Rc and Rm. With an RTO of 500 ms a request is given up after 39.5 s.
  static constexpr int kRequests = 7;
  static constexpr int kLastWait = 16;

  enum class Step : std::uint8_t { Wait, SendAgain, GiveUp };

  /// The request was sent first at `now`.
  Retransmission(TimePoint now, Duration rto, int requests = kRequests, int last_wait = kLastWait)
      : rto_(rto), requests_(requests), last_wait_(last_wait), deadline_(now + wait_after(1)) {}

  /// What is due at `now`; SendAgain is counted as done.
  Step step(TimePoint now) {
    if (now < deadline_) return Step::Wait;
    if (sent_ >= requests_) return Step::GiveUp;
    ++sent_;
    // From the deadline that was due, not from `now`: a late call must not stretch the schedule, nor let two repeats
    // follow each other at once.
    const TimePoint next = deadline_ + wait_after(sent_);
    deadline_ = next > now ? next : now + rto_;
    return Step::SendAgain;
  }

  /// Sends no more, but leaves the time for an answer to what was sent.
  void stop(TimePoint now) {
    sent_ = requests_;
    deadline_ = now + last_wait_ * rto_;
  }

  [[nodiscard]] TimePoint deadline() const { return deadline_; }
  [[nodiscard]] int sent() const { return sent_; }

 private:
  [[nodiscard]] Duration wait_after(int sent) const {
    return sent >= requests_ ? last_wait_ * rto_ : (std::int64_t{1} << (sent - 1)) * rto_;
  }

  Duration rto_;
  int requests_;
  int last_wait_;
  int sent_ = 1;
  TimePoint deadline_;
};

}  // namespace isotube::stun
