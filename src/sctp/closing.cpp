// Ending: in good order (RFC 9260 9.2), at once (9.1), or because the other side did.
#include <utility>

#include "sctp/state.hpp"

namespace isotube::sctp {

void Association::Impl::shutdown(TimePoint now) {
  if (finished_) return;
  if (state_ != State::Established) {
    if (state_ != State::ShuttingDown) finish(CloseReason::Shutdown, "closed before it was open");
    return;
  }
  state_ = State::ShuttingDown;
  shutdown_ = ShutdownStep::Pending;
  advance_shutdown(now);
}

/// Takes the next step once all that was queued is acknowledged.
void Association::Impl::advance_shutdown(TimePoint now) {
  const bool delivered = queue_.empty() && outstanding_->empty();
  if (!delivered) return;
  if (shutdown_ == ShutdownStep::Pending) {
    Bytes cumulative(4);
    SpanWriter(cumulative).u32(static_cast<std::uint32_t>(received_->cumulative()));
    control(make_chunk(ChunkType::Shutdown, 0, cumulative));
    shutdown_ = ShutdownStep::Sent;
    // RFC 9260 9.2: a peer that goes on sending would keep us for ever.
    if (!is_running(Timer::T5ShutdownGuard)) start(Timer::T5ShutdownGuard, now + 5 * settings_.rto_max);
  } else if (shutdown_ == ShutdownStep::Received) {
    control(make_chunk(ChunkType::ShutdownAck, 0));
    shutdown_ = ShutdownStep::AckSent;
  } else {
    return;
  }
  start(Timer::T2Shutdown, now + round_trip_.rto());
}

void Association::Impl::on_shutdown(TimePoint now, ByteView value) {
  ByteReader reader(value);
  const std::uint32_t cumulative = reader.u32();
  if (!reader.ok() || (state_ != State::Established && state_ != State::ShuttingDown)) return;
  const std::size_t flight_before = outstanding_->bytes_in_flight();
  const Acknowledgement result = outstanding_->acknowledge_up_to(now, cumulative);
  state_ = State::ShuttingDown;
  if (shutdown_ == ShutdownStep::Sent || shutdown_ == ShutdownStep::AckSent) {
    // Both began at once, or our answer was lost (RFC 9260 9.2).
    control(make_chunk(ChunkType::ShutdownAck, 0));
    shutdown_ = ShutdownStep::AckSent;
    start(Timer::T2Shutdown, now + round_trip_.rto());
    return;
  }
  shutdown_ = ShutdownStep::Received;
  if (result.stale) {
    advance_shutdown(now);
  } else {
    on_acknowledgement(now, result, flight_before);
  }
}

void Association::Impl::on_shutdown_ack() {
  if (shutdown_ != ShutdownStep::Sent && shutdown_ != ShutdownStep::AckSent) return;
  lone_chunks_.clear();
  lone(peer_tag_, make_chunk(ChunkType::ShutdownComplete, 0));
  finish(CloseReason::Shutdown, "closed");
}

void Association::Impl::on_abort(ByteView value) {
  if (state_ == State::Closed) return;
  // The reason may be any bytes; it is handed on as it is, cut to what a log line holds.
  constexpr std::size_t kLongestReason = 128;
  std::string detail = "the peer aborted the association";
  ByteReader reader(value);
  const std::uint16_t cause = reader.u16();
  const std::size_t length = reader.u16();
  const bool has_text = cause == error_cause::kUserInitiatedAbort || cause == error_cause::kProtocolViolation;
  if (reader.ok() && has_text && length > 4 && length - 4 <= reader.remaining()) {
    detail += ": ";
    detail += as_text(reader.bytes(std::min(length - 4, kLongestReason)));
  }
  finish(CloseReason::PeerAborted, std::move(detail));
}

void Association::Impl::abort(std::uint16_t cause, std::string_view reason, CloseReason as) {
  if (finished_) return;
  const bool peer_is_known = received_.has_value();
  lone_chunks_.clear();
  if (peer_is_known) lone(peer_tag_, make_abort(cause, reason));
  finish(as, std::string(reason));
}

/// Ends for good. What is queued for sending goes back to the pool at once; only the farewell is still sent.
void Association::Impl::finish(CloseReason reason, std::string detail) {
  if (finished_) return;
  finished_ = true;
  state_ = State::Closed;
  timers_.fill(kNever);
  std::erase_if(lone_chunks_, [](const LoneChunk& each) {
    const auto type = static_cast<ChunkType>(each.chunk[0]);
    return type != ChunkType::Abort && type != ChunkType::ShutdownComplete;
  });
  control_.clear();
  outstanding_.reset();
  queue_ = SendQueue();
  reassembly_.reset();
  received_.reset();
  events_.push_back(Closed{reason, std::move(detail)});
}

}  // namespace isotube::sctp
