#include "peer/relays.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace isotube::peer {

std::optional<RelayId> Relays::add(const turn::Server& server) {
  if (relays_.size() >= kMost) return std::nullopt;
  const RelayId id{next_id_++};
  Random random = random_.fork("relay " + std::to_string(static_cast<std::uint32_t>(id)));
  relays_.push_back({id, turn::Client(settings_, server, random), std::nullopt});
  return id;
}

void Relays::allocate(TimePoint now, RelayId relay) {
  if (Relay* found = find(relay)) found->client.allocate(now);
  collect_all();
}

void Relays::verify(TimePoint now, const Address& relayed) {
  if (Relay* found = find(relayed)) found->client.verify(now);
  collect_all();
}

void Relays::release(TimePoint now, RelayId relay) {
  if (Relay* found = find(relay)) found->client.release(now);
  collect_all();
}

void Relays::release_all(TimePoint now) {
  for (Relay& relay : relays_) relay.client.release(now);
  collect_all();
}

void Relays::flow_opened(TimePoint now, FlowId flow) {
  if (Relay* found = find(flow.relay)) found->client.flow_opened(now, flow.flow);
  collect_all();
}

void Relays::flow_failed(TimePoint now, FlowId flow, std::string reason) {
  if (Relay* found = find(flow.relay)) found->client.flow_failed(now, flow.flow, std::move(reason));
  collect_all();
}

void Relays::handle_bytes(TimePoint now, FlowId flow, ByteView bytes) {
  Relay* found = find(flow.relay);
  if (found == nullptr) return;
  found->client.handle_bytes(now, flow.flow, bytes);
  receiving_ = flow.relay;
}

std::optional<Relays::Received> Relays::poll_received() {
  Relay* found = receiving_ ? find(*receiving_) : nullptr;
  if (found == nullptr) return std::nullopt;
  if (const auto received = found->client.poll_received()) {
    // What comes through an allocation that was given up in the meantime has no path.
    const std::optional<Address> relayed = found->client.relayed();
    if (relayed) return Received{{*relayed, received->peer}, received->payload};
  }
  receiving_.reset();
  collect_all();
  return std::nullopt;
}

std::size_t Relays::header_size(const Path& path) const {
  const Relay* found = find(path.local);
  return found == nullptr ? 0 : found->client.header_size(path.remote);
}

std::size_t Relays::frame(TimePoint now, const Path& path, MutableByteView out, std::size_t payload_size) {
  Relay* found = find(path.local);
  return found == nullptr ? 0 : found->client.frame(now, path.remote, out, payload_size);
}

std::optional<FlowId> Relays::flow_of(const Path& path) const {
  const Relay* found = find(path.local);
  const std::optional<turn::FlowId> flow = found == nullptr ? std::nullopt : found->client.flow();
  return flow ? std::optional(FlowId{found->id, *flow}) : std::nullopt;
}

void Relays::handle_timeout(TimePoint now) {
  for (Relay& relay : relays_) {
    if (now >= relay.client.next_timeout()) relay.client.handle_timeout(now);
  }
  collect_all();
}

std::optional<Relays::Transmit> Relays::poll_transmit() {
  for (Relay& relay : relays_) {
    if (auto next = relay.client.poll_transmit()) return Transmit{{relay.id, next->flow}, std::move(next->bytes)};
  }
  return std::nullopt;
}

std::optional<Relays::Event> Relays::poll_event() {
  if (events_.empty()) collect_all();
  if (events_.empty()) return std::nullopt;
  Event next = std::move(events_.front());
  events_.pop_front();
  return next;
}

TimePoint Relays::next_timeout() const {
  TimePoint next = kNever;
  for (const Relay& relay : relays_) next = std::min(next, relay.client.next_timeout());
  return next;
}

bool Relays::settled() const {
  return std::ranges::none_of(relays_,
                              [](const Relay& relay) { return relay.client.state() == turn::State::Allocating; });
}

const turn::Client* Relays::client(RelayId relay) const {
  const auto found = std::ranges::find(relays_, relay, &Relay::id);
  return found == relays_.end() ? nullptr : &found->client;
}

Relays::Relay* Relays::find(RelayId relay) {
  const auto found = std::ranges::find(relays_, relay, &Relay::id);
  return found == relays_.end() ? nullptr : &*found;
}

const Relays::Relay* Relays::find(const Address& relayed) const {
  const auto found = std::ranges::find(relays_, std::optional(relayed), &Relay::relayed);
  return found == relays_.end() ? nullptr : &*found;
}

Relays::Relay* Relays::find(const Address& relayed) { return const_cast<Relay*>(std::as_const(*this).find(relayed)); }

void Relays::collect_all() {
  std::erase_if(relays_, [this](Relay& relay) {
    bool alive = true;
    // What it said before its end is all said: Released is a client's last word.
    while (auto event = relay.client.poll_event()) alive = translate(relay, std::move(*event)) && alive;
    return !alive;
  });
}

bool Relays::translate(Relay& relay, turn::Event event) {
  const RelayId id = relay.id;
  if (const auto* open = std::get_if<turn::OpenFlow>(&event)) {
    events_.push_back(OpenFlow{{id, open->flow}, open->transport, open->server, open->name});
  } else if (const auto* close = std::get_if<turn::CloseFlow>(&event)) {
    events_.push_back(CloseFlow{{id, close->flow}});
  } else if (const auto* allocated = std::get_if<turn::Allocated>(&event)) {
    relay.relayed = allocated->relayed;
    events_.push_back(RelayAllocated{id, allocated->relayed, allocated->mapped});
  } else if (std::holds_alternative<turn::AllocationLost>(event)) {
    events_.push_back(RelayLost{id, std::exchange(relay.relayed, std::nullopt)});
  } else if (auto* failed = std::get_if<turn::TransactionFailed>(&event)) {
    events_.push_back(RelayFailed{id, std::move(failed->error)});
  } else if (const auto* refused = std::get_if<turn::PeerRefused>(&event)) {
    if (relay.relayed) events_.push_back(PathRefused{{*relay.relayed, refused->peer}});
  } else {
    return false;
  }
  return true;
}

}  // namespace isotube::peer
