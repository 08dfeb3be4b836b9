// Agents in virtual time over a small scripted network: delay, loss, blocks, NATs and a STUN server.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ice/agent.hpp"
#include "stun/builder.hpp"
#include "stun/message.hpp"

namespace isotube::ice::testing {

inline Address address(const char* text) { return Address::parse(text).value(); }

inline Random seeded(std::uint8_t seed) {
  Random::Seed bytes{};
  bytes[0] = std::byte{seed};
  return Random(bytes);
}

struct Datagram {
  Address from;
  Address to;
  Bytes bytes;
};

inline std::optional<stun::MessageView> message_of(const Bytes& bytes) {
  const auto message = stun::MessageView::parse(bytes);
  return message ? std::optional(*message) : std::nullopt;
}

inline bool is_request(const Bytes& bytes) {
  const auto message = message_of(bytes);
  return message && message->message_class() == stun::Class::Request;
}

inline bool nominates(const Bytes& bytes) {
  return is_request(bytes) && message_of(bytes)->has(stun::AttributeType::UseCandidate);
}

/// What an agent said and did, in order.
struct Node {
  Node(std::string name_, const Settings& settings, Role role, std::uint8_t seed)
      : name(std::move(name_)), agent(settings, role, seeded(seed)) {}

  std::string name;
  Agent agent;
  std::vector<Address> addresses;
  std::vector<Candidate> candidates;
  std::vector<State> states;
  std::vector<PathSelected> paths;
  int gathering_done = 0;
  int restarts_done = 0;
  int restarts_failed = 0;
  std::vector<Path> unanswered;
  std::vector<Datagram> sent;
  /// Where its candidates go; null while it does not trickle.
  Node* trickles_to = nullptr;
  /// While false its datagrams stay unread and its timers still.
  bool alive = true;

  [[nodiscard]] int count(State state) const {
    return static_cast<int>(std::count(states.begin(), states.end(), state));
  }
};

/// Rewrites addresses between its inside and the world. Mappings are made by what goes out; what comes in without one
/// is lost, and so is what comes from where nothing was sent (address- and port-dependent filtering).
struct Nat {
  std::string inside;  ///< prefix of the addresses behind it
  const char* outside = "";
  bool symmetric = false;  ///< one mapping for each destination
  std::uint16_t next_port = 40'000;
  std::map<std::pair<Address, std::optional<Address>>, Address> mappings = {};
  std::map<std::pair<Address, Address>, Address> open = {};  ///< (outside, remote) → inside

  [[nodiscard]] bool covers(const Address& inner) const { return inner.ip.to_string().starts_with(inside); }

  Address go_out(const Address& inner, const Address& remote) {
    const auto key = std::pair(inner, symmetric ? std::optional(remote) : std::nullopt);
    const auto [mapping, is_new] = mappings.try_emplace(key, Address{*IpAddress::parse(outside), next_port});
    if (is_new) ++next_port;
    open[{mapping->second, remote}] = inner;
    return mapping->second;
  }
  void forget() {
    mappings.clear();
    open.clear();
  }
};

class World {
 public:
  TimePoint now{};
  Duration delay = std::chrono::milliseconds(10);
  /// Says whether a datagram is lost on its way: after NATs, where both ends see public addresses.
  std::function<bool(const Datagram&)> lose = [](const Datagram&) { return false; };
  std::vector<Address> stun_servers;
  std::list<Nat> nats;
  Duration signalling_delay{0};

  Node& add(const char* name, Role role, const std::vector<const char*>& addresses, Settings settings = {}) {
    Node& node = *nodes_.emplace_back(std::make_unique<Node>(name, settings, role, ++seed_));
    for (const char* each : addresses) {
      node.addresses.push_back(address(each));
      node.agent.add_local_address(now, node.addresses.back());
    }
    drain(node);
    return node;
  }

  /// Tells each the other's credentials, candidates so far, and all that follow.
  void connect(Node& one, Node& other) {
    trickle(one, other);
    trickle(other, one);
    for (Node* node : {&one, &other}) node->agent.end_of_local_addresses(now);
    introduce(one, other);
    introduce(other, one);
  }

  /// `node` learns `peer`'s credentials.
  void introduce(Node& node, Node& peer) {
    node.agent.set_remote(now, peer.agent.local_credentials(), std::chrono::milliseconds(5), false);
    drain(node);
  }

  void trickle(Node& from, Node& to) {
    from.trickles_to = &to;
    for (const Candidate& candidate : from.candidates) signal(to, candidate);
    if (from.gathering_done > 0) signal_end(to);
  }

  /// `node` begins a restart of which nobody hears yet.
  void begin_restart(Node& node) {
    node.trickles_to = nullptr;
    node.candidates.clear();
    node.gathering_done = 0;
    node.agent.restart(now);
    drain(node);
  }

  /// Both begin, and hear of each other.
  void restart(Node& one, Node& other) {
    begin_restart(one);
    begin_restart(other);
    introduce(one, other);
    introduce(other, one);
    trickle(one, other);
    trickle(other, one);
  }

  void drain(Node& node) {
    while (const auto event = node.agent.poll_event()) note(node, *event);
    while (auto transmit = node.agent.poll_transmit()) send(node, *transmit);
  }

  /// As from another program: not noted, not rewritten.
  void inject(const Address& from, const Address& to, Bytes bytes) {
    in_flight_.push_back({now + delay, [this, datagram = Datagram{from, to, std::move(bytes)}] { deliver(datagram); }});
  }

  void run_for(Duration duration) {
    const TimePoint end = now + duration;
    while (step(end)) {
    }
    now = end;
  }

  /// False if `done` did not come true in time.
  [[nodiscard]] bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::minutes(1)) {
    const TimePoint end = now + limit;
    while (!done()) {
      if (!step(end)) return false;
    }
    return true;
  }

  [[nodiscard]] bool run_until_state(State state, const std::vector<Node*>& nodes,
                                     Duration limit = std::chrono::minutes(1)) {
    return run_until(
        [&] { return std::ranges::all_of(nodes, [&](const Node* node) { return node->agent.state() == state; }); },
        limit);
  }

  [[nodiscard]] bool run_until_connected(Node& one, Node& other) {
    return run_until_state(State::Connected, {&one, &other});
  }

 private:
  struct Pending {
    TimePoint due;
    std::function<void()> happen;
  };

  void note(Node& node, const Event& event) {
    if (const auto* changed = std::get_if<StateChanged>(&event)) node.states.push_back(changed->state);
    if (const auto* selected = std::get_if<PathSelected>(&event)) node.paths.push_back(*selected);
    if (const auto* local = std::get_if<LocalCandidate>(&event)) {
      node.candidates.push_back(local->candidate);
      if (node.trickles_to != nullptr) signal(*node.trickles_to, local->candidate);
    }
    if (std::holds_alternative<RestartDone>(event)) ++node.restarts_done;
    if (std::holds_alternative<RestartFailed>(event)) ++node.restarts_failed;
    if (const auto* silent = std::get_if<ConsentUnanswered>(&event)) node.unanswered.push_back(silent->path);
    if (std::holds_alternative<GatheringDone>(event)) {
      ++node.gathering_done;
      if (node.trickles_to != nullptr) signal_end(*node.trickles_to);
    }
  }

  void signal(Node& to, const Candidate& candidate) {
    in_flight_.push_back({now + signalling_delay, [this, &to, candidate] {
                            to.agent.add_remote_candidate(now, candidate);
                            drain(to);
                          }});
  }

  void signal_end(Node& to) {
    in_flight_.push_back({now + signalling_delay, [this, &to] {
                            to.agent.end_of_remote_candidates(now);
                            drain(to);
                          }});
  }

  void send(Node& node, const Transmit& transmit) {
    Datagram datagram{transmit.path.local, transmit.path.remote, transmit.datagram};
    node.sent.push_back(datagram);
    for (Nat& nat : nats) {
      if (nat.covers(datagram.from) && !nat.covers(datagram.to)) {
        datagram.from = nat.go_out(datagram.from, datagram.to);
      }
    }
    if (lose(datagram)) return;
    in_flight_.push_back({now + delay, [this, datagram] { deliver(datagram); }});
  }

  void deliver(Datagram datagram) {
    if (std::ranges::find(stun_servers, datagram.to) != stun_servers.end()) return serve(datagram);
    for (Nat& nat : nats) {
      const auto inner = nat.open.find({datagram.to, datagram.from});
      if (inner != nat.open.end()) {
        datagram.to = inner->second;
      } else if (nat.covers(datagram.to) && !nat.covers(datagram.from)) {
        return;
      }
    }
    for (const auto& node : nodes_) {
      if (!node->alive || std::ranges::find(node->addresses, datagram.to) == node->addresses.end()) continue;
      node->agent.handle_datagram(now, {datagram.to, datagram.from}, datagram.bytes);
      drain(*node);
    }
  }

  void serve(const Datagram& datagram) {
    const auto request = message_of(datagram.bytes);
    if (!request) return;
    Datagram answer{datagram.to, datagram.from,
                    stun::MessageBuilder(stun::Class::Success, stun::Method::Binding, request->transaction_id())
                        .xor_address(stun::AttributeType::XorMappedAddress, datagram.from)
                        .take()};
    if (lose(answer)) return;
    in_flight_.push_back({now + delay, [this, answer] { deliver(answer); }});
  }

  /// Does the next thing that happens up to `end`; false if there is none.
  bool step(TimePoint end) {
    const auto arrival = std::ranges::min_element(in_flight_, {}, &Pending::due);
    TimePoint due = arrival == in_flight_.end() ? kNever : arrival->due;
    Node* sleeper = nullptr;
    for (const auto& node : nodes_) {
      if (!node->alive || node->agent.next_timeout() >= due) continue;
      due = node->agent.next_timeout();
      sleeper = node.get();
    }
    if (due > end || due == kNever) return false;
    now = std::max(now, due);
    if (sleeper != nullptr) {
      sleeper->agent.handle_timeout(now);
      if (sleeper->agent.next_timeout() <= now) throw std::logic_error("a timeout that brings nothing forward");
      drain(*sleeper);
    } else {
      const auto happen = std::move(arrival->happen);
      in_flight_.erase(arrival);
      happen();
    }
    return true;
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  std::deque<Pending> in_flight_;
  std::uint8_t seed_ = 0;
};

}  // namespace isotube::ice::testing
