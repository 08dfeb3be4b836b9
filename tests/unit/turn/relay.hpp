// A TURN server by script: it keeps to RFC 8656 but for what a test tells it to do otherwise.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/time.hpp"
#include "stun/builder.hpp"
#include "stun/credentials.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"
#include "turn/client.hpp"

namespace isotube::turn::testing {

using namespace std::chrono_literals;
using stun::AttributeType;
using stun::Method;

inline Address address(const char* text) { return Address::parse(text).value(); }

/// One request as the server reads it.
struct Request {
  FlowId flow = 0;
  Bytes bytes;
  TimePoint at{};

  [[nodiscard]] stun::MessageView view() const { return stun::MessageView::parse(bytes).value(); }
  [[nodiscard]] Method method() const { return view().method(); }
  [[nodiscard]] bool is(Method wanted) const { return method() == wanted; }
  [[nodiscard]] bool is_signed() const { return view().integrity_sha1() || view().integrity_sha256(); }
  [[nodiscard]] std::string nonce() const { return std::string(view().text(AttributeType::Nonce).value_or("")); }
  [[nodiscard]] std::uint32_t lifetime() const { return view().u32(AttributeType::Lifetime).value_or(600); }
  [[nodiscard]] std::uint16_t channel() const {
    return static_cast<std::uint16_t>(view().u32(AttributeType::ChannelNumber).value_or(0) >> 16);
  }
  [[nodiscard]] Address peer() const { return view().xor_address(AttributeType::XorPeerAddress).value_or(Address{}); }
};

using Answers = std::vector<Bytes>;
/// Nothing: as RFC 8656 has it. An empty list: silence.
using Scripted = std::optional<Answers>;

class Relay {
 public:
  std::string username = "user";
  std::string password = "secret";
  std::string realm = "relay.example";
  std::uint32_t lifetime = 600;
  Address relayed = address("203.0.113.7:50000");
  Address mapped = address("198.51.100.20:41000");
  bool demands_login = true;
  /// With the attribute and the nonce cookie of RFC 8489 9.2.1.
  bool offers_sha256 = false;
  bool anonymous = false;
  bool lists_algorithms = true;
  Duration nonce_lifetime = std::chrono::hours(1000);
  /// What requests are answered with.
  std::function<Scripted(const Request&)> script;

  std::vector<Request> requests;
  struct Allocation {
    TimePoint expires{};
    std::map<IpAddress, TimePoint> permissions;
    std::map<std::uint16_t, Address> channels;
  };
  std::map<FlowId, Allocation> allocations;
  /// Bytes that peers got: peer and payload.
  std::vector<std::pair<Address, std::string>> relayed_payloads;
  int keepalives = 0;
  int payloads_dropped = 0;
  /// Nonces, made to go stale at once by counting up.
  int nonce_number = 1;

  [[nodiscard]] std::string nonce() const {
    const std::string number = "nonce-" + std::to_string(nonce_number);
    if (!offers_sha256 && !anonymous) return number;
    // RFC 8489 18.1 with erratum 6290: password algorithms are bit 0, user anonymity is bit 1, from the right.
    const char features = static_cast<char>('A' + (offers_sha256 ? 1 : 0) + (anonymous ? 2 : 0));
    return std::string("obMatJos2AAA") + features + number;
  }
  void spoil_nonce() { ++nonce_number; }

  std::vector<Bytes> handle(TimePoint now, FlowId flow, const Bytes& bytes) {
    if (now - nonce_since_ >= nonce_lifetime) {
      nonce_since_ = now;
      spoil_nonce();
    }
    if ((std::to_integer<unsigned>(bytes.at(0)) & 0xC0) == 0x40) {
      forward_channel_data(now, flow, bytes);
      return {};
    }
    const auto view = stun::MessageView::parse(bytes).value();
    if (view.message_class() == stun::Class::Indication) {
      handle_indication(now, flow, view);
      return {};
    }
    const Request request{flow, bytes, now};
    requests.push_back(request);
    if (script) {
      if (auto answers = script(request)) return *answers;
    }
    return {answer(request)};
  }

  /// As RFC 8656 has it.
  Bytes answer(const Request& request) {
    if (demands_login) {
      if (!request.is_signed()) return challenge(request, 401);
      if (!is_right(request)) return challenge(request, 401);
      if (request.nonce() != nonce()) return challenge(request, 438);
    }
    expire(request.at);
    switch (request.method()) {
      case Method::Allocate:
        return allocate(request);
      case Method::Refresh:
        return refresh(request);
      case Method::CreatePermission:
        return permit(request);
      default:
        return bind(request);
    }
  }

  [[nodiscard]] Bytes success(const Request& request) { return sign(request, builder(request, stun::Class::Success)); }
  [[nodiscard]] Bytes error(const Request& request, int code, std::string_view reason = "because") {
    auto message = builder(request, stun::Class::Error);
    message.error(code, reason);
    return request.is_signed() ? sign(request, message) : message.take();
  }
  [[nodiscard]] Bytes challenge(const Request& request, int code) {
    auto message = builder(request, stun::Class::Error);
    message.error(code, code == 401 ? "Unauthenticated" : "Stale Nonce");
    message.text(AttributeType::Realm, realm).text(AttributeType::Nonce, nonce());
    if (offers_sha256 && lists_algorithms) {
      message.password_algorithms(AttributeType::PasswordAlgorithms, kAlgorithms);
    }
    return message.take();
  }
  [[nodiscard]] Bytes allocated(const Request& request) {
    auto message = builder(request, stun::Class::Success);
    message.xor_address(AttributeType::XorRelayedAddress, relayed).u32(AttributeType::Lifetime, lifetime);
    message.xor_address(AttributeType::XorMappedAddress, mapped);
    return sign(request, message);
  }
  [[nodiscard]] Bytes sign(const Request& request, stun::MessageBuilder message) {
    if (!request.is_signed()) return message.take();
    const bool sha256 = request.view().integrity_sha256().has_value();
    stun::IntegrityKey key = key_for(request);
    return message.integrity(sha256 ? stun::Integrity::Sha256 : stun::Integrity::Sha1, key).take();
  }
  [[nodiscard]] static stun::MessageBuilder builder(const Request& request, stun::Class kind) {
    return {kind, request.method(), request.view().transaction_id()};
  }

  [[nodiscard]] static Bytes data_indication(const Address& peer, std::string_view payload) {
    return stun::MessageBuilder(stun::Class::Indication, Method::Data, {})
        .xor_address(AttributeType::XorPeerAddress, peer)
        .bytes(AttributeType::Data, as_byte_view(payload))
        .take();
  }
  [[nodiscard]] static Bytes channel_data(std::uint16_t channel, std::string_view payload, std::size_t padding = 0) {
    Bytes bytes;
    BytesWriter writer(bytes);
    writer.u16(channel);
    writer.u16(static_cast<std::uint16_t>(payload.size()));
    writer.bytes(as_byte_view(payload));
    writer.zeros(padding);
    return bytes;
  }

  [[nodiscard]] std::vector<Request> all(Method method) const {
    std::vector<Request> found;
    for (const Request& request : requests) {
      if (request.is(method)) found.push_back(request);
    }
    return found;
  }
  [[nodiscard]] std::size_t count(Method method) const { return all(method).size(); }

 private:
  static inline const std::array<stun::PasswordAlgorithm, 2> kAlgorithms = {
      stun::PasswordAlgorithm{stun::PasswordAlgorithmId::Md5, {}},
      stun::PasswordAlgorithm{stun::PasswordAlgorithmId::Sha256, {}}};

  [[nodiscard]] stun::IntegrityKey key_for(const Request& request) const {
    const auto chosen = request.view().password_algorithms(AttributeType::PasswordAlgorithm);
    const auto id = chosen && !chosen->empty() ? chosen->front().id : stun::PasswordAlgorithmId::Md5;
    return stun::IntegrityKey(stun::long_term_key(id, username, realm, password));
  }

  [[nodiscard]] bool is_right(const Request& request) const {
    const auto view = request.view();
    const auto name = view.text(AttributeType::Username);
    const auto hash = view.find(AttributeType::UserHash);
    const bool known = anonymous ? hash && std::ranges::equal(*hash, stun::user_hash(username, realm))
                                 : name == std::string_view(username);
    if (!known || view.text(AttributeType::Realm) != std::string_view(realm)) return false;
    if (offers_sha256 != view.integrity_sha256().has_value()) return false;
    if (offers_sha256 && !view.has(AttributeType::PasswordAlgorithms)) return false;
    return key_for(request).check(view) == stun::IntegrityCheck::Right;
  }

  Bytes allocate(const Request& request) {
    if (allocations.contains(request.flow)) {
      // RFC 8656 7.2: a repeated request gets the answer of the first.
      if (allocated_by_ != request.view().transaction_id()) return error(request, 437);
    }
    allocated_by_ = request.view().transaction_id();
    allocations[request.flow].expires = request.at + std::chrono::seconds(lifetime);
    return allocated(request);
  }

  Bytes refresh(const Request& request) {
    const auto found = allocations.find(request.flow);
    if (found == allocations.end()) return error(request, 437);
    const std::uint32_t granted = std::min(request.lifetime(), lifetime);
    found->second.expires = request.at + std::chrono::seconds(granted);
    if (granted == 0) allocations.erase(found);
    return sign(request, builder(request, stun::Class::Success).u32(AttributeType::Lifetime, granted));
  }

  Bytes permit(const Request& request) {
    const auto found = allocations.find(request.flow);
    if (found == allocations.end()) return error(request, 437);
    found->second.permissions[request.peer().ip] = request.at + 300s;
    return success(request);
  }

  Bytes bind(const Request& request) {
    const auto found = allocations.find(request.flow);
    if (found == allocations.end()) return error(request, 437);
    for (const auto& [number, peer] : found->second.channels) {
      if ((number == request.channel()) != (peer == request.peer()))
        return error(request, 400, "same peer, other channel");
    }
    found->second.channels[request.channel()] = request.peer();
    found->second.permissions[request.peer().ip] = request.at + 300s;
    channel_expires_[{request.flow, request.channel()}] = request.at + 600s;
    return success(request);
  }

  void expire(TimePoint now) {
    std::erase_if(allocations, [now](const auto& each) { return each.second.expires <= now; });
  }

  void forward_channel_data(TimePoint now, FlowId flow, const Bytes& bytes) {
    expire(now);
    ByteReader reader(bytes);
    const std::uint16_t channel = reader.u16();
    const ByteView payload = reader.bytes(reader.u16());
    const auto found = allocations.find(flow);
    if (found == allocations.end() || !found->second.channels.contains(channel) ||
        channel_expires_[{flow, channel}] <= now) {
      ++payloads_dropped;
      return;
    }
    forward(now, found->second, found->second.channels[channel], payload);
  }

  void handle_indication(TimePoint now, FlowId flow, const stun::MessageView& view) {
    expire(now);
    if (view.method() == Method::Binding) {
      ++keepalives;
      return;
    }
    const auto found = allocations.find(flow);
    if (found == allocations.end()) {
      ++payloads_dropped;
      return;
    }
    forward(now, found->second, view.xor_address(AttributeType::XorPeerAddress).value(),
            view.find(AttributeType::Data).value());
  }

  void forward(TimePoint now, Allocation& allocation, const Address& peer, ByteView payload) {
    const auto permission = allocation.permissions.find(peer.ip);
    if (permission == allocation.permissions.end() || permission->second <= now) {
      ++payloads_dropped;
      return;
    }
    relayed_payloads.emplace_back(peer, as_text(payload));
  }

  TimePoint nonce_since_{};
  stun::TransactionId allocated_by_;
  std::map<std::pair<FlowId, std::uint16_t>, TimePoint> channel_expires_;
};

}  // namespace isotube::turn::testing
