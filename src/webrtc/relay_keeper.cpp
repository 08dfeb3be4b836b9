#include "webrtc/relay_keeper.hpp"

#include <algorithm>
#include <utility>

namespace isotube::webrtc {
namespace {

constexpr Duration kFirstPause = std::chrono::seconds(1);
constexpr Duration kLongestPause = std::chrono::seconds(30);
constexpr std::uint32_t kMostDoublings = 5;

}  // namespace

std::string name_of(const turn::Server& server) {
  const std::string scheme = server.transport == turn::Transport::Tls ? "turns:" : "turn:";
  return scheme + server.address.to_string() + (server.transport == turn::Transport::Tcp ? "?transport=tcp" : "");
}

RelayKeeper::RelayKeeper(peer::Peer& peer, const Random& random)
    : peer_(peer), random_(random.fork("pauses")), circuits_({}, random.fork("circuits")) {}

void RelayKeeper::begin(TimePoint now, std::span<const turn::Server> servers) {
  std::vector<std::string> names;
  for (const turn::Server& server : servers) names.push_back(name_of(server));
  circuits_.configure(names);
  for (const turn::Server& server : servers) {
    if (const auto id = peer_.add_relay(server))
      relays_.push_back({.id = *id, .server = name_of(server), .ticket = {}});
  }
  for (Relay& relay : relays_) allocate(now, relay);
}

void RelayKeeper::allocate(TimePoint now, Relay& relay) {
  isolation::TurnCircuit* circuit = circuits_.at(relay.server);
  if (circuit == nullptr) return;
  const auto ticket = circuit->try_allocate(now);
  if (!ticket) {
    // Another relay of this server may be its probe: then the circuit is asked again soon.
    relay.retry_at = now + ticket.error().time_left.value_or(kFirstPause);
    return;
  }
  relay.retry_at = kNever;
  relay.ticket = *ticket;
  peer_.allocate_relay(now, relay.id);
}

void RelayKeeper::handle(TimePoint now, const peer::RelayAllocated& event) {
  Relay* relay = find(event.relay);
  if (relay == nullptr) return;
  relay->failures = 0;
  if (const auto ticket = std::exchange(relay->ticket, std::nullopt)) {
    circuits_.at(relay->server)->allocated(now, *ticket);
  }
}

void RelayKeeper::handle(TimePoint now, const peer::RelayFailed& event) {
  Relay* relay = find(event.relay);
  if (relay == nullptr) return;
  isolation::TurnCircuit* circuit = circuits_.at(relay->server);
  const bool is_allocate = event.error.method == stun::Method::Allocate;
  if (const auto ticket = is_allocate ? std::exchange(relay->ticket, std::nullopt) : std::nullopt) {
    circuit->allocate_failed(now, *ticket, event.error);
  } else {
    circuit->failed(now, event.error);
  }
}

void RelayKeeper::handle(TimePoint now, const peer::RelayLost& event) {
  Relay* relay = find(event.relay);
  if (relay == nullptr) return;
  if (const auto ticket = std::exchange(relay->ticket, std::nullopt)) {
    circuits_.at(relay->server)->allocate_cancelled(now, *ticket);
  }
  // What worked a moment ago is worth asking for at once (row T11 of the fault matrix: 10 s).
  relay->retry_at = event.relayed ? now : now + pause(*relay);
  ++relay->failures;
}

void RelayKeeper::handle_timeout(TimePoint now) {
  for (Relay& relay : relays_) {
    if (now >= relay.retry_at) allocate(now, relay);
  }
}

TimePoint RelayKeeper::next_timeout() const {
  TimePoint next = kNever;
  for (const Relay& relay : relays_) next = std::min(next, relay.retry_at);
  return next;
}

void RelayKeeper::stop() { relays_.clear(); }

void RelayKeeper::reset_circuits(TimePoint now) {
  circuits_.reset(now);
  for (Relay& relay : relays_) {
    if (relay.retry_at != kNever) relay.retry_at = now;
  }
}

RelayKeeper::Relay* RelayKeeper::find(peer::RelayId id) {
  const auto found = std::ranges::find(relays_, id, &Relay::id);
  return found == relays_.end() ? nullptr : &*found;
}

Duration RelayKeeper::pause(const Relay& relay) {
  const Duration longest = std::min(kLongestPause, kFirstPause * (1U << std::min(relay.failures, kMostDoublings)));
  // Full jitter: tubes that lost one relay together do not come back together (row A4).
  return Duration(static_cast<std::int64_t>(random_.unit() * static_cast<double>(longest.count())));
}

}  // namespace isotube::webrtc
