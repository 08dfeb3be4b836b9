#include "stun/builder.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace isotube::stun {
namespace {

/// A connectivity check with user names of usual length takes about 110 bytes: one allocation.
constexpr std::size_t kUsualSize = 160;

constexpr std::size_t kMaxLength = 0xFFFC;

}  // namespace

MessageBuilder::MessageBuilder(Class message_class, Method method, const TransactionId& id) {
  message_.reserve(kUsualSize);
  BytesWriter writer(message_);
  writer.u16(message_type(message_class, method));
  writer.u16(0);
  writer.u32(kMagicCookie);
  writer.bytes(id.bytes);
}

MessageBuilder& MessageBuilder::bytes(AttributeType type, ByteView value) {
  ISOTUBE_ASSERT(value.size() <= kMaxLength);
  BytesWriter writer(message_);
  writer.u16(static_cast<std::uint16_t>(type));
  writer.u16(static_cast<std::uint16_t>(value.size()));
  writer.bytes(value);
  writer.zeros((4 - value.size() % 4) % 4);
  write_length(message_.size() - kHeaderSize);
  return *this;
}

void MessageBuilder::write_length(std::size_t length) {
  ISOTUBE_ASSERT(length <= kMaxLength);
  message_[2] = static_cast<std::byte>(length >> 8);
  message_[3] = static_cast<std::byte>(length & 0xFF);
}

MessageBuilder& MessageBuilder::u32(AttributeType type, std::uint32_t value) {
  std::array<std::byte, 4> encoded{};
  SpanWriter(encoded).u32(value);
  return bytes(type, encoded);
}

MessageBuilder& MessageBuilder::u64(AttributeType type, std::uint64_t value) {
  std::array<std::byte, 8> encoded{};
  SpanWriter(encoded).u64(value);
  return bytes(type, encoded);
}

MessageBuilder& MessageBuilder::address(AttributeType type, const Address& address) {
  constexpr std::array<std::byte, 16> kNoMask{};
  address_value(type, address, kNoMask);
  return *this;
}

MessageBuilder& MessageBuilder::xor_address(AttributeType type, const Address& address) {
  std::array<std::byte, 16> mask{};
  std::ranges::copy(ByteView(message_).subspan<4, 16>(), mask.begin());
  address_value(type, address, mask);
  return *this;
}

void MessageBuilder::address_value(AttributeType type, const Address& address, std::span<const std::byte, 16> mask) {
  std::array<std::byte, 20> encoded{};
  SpanWriter writer(encoded);
  writer.u8(0);
  writer.u8(address.ip.is_v4() ? 1 : 2);
  writer.u16(static_cast<std::uint16_t>(
      address.port ^ ((std::to_integer<unsigned>(mask[0]) << 8) | std::to_integer<unsigned>(mask[1]))));
  std::size_t index = 0;
  for (std::uint8_t octet : address.ip.octets()) {
    writer.u8(static_cast<std::uint8_t>(octet ^ std::to_integer<std::uint8_t>(mask[index++])));
  }
  bytes(type, writer.written());
}

MessageBuilder& MessageBuilder::error(int code, std::string_view reason) {
  ISOTUBE_ASSERT(code >= 300 && code <= 699);
  Bytes value;
  BytesWriter writer(value);
  writer.u16(0);
  writer.u8(static_cast<std::uint8_t>(code / 100));
  writer.u8(static_cast<std::uint8_t>(code % 100));
  writer.bytes(as_byte_view(reason));
  return bytes(AttributeType::ErrorCode, value);
}

MessageBuilder& MessageBuilder::unknown_attributes(std::span<const AttributeType> types) {
  Bytes value;
  BytesWriter writer(value);
  for (AttributeType type : types) writer.u16(static_cast<std::uint16_t>(type));
  return bytes(AttributeType::UnknownAttributes, value);
}

MessageBuilder& MessageBuilder::password_algorithms(AttributeType type, std::span<const PasswordAlgorithm> algorithms) {
  Bytes value;
  BytesWriter writer(value);
  for (const PasswordAlgorithm& algorithm : algorithms) {
    writer.u16(static_cast<std::uint16_t>(algorithm.id));
    writer.u16(static_cast<std::uint16_t>(algorithm.parameters.size()));
    writer.bytes(algorithm.parameters);
    writer.zeros((4 - algorithm.parameters.size() % 4) % 4);
  }
  return bytes(type, value);
}

MessageBuilder& MessageBuilder::integrity(Integrity algorithm, IntegrityKey& key) {
  if (algorithm == Integrity::Sha256) {
    const auto value = key.sha256(message_, IntegrityKey::kSha256Size);
    return bytes(AttributeType::MessageIntegritySha256, value);
  }
  const auto value = key.sha1(message_, IntegrityKey::kSha1Size);
  return bytes(AttributeType::MessageIntegrity, value);
}

MessageBuilder& MessageBuilder::fingerprint() {
  // RFC 8489 14.7: the length already counts FINGERPRINT when the checksum is taken.
  write_length(message_.size() - kHeaderSize + kAttributeHeaderSize + 4);
  return u32(AttributeType::Fingerprint, fingerprint_of(message_));
}

}  // namespace isotube::stun
