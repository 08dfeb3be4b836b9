// The other side as a script: it checks when told to, and answers as told.
#pragma once

#include "stun/integrity.hpp"
#include "unit/ice/world.hpp"

namespace isotube::ice::testing {

/// Speaks to one agent from any address of its own. Takes the world's lose() to see what the agent sends.
class PeerByHand {
 public:
  struct CheckWith {
    bool nominates = false;
    std::optional<Address> from = std::nullopt;
    std::uint32_t priority = 1'862'270'975;
    std::optional<std::string> username = std::nullopt;
    std::optional<std::string> password = std::nullopt;
  };

  PeerByHand(World& world, Node& node, const Address& own)
      : key(as_byte_view(node.agent.local_credentials().pwd)), world_(world), node_(node), own_(own) {
    world_.lose = [this](const Datagram& datagram) { return take(datagram); };
  }

  Credentials credentials{"peer", "a password of the peer's"};
  Role role = Role::Controlling;
  std::uint64_t tie_breaker = 1;
  bool answers = true;
  /// What its answers say that it saw; the truth if left out.
  std::optional<Address> mapped;
  /// Where its answers come from; where the request went if left out.
  std::optional<Address> answers_from;
  /// The agent's own password: what checks are signed with.
  stun::IntegrityKey key;
  std::vector<Datagram> heard;

  void introduce(std::optional<Duration> pacing = std::chrono::milliseconds(5)) {
    if (role == Role::Controlling) node_.agent.set_role(Role::Controlled);
    node_.agent.set_remote(world_.now, credentials, pacing, false);
    world_.drain(node_);
  }

  void offer(const Address& address, std::uint32_t priority = 2'130'706'431,
             const std::optional<std::string>& foundation = std::nullopt) {
    Candidate candidate;
    candidate.foundation = foundation.value_or(std::to_string(++foundations_));
    candidate.priority = priority;
    candidate.address = address;
    node_.agent.add_remote_candidate(world_.now, candidate);
    world_.drain(node_);
  }

  [[nodiscard]] Datagram check() { return check(CheckWith{}); }

  [[nodiscard]] Datagram check(const CheckWith& with) {
    stun::MessageBuilder builder = begin(with);
    if (with.nominates) builder.flag(stun::AttributeType::UseCandidate);
    stun::IntegrityKey other(as_byte_view(with.password.value_or("")));
    builder.integrity(stun::Integrity::Sha1, with.password ? other : key).fingerprint();
    return {with.from.value_or(own_), node_.addresses.front(), builder.take()};
  }

  /// A check as far as its integrity.
  [[nodiscard]] stun::MessageBuilder begin(const CheckWith& with) {
    stun::MessageBuilder builder(stun::Class::Request, stun::Method::Binding, stun::TransactionId::draw(random_));
    builder.text(stun::AttributeType::Username,
                 with.username.value_or(node_.agent.local_credentials().ufrag + ":" + credentials.ufrag));
    builder.u32(stun::AttributeType::Priority, with.priority);
    builder.u64(role == Role::Controlling ? stun::AttributeType::IceControlling : stun::AttributeType::IceControlled,
                tie_breaker);
    return builder;
  }

  /// Sends it and gives the agent's answer, if one came back.
  std::optional<Bytes> ask(const Datagram& datagram) {
    const auto id = message_of(datagram.bytes)->transaction_id();
    heard.clear();
    world_.inject(datagram.from, datagram.to, datagram.bytes);
    world_.run_for(world_.delay);
    for (const Datagram& each : heard) {
      const auto message = message_of(each.bytes);
      if (message->message_class() != stun::Class::Request && message->transaction_id() == id) return each.bytes;
    }
    return std::nullopt;
  }

  /// Answers a request of the agent's.
  [[nodiscard]] Bytes answer_to(const Datagram& request) {
    stun::IntegrityKey own(as_byte_view(credentials.pwd));
    return stun::MessageBuilder(stun::Class::Success, stun::Method::Binding,
                                message_of(request.bytes)->transaction_id())
        .xor_address(stun::AttributeType::XorMappedAddress, mapped.value_or(request.from))
        .integrity(stun::Integrity::Sha1, own)
        .fingerprint()
        .take();
  }

 private:
  bool take(const Datagram& datagram) {
    heard.push_back(datagram);
    if (answers && is_request(datagram.bytes)) {
      world_.inject(answers_from.value_or(datagram.to), datagram.from, answer_to(datagram));
    }
    return true;
  }

  World& world_;
  Node& node_;
  Address own_;
  Random random_ = seeded(200);
  int foundations_ = 0;
};

}  // namespace isotube::ice::testing
