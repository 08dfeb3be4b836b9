// What goes out: what relays and paths live on first, then handshakes, then sealed SCTP packets, in batches.
#include <algorithm>
#include <array>
#include <utility>

#include "peer/stack.hpp"

namespace isotube::peer {
namespace {

/// No SCTP packet is longer, whatever path MTU discovery finds.
constexpr std::size_t kLargestPacket = 16'384;

}  // namespace

bool Peer::Impl::poll_transmit(TimePoint now, TransmitBatch& batch) {
  const bool filled = fill_from_relays(batch) || fill_from_checks(now, batch) || [&] {
    // RFC 7675 5.1: without consent nothing but checks may be sent. Handshakes repeat themselves, and SCTP keeps its
    // data.
    const std::optional<Path> path = agent_.selected_path();
    return path && (fill_from_queue(now, carried_over_, *path, batch) ||
                    fill_from_queue(now, handshake_queue_, *path, batch) || fill_from_sctp(now, *path, batch));
  }();
  if (filled) {
    counters_.bytes_sent += batch.bytes().size();
    counters_.datagrams_sent += batch.segments();
    return true;
  }
  if (state_ != State::Closed || relays_released_) return false;
  // The farewell went through them, so they are given back after it.
  relays_released_ = true;
  relays_.release_all(now);
  pump(now);
  return poll_transmit(now, batch);
}

bool Peer::Impl::finished() const { return state_ == State::Closed && relays_released_ && relays_.empty(); }

bool Peer::Impl::fill_from_relays(TransmitBatch& batch) {
  const std::optional<Relays::Transmit> next = relays_.poll_transmit();
  if (!next) return false;
  batch.begin({}, next->flow);
  return batch.append(next->bytes);
}

bool Peer::Impl::fill_from_checks(TimePoint now, TransmitBatch& batch) {
  while (std::optional<ice::Transmit> check = agent_.poll_transmit()) {
    begin(check->path, batch);
    (void)append(now, check->datagram, batch);
    if (!batch.empty()) return true;
  }
  return false;
}

bool Peer::Impl::fill_from_queue(TimePoint now, Queue& queue, const Path& path, TransmitBatch& batch) {
  begin(path, batch);
  while (!queue.empty() && takes(queue.front().size(), batch) && append(now, queue.front(), batch)) queue.pop_front();
  return !batch.empty();
}

bool Peer::Impl::fill_from_sctp(TimePoint now, const Path& path, TransmitBatch& batch) {
  begin(path, batch);
  const std::size_t largest = settings_.sctp.max_packet + dtls::Session::kOverhead;
  while (takes(largest, batch)) {
    const std::size_t header = relays_.header_size(path);
    const MutableByteView room = batch.room().subspan(header);
    const std::size_t length = seal_next_packet(now, room);
    if (length == 0) break;
    if (!commit(now, length, batch)) {
      // A record once sealed has its sequence number: it opens the next batch instead of being sealed again.
      carried_over_.push_back(to_bytes(ByteView(room).first(length)));
      break;
    }
  }
  return !batch.empty();
}

void Peer::Impl::begin(const Path& path, TransmitBatch& batch) { batch.begin(path, relays_.flow_of(path)); }

/// Whether a datagram of so many bytes has room, with what a relay puts around it.
bool Peer::Impl::takes(std::size_t largest_datagram, const TransmitBatch& batch) const {
  const std::size_t around = batch.flow() ? turn::Client::kMaxHeader + turn::Client::kMaxPadding : 0;
  return batch.takes(largest_datagram + around);
}

/// False if it is longer than those before it: then it stays out of the batch.
bool Peer::Impl::append(TimePoint now, ByteView datagram, TransmitBatch& batch) {
  const std::size_t header = relays_.header_size(batch.path());
  std::ranges::copy(datagram, batch.room().subspan(header).begin());
  return commit(now, datagram.size(), batch);
}

/// The datagram stands behind room for its header. What a relay does not take is dropped, as by any network.
bool Peer::Impl::commit(TimePoint now, std::size_t length, TransmitBatch& batch) {
  if (!batch.flow()) return batch.commit(length);
  const std::size_t framed = relays_.frame(now, batch.path(), batch.room(), length);
  return framed == 0 || batch.commit(framed);
}

/// Seals the association's next packet into `out` and gives the datagram's length; 0 if there is none.
std::size_t Peer::Impl::seal_next_packet(TimePoint now, MutableByteView out) {
  if (!association_ || !dtls_ || dtls_->state() != dtls::State::Connected) return 0;
  std::array<std::byte, kLargestPacket> packet;
  const std::size_t length = association_->poll_transmit(now, packet);
  if (length == 0) return 0;
  return dtls_->seal(now, ByteView(packet).first(length), out).value_or(0);
}

TimePoint Peer::Impl::next_timeout() const {
  if (state_ == State::Closed) return relays_.next_timeout();
  TimePoint next = std::min(agent_.next_timeout(), relays_.next_timeout());
  if (restart_) next = std::min(next, restart_->answer_due);
  if (dtls_) next = std::min(next, dtls_->next_timeout());
  if (association_) next = std::min(next, association_->next_timeout());
  return next;
}

}  // namespace isotube::peer
