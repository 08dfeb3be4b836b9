// What goes out, packet by packet (RFC 9260 6.1, 6.10): lone chunks, control, acknowledgements, lost data, new data.
#include <algorithm>

#include "sctp/state.hpp"

namespace isotube::sctp {
namespace {

/// A message is not cut for less: the header would cost more than the bytes. It still lets the tail of one message and
/// the head of the next share a packet, so that packets are of one length.
constexpr std::size_t kLeastFragment = 128;
/// Control chunks that wait to be sent: more can only be answers that a flood asked for.
constexpr std::size_t kMaxControl = 64;

}  // namespace

std::expected<void, SendError> Association::Impl::send(TimePoint now, StreamId stream, const SendOptions& options,
                                                       Buffer&& message) {
  const bool can_queue = state_ != State::Closed && state_ != State::ShuttingDown;
  if (!can_queue) return std::unexpected(SendError::NotConnected);
  if (message.empty()) return std::unexpected(SendError::Empty);
  const bool over_peer_limit = peer_max_message_ != 0 && message.size() > peer_max_message_;
  if (over_peer_limit || message.size() > settings_.max_message) return std::unexpected(SendError::TooLarge);
  if (!is_usable(stream)) return std::unexpected(SendError::NoSuchStream);
  // A message as large as the limit itself still goes when nothing is queued.
  const bool has_room = queue_.buffered() == 0 || queue_.buffered() + message.size() <= settings_.send_limit;
  if (!has_room) return std::unexpected(SendError::WouldBlock);
  OutgoingMessage outgoing;
  outgoing.payload = std::move(message);
  outgoing.stream = stream;
  outgoing.ppid = options.ppid;
  outgoing.ordered = options.ordered;
  // A peer without RFC 3758 could not be told to skip anything: then everything is reliable.
  if (peer_extensions_.partial_reliability || state_ != State::Established) {
    outgoing.max_retransmissions = options.max_retransmissions;
    if (options.lifetime) outgoing.expires = now + *options.lifetime;
  }
  queue_.push(std::move(outgoing));
  return {};
}

void Association::Impl::control(Bytes chunk) {
  // What fits into no packet (the answer to a longer one of the peer's) would stand in the way of all others.
  const bool fits = kPacketHeaderSize + padded(chunk.size()) <= settings_.max_packet;
  if (fits && control_.size() < kMaxControl) control_.push_back(std::move(chunk));
}

void Association::Impl::lone(std::uint32_t tag, Bytes chunk) {
  constexpr std::size_t kMaxLone = 16;
  if (lone_chunks_.size() < kMaxLone) lone_chunks_.push_back({tag, std::move(chunk)});
}

bool Association::Impl::may_send_data() const {
  return state_ == State::Established || (state_ == State::ShuttingDown && shutdown_ != ShutdownStep::AckSent);
}

std::size_t Association::Impl::poll_transmit(TimePoint now, MutableByteView out) {
  SpanWriter writer(out.first(std::min(out.size(), settings_.max_packet)));
  if (write_lone_chunk(writer)) {
    seal_packet(out.first(writer.size()));
    ++counters_.packets_sent;
    return writer.size();
  }
  if (finished_ || !received_) return 0;
  send_reset_when_due(now);
  write_packet_header(writer, {settings_.local_port, settings_.remote_port, peer_tag_});
  write_control(writer);
  // An acknowledgement that waits goes along with data, and before it (RFC 9260 6.10).
  const bool data_goes = may_send_data() && (outstanding_->first_lost() || (!queue_.empty() && sendable(1) > 0));
  if (sack_need_ == SackNeed::Now || (sack_need_ == SackNeed::Delayed && data_goes)) write_sack(writer);
  if (may_send_data()) {
    write_lost(now, writer);
    write_new_data(now, writer);
    counters_.messages_abandoned = queue_.abandoned();
  }
  if (writer.size() == kPacketHeaderSize) return 0;
  seal_packet(out.first(writer.size()));
  ++counters_.packets_sent;
  return writer.size();
}

bool Association::Impl::write_lone_chunk(SpanWriter& out) {
  if (lone_chunks_.empty()) return false;
  write_packet_header(out, {settings_.local_port, settings_.remote_port, lone_chunks_.front().tag});
  write_chunk(out, lone_chunks_.front().chunk);
  lone_chunks_.pop_front();
  return out.ok();
}

void Association::Impl::write_control(SpanWriter& out) {
  // RFC 9260 5.1 C: COOKIE ECHO is the first chunk of its packet.
  if (std::exchange(cookie_echo_due_, false)) write_chunk(out, make_chunk(ChunkType::CookieEcho, 0, cookie_to_echo_));
  while (!control_.empty() && padded(control_.front().size()) <= out.remaining()) {
    write_chunk(out, control_.front());
    control_.pop_front();
  }
  if (forward_tsn_due_ && outstanding_->has_skipped()) {
    constexpr std::size_t kFixed = kPacketHeaderSize + kChunkHeaderSize + 4;
    const ChunkType type = interleaving_ ? ChunkType::IForwardTsn : ChunkType::ForwardTsn;
    const std::size_t most_streams = (settings_.max_packet - kFixed) / (interleaving_ ? 8 : 4);
    const Bytes chunk = make_forward_tsn(type, outstanding_->skipped(interleaving_, most_streams));
    if (padded(chunk.size()) <= out.remaining()) {
      write_chunk(out, chunk);
      forward_tsn_due_ = false;
    }
  }
}

void Association::Impl::write_sack(SpanWriter& out) {
  constexpr std::size_t kFixed = 16;
  constexpr std::size_t kEntry = 4;
  // Half a packet says enough: what is left out follows with the next one.
  const std::size_t budget = std::min(out.remaining(), settings_.max_packet / 2);
  if (budget < kFixed) return;
  const std::size_t entries = (budget - kFixed) / kEntry;
  const std::size_t gaps = std::min(received_->ranges().size(), entries);
  const std::size_t duplicates = std::min(received_->duplicates().size(), entries - gaps);
  announced_window_ = receive_window();
  out.u8(static_cast<std::uint8_t>(ChunkType::Sack));
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(kFixed + kEntry * (gaps + duplicates)));
  out.u32(static_cast<std::uint32_t>(received_->cumulative()));
  out.u32(static_cast<std::uint32_t>(announced_window_));
  out.u16(static_cast<std::uint16_t>(gaps));
  out.u16(static_cast<std::uint16_t>(duplicates));
  for (std::size_t i = 0; i < gaps; ++i) {
    const ReceivedTsns::Range& range = received_->ranges()[i];
    out.u16(static_cast<std::uint16_t>(range.first - received_->cumulative()));
    out.u16(static_cast<std::uint16_t>(range.last - received_->cumulative()));
  }
  for (std::size_t i = 0; i < duplicates; ++i) out.u32(static_cast<std::uint32_t>(received_->duplicates()[i]));
  received_->clear_duplicates();
  sack_need_ = SackNeed::None;
  packets_unacknowledged_ = 0;
  stop(Timer::DelayedSack);
}

void Association::Impl::write_chunk_of(SpanWriter& out, Tsn tsn) {
  const Fragment& fragment = outstanding_->chunk(tsn).fragment;
  const OutgoingMessage& message = queue_.message(fragment.message);
  write_data(out, data_type(),
             {.tsn = static_cast<std::uint32_t>(tsn),
              .stream = message.stream,
              .begin = fragment.begin,
              .end = fragment.end,
              .unordered = !message.ordered,
              .message = message.number,
              .fragment = fragment.index,
              .ppid = message.ppid,
              .payload = message.payload.view().subspan(fragment.offset, fragment.length)});
}

void Association::Impl::write_lost(TimePoint now, SpanWriter& out) {
  while (const std::optional<Tsn> lost = outstanding_->first_lost()) {
    const std::size_t size = padded(data_header_size() + outstanding_->chunk(*lost).fragment.length);
    // RFC 9260 7.2.4: the first packet of a fast retransmission goes whatever the window says.
    const bool allowed = fast_retransmit_due_ || outstanding_->bytes_in_flight() < congestion_.window();
    if (!allowed || size > out.remaining()) break;
    outstanding_->retransmit(now, *lost);
    ++counters_.chunks_retransmitted;
    write_chunk_of(out, *lost);
    if (!is_running(Timer::T3Retransmission)) start(Timer::T3Retransmission, now + round_trip_.rto());
  }
  fast_retransmit_due_ = false;
}

std::size_t Association::Impl::sendable(std::size_t room) const {
  const std::size_t flight = outstanding_->bytes_in_flight();
  if (flight >= congestion_.window()) return 0;
  // RFC 9260 6.1 A: with the peer's window closed one chunk at a time probes it.
  if (flight == 0 && peer_window_ < kLeastFragment) return room;
  return std::min(room, peer_window_ - std::min(peer_window_, flight));
}

void Association::Impl::write_new_data(TimePoint now, SpanWriter& out) {
  // What was lost comes first: new data would only widen the gap.
  while (!queue_.empty() && !outstanding_->first_lost() && out.remaining() > data_header_size()) {
    if (outstanding_->empty()) congestion_.on_idle(now - last_data_sent_, round_trip_.rto());
    const std::size_t room = (out.remaining() - data_header_size()) & ~std::size_t{3};
    const std::optional<Fragment> fragment = queue_.next(now, sendable(room), kLeastFragment);
    if (!fragment) return;
    const Tsn tsn = outstanding_->add(now, *fragment);
    counters_.payload_bytes_sent += fragment->length;
    last_data_sent_ = now;
    write_chunk_of(out, tsn);
    if (!is_running(Timer::T3Retransmission)) start(Timer::T3Retransmission, now + round_trip_.rto());
  }
}

}  // namespace isotube::sctp
