// A client and a scripted relay in virtual time, with a network between them that a test may break.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "relay.hpp"
#include "turn/client.hpp"

namespace isotube::turn::testing {

inline Random seeded(std::uint8_t seed) {
  Random::Seed bytes{};
  bytes[0] = std::byte{seed};
  return Random(bytes);
}

struct Setup {
  Transport transport = Transport::Udp;
  Settings settings;
  Address server = address("192.0.2.1:3478");
  std::string username = "user";
  std::string password = "secret";
};

class World {
 public:
  explicit World(const Setup& setup = {})
      : client(setup.settings, {setup.server, setup.transport, "relay.example", setup.username, setup.password},
               seeded(1)),
        transport_(setup.transport) {}

  Client client;
  Relay relay;
  TimePoint now{};
  std::vector<Event> events;
  std::vector<std::pair<Address, std::string>> received;
  std::vector<OpenFlow> flows;
  std::vector<FlowId> closed;
  /// One way; the round trip takes twice as long.
  Duration delay = 10ms;
  bool opens_flows = true;
  /// True: lost.
  std::function<bool(const Bytes&)> loses_to_relay;
  std::function<bool(const Bytes&)> loses_to_client;
  /// How often the client was called for time alone.
  int wakeups = 0;

  void allocate() {
    client.allocate(now);
    drain();
  }

  void run_for(Duration duration) {
    const TimePoint end = now + duration;
    drain();
    while (true) {
      const TimePoint wire = in_flight_.empty() ? kNever : in_flight_.begin()->first;
      const TimePoint next = std::min(wire, client.next_timeout());
      if (next > end) break;
      now = std::max(now, next);
      if (wire <= now) {
        const auto delivery = std::move(in_flight_.begin()->second);
        in_flight_.erase(in_flight_.begin());
        delivery();
      } else {
        ++wakeups;
        client.handle_timeout(now);
        // A machine that wants to be called at once, again and again, would stop the world.
        if (client.next_timeout() <= now) throw std::logic_error("next_timeout() did not move on");
      }
      drain();
    }
    now = end;
  }

  /// As a driver sends; nothing if it can't be sent.
  std::size_t send(const Address& peer, std::string_view payload) {
    Bytes out(Client::kMaxHeader + payload.size() + Client::kMaxPadding);
    const std::size_t header = client.header_size(peer);
    std::ranges::copy(as_byte_view(payload), out.begin() + static_cast<std::ptrdiff_t>(header));
    const std::size_t size = client.frame(now, peer, out, payload.size());
    drain();
    out.resize(size);
    if (size != 0) to_relay(*client.flow(), out);
    return size;
  }

  /// Bytes from the server, now.
  void deliver(const Bytes& bytes, std::optional<FlowId> flow = {}) {
    client.handle_bytes(now, flow.value_or(flows.empty() ? 0 : flows.back().flow), bytes);
    while (const auto each = client.poll_received()) received.emplace_back(each->peer, as_text(each->payload));
    drain();
  }

  void drain() {
    bool more = true;
    while (more) {
      more = false;
      while (auto transmit = client.poll_transmit()) {
        more = true;
        to_relay(transmit->flow, transmit->bytes);
      }
      while (auto event = client.poll_event()) {
        more = true;
        note(*event);
      }
    }
  }

  template <typename Kind>
  [[nodiscard]] std::vector<Kind> all() const {
    std::vector<Kind> found;
    for (const Event& event : events) {
      if (const Kind* kind = std::get_if<Kind>(&event)) found.push_back(*kind);
    }
    return found;
  }
  template <typename Kind>
  [[nodiscard]] std::size_t count() const {
    return all<Kind>().size();
  }
  [[nodiscard]] std::vector<TurnError> failures() const {
    std::vector<TurnError> errors;
    for (const TransactionFailed& failed : all<TransactionFailed>()) errors.push_back(failed.error);
    return errors;
  }
  [[nodiscard]] bool lost_after_failure() const {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (!std::holds_alternative<AllocationLost>(events[i])) continue;
      for (std::size_t before = 0; before < i; ++before) {
        if (std::holds_alternative<TransactionFailed>(events[before])) return true;
      }
    }
    return false;
  }

 private:
  void note(const Event& event) {
    events.push_back(event);
    if (const auto* open = std::get_if<OpenFlow>(&event)) {
      flows.push_back(*open);
      if (opens_flows) {
        const FlowId flow = open->flow;
        const auto opened = [this, flow] { client.flow_opened(now, flow); };
        in_flight_.emplace(now + (transport_ == Transport::Udp ? Duration::zero() : 2 * delay), opened);
      }
    } else if (const auto* close = std::get_if<CloseFlow>(&event)) {
      closed.push_back(close->flow);
      // As TCP does it (RFC 8656 3.1: the allocation ends with the connection).
      if (transport_ != Transport::Udp) relay.allocations.erase(close->flow);
    }
  }

  void to_relay(FlowId flow, const Bytes& bytes) {
    if (loses_to_relay && loses_to_relay(bytes)) return;
    in_flight_.emplace(now + delay, [this, flow, bytes] {
      for (const Bytes& answer : relay.handle(now, flow, bytes)) {
        if (loses_to_client && loses_to_client(answer)) continue;
        in_flight_.emplace(now + delay, [this, flow, answer] { deliver(answer, flow); });
      }
    });
  }

  Transport transport_;
  std::multimap<TimePoint, std::function<void()>> in_flight_;
};

}  // namespace isotube::turn::testing
