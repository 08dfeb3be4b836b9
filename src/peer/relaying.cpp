// Relays and the stack: relayed addresses become ICE's, and what comes through a relay is heard like any other
// datagram.
#include <utility>

#include "peer/stack.hpp"

namespace isotube::peer {

void Peer::Impl::allocate_relay(TimePoint now, RelayId relay) {
  if (state_ == State::Closed) return;
  relays_.allocate(now, relay);
  pump(now);
}

void Peer::Impl::end_of_local_addresses(TimePoint now) {
  locals_ended_ = true;
  pump(now);
}

void Peer::Impl::handle_flow_bytes(TimePoint now, FlowId flow, ByteView bytes) {
  relays_.handle_bytes(now, flow, bytes);
  while (const auto received = relays_.poll_received()) {
    if (state_ == State::Closed) continue;
    take_datagram(now, received->path, received->payload);
    pump_stack(now);
  }
  pump(now);
}

std::optional<FlowId> Peer::Impl::selected_flow() const {
  const std::optional<Path> path = agent_.selected_path();
  return path ? relays_.flow_of(*path) : std::nullopt;
}

bool Peer::Impl::pump_relays(TimePoint now) {
  if (const auto doubtful = std::exchange(doubtful_path_, std::nullopt)) relays_.verify(now, doubtful->local);
  bool moved = false;
  while (std::optional<Relays::Event> event = relays_.poll_event()) {
    moved = true;
    std::visit([&](const auto& each) { on_relay(now, each); }, *event);
  }
  // Candidates are all found once each relay has said what it gives.
  if (locals_ended_ && !gathering_ended_ && relays_.settled()) {
    gathering_ended_ = true;
    moved = true;
    agent_.end_of_local_addresses(now);
  }
  return moved;
}

void Peer::Impl::on_relay(TimePoint now, const RelayAllocated& event) {
  const turn::Client* relay = relays_.client(event.relay);
  if (relay != nullptr) {
    agent_.add_relayed_address(now, event.relayed, event.mapped, relay->server().address.ip);
  }
  events_.push_back(event);
}

void Peer::Impl::on_relay(TimePoint now, const RelayLost& event) {
  if (event.relayed) agent_.remove_local_address(now, *event.relayed);
  events_.push_back(event);
}

void Peer::Impl::on_relay(TimePoint now, const Relays::PathRefused& event) { agent_.fail_path(now, event.path); }

}  // namespace isotube::peer
