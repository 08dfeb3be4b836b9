// USES turn stun
// A client over UDP or TCP gets fuzzed bytes from its server (raw, and signed with the right key), peers, commands,
// broken flows and time steps. After each step its invariants are checked.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "stun/builder.hpp"
#include "stun/credentials.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"
#include "turn/client.hpp"

namespace {

using namespace isotube;        // NOLINT(google-build-using-namespace): a program of its own
using namespace isotube::turn;  // NOLINT(google-build-using-namespace): a program of its own
using namespace std::chrono_literals;
using stun::AttributeType;
using stun::Method;

constexpr std::string_view kPassword = "the password that no message may show";
constexpr std::string_view kRealm = "relay.example";

/// A few hosts with a few ports, so that permissions are shared and addresses meet again.
Address peer_address(std::uint8_t choice) {
  return {IpAddress::v4({198, 51, 100, static_cast<std::uint8_t>(1 + choice % 5)}),
          static_cast<std::uint16_t>(1000 + choice / 5)};
}

bool is_legal(State from, State to) {
  if (from == to || to == State::Releasing || to == State::Released) return from != State::Released || to == from;
  switch (from) {
    case State::Idle:
      return to == State::Allocating;
    case State::Allocating:
      return to == State::Allocated || to == State::Idle;
    case State::Allocated:
      return to == State::Idle;
    default:
      return false;
  }
}

class Driver {
 public:
  explicit Driver(ByteReader input)
      : input_(input),
        shape_(input_.u8()),
        client_(settings(), {server_address(), transport(), "relay.example", "user", std::string(kPassword)},
                Random(Random::Seed{})) {}

  void run() {
    reach_first_state();
    for (int steps = 0; input_.remaining() > 0 && steps < 400; ++steps) {
      step(input_.u8());
      look();
    }
    client_.release(now_);
    look();
    for (int i = 0; i < 8 && client_.state() != State::Released; ++i) sleep();
    ISOTUBE_ASSERT(client_.state() == State::Released && client_.next_timeout() == kNever);
  }

 private:
  [[nodiscard]] Settings settings() const {
    Settings settings;
    // Small, so that the bounds are met.
    settings.max_peers = 6;
    if ((shape_ & 0x10) != 0) settings.channel_refresh = settings.permission_refresh = 3s;
    if ((shape_ & 0x20) != 0) settings.allocation_refresh = 3s;
    return settings;
  }
  [[nodiscard]] Transport transport() const { return (shape_ & 1) == 0 ? Transport::Udp : Transport::Tcp; }
  [[nodiscard]] Address server_address() const {
    const auto ip = (shape_ & 2) == 0 ? IpAddress::v4({192, 0, 2, 1}) : IpAddress::v6({0x20, 1, 0xD, 0xB8, 1});
    return {ip, 3478};
  }
  [[nodiscard]] bool has_sha256() const { return (shape_ & 8) != 0; }

  void reach_first_state() {
    client_.allocate(now_);
    look();
    if ((shape_ & 0x40) != 0) return;
    client_.flow_opened(now_, flow_);
    look();
    if ((shape_ & 0x80) != 0) return;
    challenge(0, 401);
    look();
    succeed(0);
    look();
  }

  void step(std::uint8_t operation) {
    switch (operation % 16) {
      case 0:
        return sleep();
      case 1:
        now_ += std::chrono::milliseconds(input_.u16());
        return expire();
      case 2:
        return hear(to_bytes(input_.bytes(std::min<std::size_t>(input_.u8(), input_.remaining()))));
      case 3:
      case 4:
      case 5:
        return succeed(input_.u8());
      case 6:
        return refuse(input_.u8());
      case 7:
        return challenge(input_.u8(), 438);
      case 8:
        return challenge(input_.u8(), 401);
      case 9:
      case 10:
        return send(input_.u8());
      case 11:
        return payload(input_.u8());
      case 12:
        return command(input_.u8());
      case 13:
        return flipped_echo();
      case 14:
        return redirect(input_.u8());
      default:
        return many_peers(input_.u8());
    }
  }

  void sleep() {
    if (client_.next_timeout() == kNever) return;
    now_ = std::max(now_, client_.next_timeout());
    expire();
  }

  void expire() {
    client_.handle_timeout(now_);
    ISOTUBE_ASSERT(client_.next_timeout() > now_);
    look();
  }

  /// Over TCP in pieces.
  void hear(const Bytes& bytes) {
    ByteView rest(bytes);
    if (transport() == Transport::Udp) return hear_piece(rest);
    const std::size_t step = 1 + input_.u8() % 64;
    while (!rest.empty()) {
      const std::size_t count = std::min(step, rest.size());
      hear_piece(rest.first(count));
      rest = rest.subspan(count);
    }
  }

  void hear_piece(ByteView bytes) {
    // Exactly as many bytes as that: reading past them is seen.
    const Bytes copy = to_bytes(bytes);
    client_.handle_bytes(now_, flow_, copy);
    while (const auto received = client_.poll_received()) {
      ISOTUBE_ASSERT(client_.state() == State::Allocated || transport() != Transport::Udp);
      std::uint8_t sum = 0;
      for (std::byte each : received->payload)
        sum = static_cast<std::uint8_t>(sum ^ std::to_integer<std::uint8_t>(each));
      sum_ = sum;
    }
    look();
  }

  [[nodiscard]] std::optional<stun::MessageView> request(std::uint8_t choice) const {
    if (requests_.empty()) return std::nullopt;
    return stun::MessageView::parse(requests_[choice % requests_.size()]).value();
  }

  /// Attributes of any kind; the usual ones come with usual lengths often enough.
  void add_attributes(stun::MessageBuilder& builder) {
    for (int count = input_.u8() % 4; count > 0; --count) {
      const auto type = static_cast<AttributeType>(input_.u16());
      builder.bytes(type, input_.bytes(std::min<std::size_t>(input_.u8() % 24, input_.remaining())));
    }
  }

  [[nodiscard]] Bytes signed_like(const stun::MessageView& request, stun::MessageBuilder builder) const {
    const bool sha256 = request.integrity_sha256().has_value();
    if (!sha256 && !request.integrity_sha1()) return builder.take();
    stun::IntegrityKey key(stun::long_term_key(
        sha256 ? stun::PasswordAlgorithmId::Sha256 : stun::PasswordAlgorithmId::Md5, "user", kRealm, kPassword));
    return builder.integrity(sha256 ? stun::Integrity::Sha256 : stun::Integrity::Sha1, key).take();
  }

  void succeed(std::uint8_t choice) {
    const auto asked = request(choice);
    if (!asked) return;
    const std::uint8_t details = choice == 0 ? 0 : input_.u8();
    stun::MessageBuilder builder(stun::Class::Success, asked->method(), asked->transaction_id());
    if ((details & 1) == 0) builder.u32(AttributeType::Lifetime, (details & 2) == 0 ? 600 : input_.u8());
    if ((details & 4) == 0) {
      builder.xor_address(AttributeType::XorRelayedAddress, server_address());
      builder.xor_address(AttributeType::XorMappedAddress, peer_address(9));
    }
    if ((details & 24) == 24) add_attributes(builder);
    hear(signed_like(*asked, std::move(builder)));
  }

  void refuse(std::uint8_t choice) {
    const auto asked = request(choice);
    if (!asked) return;
    constexpr std::array kCodes = {400, 403, 437, 441, 443, 486, 500, 508};
    stun::MessageBuilder builder(stun::Class::Error, asked->method(), asked->transaction_id());
    builder.error(kCodes.at(input_.u8() % kCodes.size()),
                  as_text(input_.bytes(std::min<std::size_t>(3, input_.remaining()))));
    hear(signed_like(*asked, std::move(builder)));
  }

  void challenge(std::uint8_t choice, int code) {
    const auto asked = request(choice);
    if (!asked) return;
    const std::uint8_t details = choice == 0 ? 0 : input_.u8();
    stun::MessageBuilder builder(stun::Class::Error, asked->method(), asked->transaction_id());
    builder.error(code, "challenge");
    if ((details & 1) == 0) builder.text(AttributeType::Realm, (details & 2) == 0 ? kRealm : "other.example");
    const std::string cookie = (details & 4) == 0 ? "" : (details & 8) == 0 ? "obMatJos2AAAB" : "obMatJos2AAAD";
    if ((details & 16) == 0) builder.text(AttributeType::Nonce, cookie + std::to_string(++nonces_));
    constexpr std::array kAlgorithms = {stun::PasswordAlgorithm{stun::PasswordAlgorithmId::Md5, {}},
                                        stun::PasswordAlgorithm{stun::PasswordAlgorithmId::Sha256, {}}};
    if (has_sha256()) builder.password_algorithms(AttributeType::PasswordAlgorithms, kAlgorithms);
    if ((details & 96) == 96) add_attributes(builder);
    hear(builder.take());
  }

  void redirect(std::uint8_t choice) {
    const auto asked = request(choice);
    if (!asked) return;
    const Address other{IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(1 + choice % 8)}), 3478};
    stun::MessageBuilder builder(stun::Class::Error, asked->method(), asked->transaction_id());
    builder.error(300, "").address(AttributeType::AlternateServer, other);
    if (choice > 128)
      builder.bytes(AttributeType::AlternateDomain, input_.bytes(std::min<std::size_t>(8, input_.remaining())));
    hear(signed_like(*asked, std::move(builder)));
  }

  /// What is framed can be read, and is as long as was said.
  void send(std::uint8_t choice) {
    const Address peer = peer_address(choice);
    const std::size_t size = input_.u8() % 40;
    const std::size_t header = client_.header_size(peer);
    ISOTUBE_ASSERT(header <= Client::kMaxHeader);
    Bytes out(header + size + input_.u8() % 8);
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(header), out.end(), std::byte{0x5A});
    const std::size_t length = client_.frame(now_, peer, out, size);
    ISOTUBE_ASSERT(length <= out.size() && (length == 0 || length >= header + size));
    if (length == 0) return;
    ISOTUBE_ASSERT(client_.state() == State::Allocated && client_.flow() == flow_);
    const ByteView framed = ByteView(out).first(length);
    ISOTUBE_ASSERT(
        std::ranges::all_of(framed.subspan(header, size), [](std::byte each) { return each == std::byte{0x5A}; }));
    if (header == 4) return;
    const auto message = stun::MessageView::parse(framed);
    ISOTUBE_ASSERT(message && message->xor_address(AttributeType::XorPeerAddress) == peer);
    ISOTUBE_ASSERT(message->find(AttributeType::Data)->size() == size);
  }

  void many_peers(std::uint8_t count) {
    for (int i = 0; i < count % 32; ++i) send(static_cast<std::uint8_t>(i));
  }

  void payload(std::uint8_t choice) {
    const ByteView bytes = input_.bytes(std::min<std::size_t>(choice % 16, input_.remaining()));
    if (choice < 128) {
      return hear(stun::MessageBuilder(stun::Class::Indication, Method::Data, {})
                      .xor_address(AttributeType::XorPeerAddress, peer_address(input_.u8()))
                      .bytes(AttributeType::Data, bytes)
                      .take());
    }
    Bytes message;
    BytesWriter writer(message);
    writer.u16(static_cast<std::uint16_t>(0x4000 + choice % 8));
    writer.u16(static_cast<std::uint16_t>(bytes.size()));
    writer.bytes(bytes);
    writer.zeros((4 - bytes.size() % 4) % 4);
    hear(message);
  }

  void command(std::uint8_t choice) {
    switch (choice % 8) {
      case 0:
      case 1:
        return client_.allocate(now_);
      case 2:
      case 3:
        return client_.flow_opened(now_, flow_);
      case 4:
        return client_.flow_failed(now_, flow_, "broken");
      case 5:
        return client_.flow_opened(now_, input_.u8());
      case 6:
        return client_.verify(now_);
      default:
        if (choice > 240) client_.release(now_);
    }
  }

  /// What the client sent comes back, perhaps with one bit changed.
  void flipped_echo() {
    if (requests_.empty()) return;
    Bytes echo = requests_[input_.u8() % requests_.size()];
    const std::size_t bit = input_.u16();
    if (bit < echo.size() * 8) echo[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    hear(echo);
  }

  void look() {
    while (const auto transmit = client_.poll_transmit()) see(*transmit);
    while (const auto event = client_.poll_event()) std::visit([this](const auto& each) { see(each); }, *event);
    ISOTUBE_ASSERT(is_legal(state_, client_.state()));
    state_ = client_.state();
    const bool allocated = state_ == State::Allocated;
    ISOTUBE_ASSERT(client_.relayed().has_value() == allocated && client_.flow().has_value() == allocated);
    ISOTUBE_ASSERT(released_ == (state_ == State::Released));
    if (state_ == State::Idle || state_ == State::Released) ISOTUBE_ASSERT(client_.next_timeout() == kNever);
  }

  void see(const Transmit& transmit) {
    const auto message = stun::MessageView::parse(transmit.bytes);
    ISOTUBE_ASSERT(message.has_value() && transmit.bytes.size() <= 2400);
    ISOTUBE_ASSERT(as_text(transmit.bytes).find(kPassword) == std::string_view::npos);
    if (message->message_class() != stun::Class::Request) return;
    requests_.push_front(transmit.bytes);
    if (requests_.size() > 16) requests_.pop_back();
  }

  void see(const OpenFlow& event) {
    ISOTUBE_ASSERT(event.flow > flow_);
    flow_ = event.flow;
  }
  void see(const CloseFlow& event) { ISOTUBE_ASSERT(event.flow == flow_); }
  void see(const turn::Allocated& event) {
    ISOTUBE_ASSERT(event.relayed.ip.is_v6() == ((shape_ & 2) != 0) || client_.server().address != server_address());
    state_ = State::Allocated;
  }
  void see(const TransactionFailed& event) {
    const std::string text = to_string(event.error);
    ISOTUBE_ASSERT(text.find(kPassword) == std::string::npos);
    ISOTUBE_ASSERT(std::ranges::all_of(text, [](char each) { return each >= 0x20 && each < 0x7F; }));
  }
  void see(const AllocationLost&) {
    ISOTUBE_ASSERT(!released_);
    state_ = State::Idle;
  }
  void see(const PeerRefused& event) { ISOTUBE_ASSERT(event.code != 0); }
  void see(const Released&) {
    ISOTUBE_ASSERT(!released_);
    released_ = true;
  }

  ByteReader input_;
  std::uint8_t shape_;
  TimePoint now_{};
  Client client_;
  std::deque<Bytes> requests_;
  State state_ = State::Idle;
  FlowId flow_ = 0;
  int nonces_ = 0;
  bool released_ = false;
  volatile std::uint8_t sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Driver(ByteReader(std::as_bytes(std::span(data, size)))).run();
  return 0;
}
