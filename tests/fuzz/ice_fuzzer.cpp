// USES ice stun
// An agent in each of its states gets fuzzed datagrams (raw, and signed with the right keys), candidates, commands and
// time steps. After each step its invariants are checked.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "ice/agent.hpp"
#include "stun/builder.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace {

using namespace isotube;       // NOLINT(google-build-using-namespace): a program of its own
using namespace isotube::ice;  // NOLINT(google-build-using-namespace): a program of its own
using namespace std::chrono_literals;

const Credentials kPeer{"peer", "a password of the peer's"};
/// The relay's side of our addresses.
Address relayed_address(std::uint8_t choice) {
  return {IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(200 + choice % 3)}), 3000};
}

/// A few addresses, so that paths meet again.
Address local_address(std::uint8_t choice) {
  if (choice % 8 == 7) return relayed_address(choice / 8);
  return {IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(1 + choice % 3)}), 1000};
}

Address remote_address(std::uint8_t choice) {
  if (choice % 16 == 15) return {IpAddress::v4({198, 51, 100, 1}), 3478};
  return {IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(100 + choice % 4)}),
          static_cast<std::uint16_t>(2000 + choice % 16)};
}

bool is_legal(State from, State to) {
  switch (from) {
    case State::New:
      return to == State::Checking;
    case State::Checking:
      return to == State::Connected || to == State::Failed;
    case State::Connected:
      return to == State::Disconnected || to == State::Failed;
    case State::Disconnected:
      return to == State::Connected || to == State::Failed;
    case State::Failed:
      return to == State::Checking;
  }
  return false;
}

class Driver {
 public:
  explicit Driver(ByteReader input) : input_(input), agent_(settings(), role_of(input_.u8()), Random(Random::Seed{})) {}

  void run() {
    reach_first_state(input_.u8());
    for (int steps = 0; input_.remaining() > 0 && steps < 400; ++steps) {
      step(input_.u8());
      look();
    }
  }

 private:
  static Settings settings() {
    Settings settings;
    // Small, so that the bounds are met.
    settings.max_pairs = 6;
    settings.max_remote_candidates = 6;
    settings.patience = 2s;
    return settings;
  }
  static Role role_of(std::uint8_t choice) { return choice % 2 == 0 ? Role::Controlling : Role::Controlled; }

  void reach_first_state(std::uint8_t choice) {
    agent_.add_local_address(now_, local_address(0));
    if ((choice & 0x10) != 0) agent_.add_stun_server(now_, remote_address(15));
    if ((choice & 0x20) != 0) agent_.end_of_local_addresses(now_);
    look();
    const int depth = choice % 4;
    if (depth == 0) return;
    agent_.set_remote(now_, kPeer, 5ms, false);
    add_candidate(0);
    look();
    if (depth == 1) return;
    sleep();
    answer_with(choice, stun::Class::Success);
    look();
    if (depth == 2) return;
    // Silence until the path is lost.
    for (int i = 0; i < 20 && agent_.state() == State::Connected; ++i) sleep();
  }

  void step(std::uint8_t operation) {
    switch (operation % 14) {
      case 0:
        return sleep();
      case 1:
        now_ += std::chrono::milliseconds(input_.u16());
        return expire();
      case 2:
        return raw_datagram();
      case 3:
      case 4:
        return signed_request();
      case 5:
      case 6:
        return answer_with(input_.u8(), stun::Class::Success);
      case 7:
        return answer_with(input_.u8(), stun::Class::Error);
      case 8:
        return add_candidate(input_.u8());
      case 9:
        return command(input_.u8());
      case 10:
        return flipped_echo();
      case 11:
        return restart_command(input_.u8());
      case 12:
        return address_command(input_.u8());
      default:
        return candidate_text();
    }
  }

  void sleep() {
    if (agent_.next_timeout() == kNever) return;
    now_ = std::max(now_, agent_.next_timeout());
    expire();
  }

  void expire() {
    agent_.handle_timeout(now_);
    ISOTUBE_ASSERT(agent_.next_timeout() > now_);
    look();
  }

  Path path() { return {local_address(input_.u8()), remote_address(input_.u8())}; }

  void raw_datagram() {
    const Path from = path();
    agent_.handle_datagram(now_, from, input_.bytes(std::min<std::size_t>(input_.u8(), input_.remaining())));
  }

  /// Attributes of any kind; the usual ones come with usual lengths often enough.
  void add_attributes(stun::MessageBuilder& builder) {
    for (int count = input_.u8() % 4; count > 0; --count) {
      const auto type = static_cast<stun::AttributeType>(input_.u16());
      builder.bytes(type, input_.bytes(std::min<std::size_t>(input_.u8() % 24, input_.remaining())));
    }
  }

  void signed_request() {
    const Path from = path();
    const std::uint8_t shape = input_.u8();
    stun::TransactionId id;
    id.bytes[0] = static_cast<std::byte>(shape);
    stun::MessageBuilder builder(stun::Class::Request, stun::Method::Binding, id);
    const Credentials& own = known_[input_.u8() % known_.size()];
    if ((shape & 1) == 0) builder.text(stun::AttributeType::Username, own.ufrag + ":peer");
    if ((shape & 2) == 0) builder.u32(stun::AttributeType::Priority, 1'000'000U * input_.u8());
    if ((shape & 4) != 0) builder.flag(stun::AttributeType::UseCandidate);
    const auto role = (shape & 8) != 0 ? stun::AttributeType::IceControlling : stun::AttributeType::IceControlled;
    if ((shape & 16) != 0) builder.u64(role, (shape & 32) != 0 ? UINT64_MAX : 0);
    add_attributes(builder);
    stun::IntegrityKey key(as_byte_view(own.pwd));
    builder.integrity((shape & 64) != 0 ? stun::Integrity::Sha256 : stun::Integrity::Sha1, key);
    if ((shape & 128) == 0) builder.fingerprint();
    agent_.handle_datagram(now_, from, builder.take());
  }

  /// Answers one of the last requests of the agent's with the peer's key.
  void answer_with(std::uint8_t choice, stun::Class kind) {
    if (requests_.empty()) return;
    const Transmit& request = requests_[choice % requests_.size()];
    const auto message = stun::MessageView::parse(request.datagram);
    stun::MessageBuilder builder(kind, stun::Method::Binding, message->transaction_id());
    const std::uint8_t shape = input_.u8();
    if (kind == stun::Class::Error) builder.error((shape & 1) != 0 ? 487 : 300 + input_.u8(), "\xFF");
    if ((shape & 2) == 0) builder.xor_address(stun::AttributeType::XorMappedAddress, local_address(shape));
    if ((shape & 12) == 12) add_attributes(builder);
    stun::IntegrityKey key(as_byte_view(kPeer.pwd));
    builder.integrity(stun::Integrity::Sha1, key).fingerprint();
    const Path from = (shape & 48) == 48 ? path() : request.path;
    agent_.handle_datagram(now_, from, builder.take());
  }

  void add_candidate(std::uint8_t choice) {
    Candidate candidate;
    candidate.foundation = std::to_string(choice % 3);
    candidate.priority = 10'000'000U * choice;
    candidate.address = remote_address(choice);
    candidate.type = static_cast<CandidateType>(choice % 4);
    if (choice > 250) candidate.host_name = "x.local";
    if (choice > 240) candidate.ufrag = choice % 2 == 0 ? "peer" : "old";
    agent_.add_remote_candidate(now_, candidate);
  }

  void command(std::uint8_t choice) {
    switch (choice % 8) {
      case 0:
        return agent_.end_of_remote_candidates(now_);
      case 1:
        return agent_.end_of_local_addresses(now_);
      case 2:
        return agent_.add_local_address(now_, local_address(input_.u8()));
      case 3:
        return agent_.add_public_address(now_, remote_address(input_.u8()), local_address(input_.u8()));
      case 4:
        return agent_.add_stun_server(now_, remote_address(15));
      case 5:
        return agent_.set_role(role_of(input_.u8()));
      case 6:
        return agent_.set_remote(now_, kPeer, std::chrono::milliseconds(input_.u16()), input_.u8() % 8 == 0);
      default:
        return agent_.set_remote(now_, {std::string(input_.u16() % 300, 'u'), std::string(input_.u16() % 300, 'p')},
                                 std::nullopt, false);
    }
  }

  void restart_command(std::uint8_t choice) {
    switch (choice % 4) {
      case 0:
        return agent_.cancel_restart(now_);
      case 1:
        agent_.restart(now_);
        return agent_.set_remote(now_, kPeer, 5ms, false);
      default:
        return agent_.restart(now_);
    }
  }

  void address_command(std::uint8_t choice) {
    switch (choice % 4) {
      case 0:
        return agent_.add_relayed_address(now_, relayed_address(input_.u8()), remote_address(input_.u8()),
                                          relayed_address(choice).ip);
      case 1:
      case 2:
        return agent_.remove_local_address(now_, local_address(input_.u8()));
      default:
        return agent_.fail_path(now_, agent_.selected_path().value_or(path()));
    }
  }

  /// What the agent sent comes back, perhaps with one bit changed.
  void flipped_echo() {
    if (requests_.empty()) return;
    Transmit echo = requests_[input_.u8() % requests_.size()];
    const std::size_t bit = input_.u16();
    if (bit < echo.datagram.size() * 8) echo.datagram[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    agent_.handle_datagram(now_, echo.path, echo.datagram);
  }

  void candidate_text() {
    const ByteView text = input_.bytes(std::min<std::size_t>(input_.u8(), input_.remaining()));
    const auto candidate = parse_candidate(as_text(text));
    if (!candidate) return;
    // A TCP candidate's kind (RFC 6544) is not kept, all else is.
    ISOTUBE_ASSERT(parse_candidate(to_string(*candidate)) == candidate);
    agent_.add_remote_candidate(now_, *candidate);
  }

  void look() {
    while (const auto transmit = agent_.poll_transmit()) see(*transmit);
    while (const auto event = agent_.poll_event()) see(*event);
    if (known_.back() != agent_.local_credentials()) known_.push_back(agent_.local_credentials());
    const bool has_path = agent_.selected_path().has_value();
    ISOTUBE_ASSERT(agent_.state() == state_);
    // Disconnected may be without one: its address is gone, or a restart outlives it.
    if (state_ != State::Disconnected) ISOTUBE_ASSERT(has_path == (state_ == State::Connected));
    if (has_path) {
      ISOTUBE_ASSERT(agent_.selected_path() == selected_);
      ISOTUBE_ASSERT(agent_.is_validated(*selected_));
    }
    if (state_ == State::Failed) ISOTUBE_ASSERT(agent_.next_timeout() == kNever);
  }

  void see(const Transmit& transmit) {
    const auto message = stun::MessageView::parse(transmit.datagram);
    ISOTUBE_ASSERT(message.has_value());
    ISOTUBE_ASSERT(transmit.datagram.size() <= 1200);
    ISOTUBE_ASSERT(!message->has_fingerprint() || message->fingerprint_is_right());
    if (message->message_class() != stun::Class::Request) return;
    requests_.push_front(transmit);
    if (requests_.size() > 16) requests_.pop_back();
  }

  void see(const Event& event) {
    if (const auto* changed = std::get_if<StateChanged>(&event)) {
      ISOTUBE_ASSERT(is_legal(state_, changed->state));
      state_ = changed->state;
    } else if (const auto* selected = std::get_if<PathSelected>(&event)) {
      selected_ = selected->path;
    } else if (const auto* unanswered = std::get_if<ConsentUnanswered>(&event)) {
      ISOTUBE_ASSERT(unanswered->path.local.port != 0);
    } else if (std::holds_alternative<RestartDone>(event) || std::holds_alternative<RestartFailed>(event)) {
      ISOTUBE_ASSERT(!agent_.is_restarting());
    } else if (const auto* found = std::get_if<LocalCandidate>(&event)) {
      // What is signalled can be read, and nothing but relayed addresses follows the end.
      const Candidate& candidate = found->candidate;
      ISOTUBE_ASSERT(!ended_.contains(candidate.ufrag) || candidate.type == CandidateType::Relayed);
      ISOTUBE_ASSERT(parse_candidate(to_string(candidate)) == candidate);
    } else {
      ISOTUBE_ASSERT(ended_.insert(agent_.local_credentials().ufrag).second);
    }
  }

  ByteReader input_;
  TimePoint now_{};
  Agent agent_;
  std::deque<Transmit> requests_;
  State state_ = State::New;
  std::optional<Path> selected_;
  /// Our credentials so far.
  std::vector<Credentials> known_{agent_.local_credentials()};
  /// Generations whose candidates have ended.
  std::set<std::string> ended_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Driver(ByteReader(std::as_bytes(std::span(data, size)))).run();
  return 0;
}
