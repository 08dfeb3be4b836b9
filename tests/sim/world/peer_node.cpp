#include "sim/world/peer_node.hpp"

#include <algorithm>
#include <utility>

#include "sim/world/certificates.hpp"

namespace isotube::sim {
namespace {

peer::Settings in_surroundings(peer::Settings settings, dtls::Surroundings& surroundings) {
  settings.dtls.surroundings = &surroundings;
  return settings;
}

}  // namespace

PeerNode::PeerNode(const Address& address, const peer::Settings& settings, const Random& random)
    : address_(address),
      surroundings_(random),
      peer_(in_surroundings(settings, surroundings_), random, pool_, generate_certificate(surroundings_)) {}

void PeerNode::move_to(TimePoint now, const Address& address) {
  const Address old = std::exchange(address_, address);
  peer_.add_local_address(now, address);
  peer_.remove_local_address(now, old);
}

void PeerNode::handle_datagram(TimePoint now, const Path& path, ByteView datagram) {
  peer_.handle_datagram(now, path, datagram);
}

void PeerNode::handle_timeout(TimePoint now) { peer_.handle_timeout(now); }

bool PeerNode::drain(TimePoint now, Outlet& outlet) {
  bool moved = false;
  while (std::optional<peer::Event> event = peer_.poll_event()) {
    on_event(now, *event);
    moved = true;
  }
  moved = act(now) || moved;
  while (peer_.poll_transmit(now, *batch_)) {
    send(now, *batch_, outlet);
    moved = true;
  }
  return moved;
}

void PeerNode::send(TimePoint now, const peer::TransmitBatch& batch, Outlet& outlet) {
  ByteView rest = batch.bytes();
  while (!rest.empty()) {
    const ByteView datagram = rest.first(std::min(rest.size(), batch.segment_size()));
    transcript_.add(now, batch.path(), datagram);
    outlet.send(now, batch.path(), datagram);
    rest = rest.subspan(datagram.size());
  }
}

TimePoint PeerNode::next_timeout() const { return peer_.next_timeout(); }

}  // namespace isotube::sim
