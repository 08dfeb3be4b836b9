// Writing STUN messages (RFC 8489 6.1).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace isotube::stun {

/// Builds one message, attribute by attribute, in the order of the calls:
///
///   Bytes datagram = MessageBuilder(Class::Request, Method::Binding, id)
///                        .text(AttributeType::Username, "remote:local")
///                        .u32(AttributeType::Priority, priority)
///                        .integrity(Integrity::Sha1, key)
///                        .fingerprint()
///                        .take();
///
/// Values and the whole message must fit the 16 bits of their lengths: an invariant of the caller's.
class MessageBuilder {
 public:
  MessageBuilder(Class message_class, Method method, const TransactionId& id);

  MessageBuilder& bytes(AttributeType type, ByteView value);
  MessageBuilder& text(AttributeType type, std::string_view value) { return bytes(type, as_byte_view(value)); }
  /// An attribute without a value, like USE-CANDIDATE.
  MessageBuilder& flag(AttributeType type) { return bytes(type, {}); }
  MessageBuilder& u32(AttributeType type, std::uint32_t value);
  MessageBuilder& u64(AttributeType type, std::uint64_t value);
  MessageBuilder& address(AttributeType type, const Address& address);
  MessageBuilder& xor_address(AttributeType type, const Address& address);
  /// `code` from 300 to 699.
  MessageBuilder& error(int code, std::string_view reason);
  MessageBuilder& unknown_attributes(std::span<const AttributeType> types);
  MessageBuilder& password_algorithms(AttributeType type, std::span<const PasswordAlgorithm> algorithms);
  /// Protects all that was added before. Only integrity(Sha256) and fingerprint() may follow.
  MessageBuilder& integrity(Integrity algorithm, IntegrityKey& key);
  /// The last attribute.
  MessageBuilder& fingerprint();

  [[nodiscard]] std::size_t size() const { return message_.size(); }
  [[nodiscard]] Bytes take() { return std::move(message_); }

 private:
  void write_length(std::size_t length);
  void address_value(AttributeType type, const Address& address, std::span<const std::byte, 16> mask);

  Bytes message_;
};

}  // namespace isotube::stun
