// What happens when nothing came (RFC 9260 6.3.3, 8.1, 8.3).
#include <algorithm>

#include "sctp/state.hpp"

namespace isotube::sctp {

TimePoint Association::Impl::next_timeout() const { return *std::ranges::min_element(timers_); }

void Association::Impl::handle_timeout(TimePoint now) {
  for (std::size_t i = 0; i < kTimers && !finished_; ++i) {
    const auto timer = static_cast<Timer>(i);
    if (at(timer) > now) continue;
    stop(timer);
    on_timer(now, timer);
  }
}

bool Association::Impl::give_up_after(int limit) {
  if (++unanswered_ <= limit) return false;
  finish(CloseReason::Lost, "the peer does not answer (" + std::to_string(limit) + " repeats)");
  return true;
}

void Association::Impl::on_timer(TimePoint now, Timer timer) {
  switch (timer) {
    case Timer::T1Init:
      if (give_up_after(settings_.max_init_retransmissions)) return;
      round_trip_.back_off();
      return send_init(now);
    case Timer::T1Cookie:
      if (give_up_after(settings_.max_init_retransmissions)) return;
      round_trip_.back_off();
      return send_cookie_echo(now);
    case Timer::T2Shutdown:
      // Both sides have said that they are done, and only the peer's last word is missing (RFC 9260 9.2).
      if (shutdown_ == ShutdownStep::AckSent && unanswered_ >= settings_.max_retransmissions) {
        return finish(CloseReason::Shutdown, "closed, without the peer's last word");
      }
      if (give_up_after(settings_.max_retransmissions)) return;
      round_trip_.back_off();
      shutdown_ = shutdown_ == ShutdownStep::Sent ? ShutdownStep::Pending : ShutdownStep::Received;
      return advance_shutdown(now);
    case Timer::T5ShutdownGuard:
      return abort(error_cause::kUserInitiatedAbort, "the peer did not finish in time", CloseReason::Lost);
    case Timer::T3Retransmission:
      return on_retransmission_timeout(now);
    case Timer::DelayedSack:
      sack_need_ = SackNeed::Now;
      return;
    case Timer::Reconfig:
      return on_reconfig_timer(now);
    case Timer::Heartbeat:
      return on_heartbeat_timer(now);
  }
}

void Association::Impl::on_retransmission_timeout(TimePoint now) {
  ++counters_.timeouts;
  if (give_up_after(settings_.max_retransmissions)) return;
  round_trip_.back_off();
  congestion_.on_timeout();
  recovery_exit_.reset();
  outstanding_->lose_all();
  abandon_expired(now);
  // Sending starts T3 again, but a FORWARD TSN alone does not.
  forward_tsn_due_ = outstanding_->has_skipped();
  if (forward_tsn_due_) start(Timer::T3Retransmission, now + round_trip_.rto());
}

void Association::Impl::on_heartbeat_timer(TimePoint now) {
  start(Timer::Heartbeat, now + settings_.heartbeat_interval + round_trip_.rto());
  // Data in flight shows by itself whether the peer lives.
  if (!outstanding_->empty()) return;
  if (heartbeat_nonce_ != 0 && give_up_after(settings_.max_retransmissions)) return;
  heartbeat_nonce_ = random_.next_u64() | 1;
  heartbeat_sent_ = now;
  constexpr std::uint16_t kHeartbeatInfo = 1;
  constexpr std::uint16_t kInfoSize = 4 + 8;
  Bytes info;
  BytesWriter writer(info);
  writer.u16(kHeartbeatInfo);
  writer.u16(kInfoSize);
  writer.u64(heartbeat_nonce_);
  control(make_chunk(ChunkType::Heartbeat, 0, info));
}

}  // namespace isotube::sctp
