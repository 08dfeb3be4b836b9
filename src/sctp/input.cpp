// What comes in: packets, their tags, their chunks (RFC 9260 8.5, 3.2, 6).
#include <algorithm>

#include "sctp/state.hpp"

namespace isotube::sctp {
namespace {

/// The T bit of ABORT and SHUTDOWN COMPLETE: the sender had no tag of ours and reflects its own (RFC 9260 8.5.1 B, C).
constexpr std::uint8_t kReflectedTag = 0x01;

}  // namespace

bool Association::Impl::accepts_tag(const PacketHeader& header, const ChunkView& first) const {
  if (first.type == ChunkType::Init) return header.verification_tag == 0;
  const bool may_reflect = first.type == ChunkType::Abort || first.type == ChunkType::ShutdownComplete;
  if (may_reflect && (first.flags & kReflectedTag) != 0) return header.verification_tag == peer_tag_;
  return header.verification_tag == our_tag_;
}

void Association::Impl::handle_packet(TimePoint now, ByteView packet) {
  std::expected<PacketReader, PacketError> reader = PacketReader::open(packet);
  std::optional<ChunkView> chunk;
  if (reader) chunk = reader->next();
  const bool is_ours = chunk && reader->header().destination_port == settings_.local_port &&
                       reader->header().source_port == settings_.remote_port && accepts_tag(reader->header(), *chunk);
  if (is_ours && finished_ && chunk->type == ChunkType::ShutdownAck && shutdown_ != ShutdownStep::None) {
    // RFC 9260 8.4: our SHUTDOWN COMPLETE was lost.
    ++counters_.packets_received;
    return lone(peer_tag_, make_chunk(ChunkType::ShutdownComplete, 0));
  }
  if (!is_ours || finished_) {
    ++counters_.packets_dropped;
    return;
  }
  ++counters_.packets_received;
  packet_wants_sack_ = SackNeed::None;
  const std::size_t events_before = events_.size();
  for (; chunk; chunk = reader->next()) {
    if (!handle_chunk(now, *chunk) || finished_) break;
  }
  for (std::size_t i = events_before; i < events_.size(); ++i) {
    if (const auto* received = std::get_if<MessageReceived>(&events_[i])) undelivered_ += received->message.size();
  }
  if (reader->malformed()) ++counters_.packets_dropped;
  if (!finished_) schedule_sack(now);
}

bool Association::Impl::handle_chunk(TimePoint now, const ChunkView& chunk) {
  switch (chunk.type) {
    case ChunkType::Init:
      on_init(now, chunk.value);
      return false;  // RFC 9260 3.3.2: nothing may go with it
    case ChunkType::InitAck:
      on_init_ack(now, chunk.value);
      return false;
    case ChunkType::CookieEcho:
      on_cookie_echo(now, chunk.value);
      return true;
    case ChunkType::CookieAck:
      on_cookie_ack(now);
      return true;
    case ChunkType::Abort:
      on_abort(chunk.value);
      return false;
    case ChunkType::Pad:
      return true;
    default:
      break;
  }
  // Everything else needs to know the peer.
  if (!received_) return false;
  switch (chunk.type) {
    case ChunkType::Data:
    case ChunkType::IData:
      on_data(chunk);
      return true;
    case ChunkType::Sack:
      on_sack(now, chunk.value);
      return true;
    case ChunkType::Heartbeat:
      control(make_chunk(ChunkType::HeartbeatAck, 0, chunk.value));
      return true;
    case ChunkType::HeartbeatAck:
      on_heartbeat_ack(now, chunk.value);
      return true;
    case ChunkType::Error:
      on_error(now, chunk.value);
      return true;
    case ChunkType::ReConfig:
      on_reconfig(now, chunk.value);
      return true;
    case ChunkType::ForwardTsn:
    case ChunkType::IForwardTsn:
      on_forward_tsn(chunk);
      return true;
    case ChunkType::Shutdown:
      on_shutdown(now, chunk.value);
      return true;
    case ChunkType::ShutdownAck:
      on_shutdown_ack();
      return true;
    case ChunkType::ShutdownComplete:
      if (shutdown_ == ShutdownStep::AckSent) finish(CloseReason::Shutdown, "the peer closed the connection");
      return false;
    default:
      return handle_unknown(chunk);
  }
}

/// RFC 9260 3.2: the upper two bits of an unknown type say what to do.
bool Association::Impl::handle_unknown(const ChunkView& chunk) {
  constexpr std::uint8_t kSkip = 0x80;
  constexpr std::uint8_t kReport = 0x40;
  constexpr std::size_t kReported = 64;
  const auto type = static_cast<std::uint8_t>(chunk.type);
  if ((type & kReport) != 0) {
    const Bytes unknown =
        make_chunk(chunk.type, chunk.flags, chunk.value.first(std::min(chunk.value.size(), kReported)));
    control(make_error(error_cause::kUnrecognizedChunk, unknown));
  }
  return (type & kSkip) != 0;
}

void Association::Impl::on_data(const ChunkView& chunk) {
  const std::optional<DataChunk> data = parse_data(chunk);
  // RFC 8260 2.2.1: once I-DATA is agreed on DATA is an error, and the other way round.
  if (!data || chunk.type != data_type()) {
    return abort(error_cause::kProtocolViolation, "a data chunk that was not agreed on or is too short",
                 CloseReason::ProtocolViolation);
  }
  if (data->payload.empty()) {
    return abort(error_cause::kNoUserData, "a data chunk without data", CloseReason::ProtocolViolation);
  }
  const Tsn tsn = received_->unwrap(data->tsn);
  const ReceivedTsns::Arrival arrival = received_->look_at(tsn);
  if (arrival == ReceivedTsns::Arrival::Duplicate) ++counters_.duplicates_received;
  if (arrival != ReceivedTsns::Arrival::New || !has_room_for(tsn)) return want_sack(SackNeed::Now);

  received_->add(tsn);
  if (static_cast<std::uint16_t>(data->stream) < settings_.streams) {
    if (const auto done = reassembly_->add(tsn, *data, events_); !done) {
      return abort(error_cause::kProtocolViolation, to_string(done.error()), CloseReason::ProtocolViolation);
    }
  } else {
    Bytes stream(4);
    SpanWriter(stream).u16(static_cast<std::uint16_t>(data->stream));
    control(make_error(error_cause::kInvalidStream, stream));
  }
  perform_deferred_reset();
  const bool at_once = data->immediate || received_->has_gaps() || shutdown_ == ShutdownStep::Sent;
  want_sack(at_once ? SackNeed::Now : SackNeed::Delayed);
}

void Association::Impl::want_sack(SackNeed need) { packet_wants_sack_ = std::max(packet_wants_sack_, need); }

/// RFC 9260 6.2: at least every second packet is acknowledged, and one alone within the delay. However many chunks it
/// had, a packet counts once.
void Association::Impl::schedule_sack(TimePoint now) {
  constexpr int kPacketsForSack = 2;
  if (packet_wants_sack_ == SackNeed::None) return;
  ++packets_unacknowledged_;
  if (packet_wants_sack_ == SackNeed::Now || packets_unacknowledged_ >= kPacketsForSack) {
    sack_need_ = SackNeed::Now;
    stop(Timer::DelayedSack);
  } else if (sack_need_ == SackNeed::None) {
    sack_need_ = SackNeed::Delayed;
    start(Timer::DelayedSack, now + settings_.delayed_sack);
  }
}

/// What has not been taken and what waits for its other parts is the peer's to wait for.
std::size_t Association::Impl::receive_window() const {
  const std::size_t used = reassembly_->held() + undelivered_;
  return settings_.receive_window - std::min(settings_.receive_window, used);
}

/// In a full window there is no room for what would have to wait. What fills the first hole makes room, unless it is
/// our reader that has to.
bool Association::Impl::has_room_for(Tsn tsn) const {
  const bool has_room = receive_window() > 0 && reassembly_->has_room();
  return has_room || (undelivered_ == 0 && tsn == received_->cumulative() + 1);
}

void Association::Impl::on_sack(TimePoint now, ByteView value) {
  if (state_ != State::Established && state_ != State::ShuttingDown) return;
  if (!parse_sack(value, sack_)) {
    ++counters_.packets_dropped;
    return;
  }
  const std::size_t flight_before = outstanding_->bytes_in_flight();
  const Acknowledgement result = outstanding_->acknowledge(now, sack_);
  if (result.stale) return;
  peer_window_ = sack_.a_rwnd;
  // A closed window whose probes are answered is a slow reader, not a dead one (RFC 9260 6.1 A), and an answer to
  // FORWARD TSN acknowledges no bytes.
  if (result.bytes > 0 || result.advanced || peer_window_ < settings_.max_packet) unanswered_ = 0;
  on_acknowledgement(now, result, flight_before);
}

void Association::Impl::on_acknowledgement(TimePoint now, const Acknowledgement& result, std::size_t flight_before) {
  if (result.round_trip) round_trip_.on_sample(*result.round_trip);
  if (recovery_exit_ && outstanding_->cumulative() >= *recovery_exit_) recovery_exit_.reset();
  if (result.advanced) {
    const bool was_full = flight_before + settings_.max_packet >= congestion_.window();
    congestion_.on_acknowledged(result.bytes, was_full, recovery_exit_.has_value());
  }
  if (result.found_loss && !recovery_exit_) {
    ++counters_.fast_retransmits;
    congestion_.on_loss();
    recovery_exit_ = outstanding_->next_tsn() - 1;
    fast_retransmit_due_ = true;
  }
  abandon_expired(now);
  forward_tsn_due_ = forward_tsn_due_ || (outstanding_->has_skipped() && (result.advanced || result.found_loss));
  if (outstanding_->bytes_in_flight() == 0 && !outstanding_->has_skipped()) {
    stop(Timer::T3Retransmission);
  } else if (result.advanced) {
    start(Timer::T3Retransmission, now + round_trip_.rto());
  }
  advance_shutdown(now);
}

void Association::Impl::abandon_expired(TimePoint now) {
  // A peer without RFC 3758 can't be told to skip anything.
  if (peer_extensions_.partial_reliability) outstanding_->abandon_expired(now);
  counters_.messages_abandoned = queue_.abandoned();
}

void Association::Impl::on_forward_tsn(const ChunkView& chunk) {
  std::optional<ForwardTsnChunk> forward = parse_forward_tsn(chunk);
  const ChunkType agreed = interleaving_ ? ChunkType::IForwardTsn : ChunkType::ForwardTsn;
  if (!forward || chunk.type != agreed) {
    ++counters_.packets_dropped;
    return;
  }
  const Tsn cumulative = received_->unwrap(forward->new_cumulative_tsn);
  // RFC 3758 3.6: an old one is answered by a SACK alone. One far ahead of anything is no honest one.
  constexpr Tsn kFurthest = 1 << 20;
  if (cumulative > received_->cumulative() && cumulative - received_->cumulative() < kFurthest) {
    std::erase_if(forward->streams, [this](const SkippedStream& each) {
      return static_cast<std::uint16_t>(each.stream) >= settings_.streams;
    });
    received_->skip_to(cumulative);
    if (const auto done = reassembly_->skip(cumulative, *forward, events_); !done) {
      return abort(error_cause::kProtocolViolation, to_string(done.error()), CloseReason::ProtocolViolation);
    }
    perform_deferred_reset();
  }
  want_sack(SackNeed::Now);
}

void Association::Impl::on_heartbeat_ack(TimePoint now, ByteView value) {
  constexpr std::uint16_t kHeartbeatInfo = 1;
  ByteReader reader(value);
  const std::uint16_t type = reader.u16();
  reader.skip(2);
  const std::uint64_t nonce = reader.u64();
  if (!reader.ok() || type != kHeartbeatInfo || heartbeat_nonce_ == 0 || nonce != heartbeat_nonce_) return;
  heartbeat_nonce_ = 0;
  unanswered_ = 0;
  round_trip_.on_sample(now - heartbeat_sent_);
}

void Association::Impl::on_error(TimePoint now, ByteView value) {
  ByteReader reader(value);
  const std::uint16_t cause = reader.u16();
  // RFC 9260 5.2.6: the cookie was too old; a new one is one INIT away.
  if (reader.ok() && cause == error_cause::kStaleCookie && state_ == State::CookieEchoed) {
    constexpr int kMostStaleCookies = 3;
    if (++stale_cookies_ > kMostStaleCookies) return finish(CloseReason::Lost, "every cookie was stale on arrival");
    stop(Timer::T1Cookie);
    cookie_echo_due_ = false;
    state_ = State::CookieWait;
    send_init(now);
  }
}

}  // namespace isotube::sctp
