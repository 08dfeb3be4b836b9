// What goes out: checks first (they keep the path alive), then handshakes, then sealed SCTP packets, in batches.
#include <array>
#include <utility>

#include "peer/stack.hpp"

namespace isotube::peer {
namespace {

/// No SCTP packet is longer, whatever path MTU discovery finds.
constexpr std::size_t kLargestPacket = 16'384;

}  // namespace

bool Peer::Impl::poll_transmit(TimePoint now, TransmitBatch& batch) {
  if (std::optional<ice::Transmit> check = agent_.poll_transmit()) {
    batch.begin(check->path);
    batch.append(check->datagram);
    counters_.bytes_sent += check->datagram.size();
    ++counters_.datagrams_sent;
    return true;
  }
  // RFC 7675 5.1: without consent nothing but checks may be sent. Handshakes repeat themselves, and SCTP keeps its
  // data.
  const std::optional<Path> path = agent_.selected_path();
  if (!path) return false;
  const bool filled = fill_from_queue(carried_over_, *path, batch) || fill_from_queue(handshake_queue_, *path, batch) ||
                      fill_from_sctp(now, *path, batch);
  if (filled) {
    counters_.bytes_sent += batch.bytes().size();
    counters_.datagrams_sent += batch.segments();
  }
  return filled;
}

bool Peer::Impl::fill_from_queue(Queue& queue, const Path& path, TransmitBatch& batch) {
  if (queue.empty()) return false;
  batch.begin(path);
  while (!queue.empty() && batch.takes(queue.front().size()) && batch.append(queue.front())) queue.pop_front();
  return true;
}

bool Peer::Impl::fill_from_sctp(TimePoint now, const Path& path, TransmitBatch& batch) {
  batch.begin(path);
  const std::size_t largest = settings_.sctp.max_packet + dtls::Session::kOverhead;
  while (batch.takes(largest)) {
    const std::size_t length = seal_next_packet(now, batch.room());
    if (length == 0) break;
    if (!batch.commit(length)) {
      // A record once sealed has its sequence number: it opens the next batch instead of being sealed again.
      carried_over_.push_back(to_bytes(ByteView(batch.room()).first(length)));
      break;
    }
  }
  return !batch.empty();
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
  if (state_ == State::Closed) return kNever;
  TimePoint next = agent_.next_timeout();
  if (restart_) next = std::min(next, restart_->answer_due);
  if (dtls_) next = std::min(next, dtls_->next_timeout());
  if (association_) next = std::min(next, association_->next_timeout());
  return next;
}

}  // namespace isotube::peer
