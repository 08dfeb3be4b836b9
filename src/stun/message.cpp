#include "stun/message.hpp"

#include <algorithm>

namespace isotube::stun {
namespace {

/// RFC 8489 14.9 and its like: 763 bytes when decoding.
constexpr std::size_t kMaxText = 763;

constexpr std::size_t padded(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

Class class_of(std::uint16_t type) { return static_cast<Class>(((type >> 7) & 2) | ((type >> 4) & 1)); }

Method method_of(std::uint16_t type) {
  return static_cast<Method>((type & 0x000F) | ((type & 0x00E0) >> 1) | ((type & 0x3E00) >> 2));
}

/// Whether `type` says how the message is protected, and so is no part of what it says.
constexpr bool is_protection(AttributeType type) {
  return type == AttributeType::MessageIntegrity || type == AttributeType::MessageIntegritySha256 ||
         type == AttributeType::Fingerprint;
}

/// RFC 8489 14.1: a zero byte (any value must be accepted), the family, the port, the address.
/// XOR-MAPPED-ADDRESS has the port and address XORed with the magic cookie and transaction id: `mask`.
std::optional<Address> read_address(ByteView value, std::span<const std::byte, 16> mask) {
  ByteReader reader(value);
  reader.skip(1);
  const std::uint8_t family = reader.u8();
  const auto port = static_cast<std::uint16_t>(
      reader.u16() ^ ((std::to_integer<unsigned>(mask[0]) << 8) | std::to_integer<unsigned>(mask[1])));
  std::array<std::uint8_t, 16> octets{};
  const std::size_t size = family == 1 ? 4 : 16;
  if (!reader.ok() || (family != 1 && family != 2) || reader.remaining() != size) return std::nullopt;
  for (std::size_t i = 0; i < size; ++i) {
    octets[i] = static_cast<std::uint8_t>(reader.u8() ^ std::to_integer<std::uint8_t>(mask[i]));
  }
  const IpAddress ip =
      family == 1 ? IpAddress::v4({octets[0], octets[1], octets[2], octets[3]}) : IpAddress::v6(octets);
  return Address{ip, port};
}

}  // namespace

std::uint16_t message_type(Class message_class, Method method) {
  const auto m = static_cast<unsigned>(method);
  const auto c = static_cast<unsigned>(message_class);
  return static_cast<std::uint16_t>((m & 0x000F) | ((m & 0x0070) << 1) | ((m & 0x0F80) << 2) | ((c & 1) << 4) |
                                    ((c & 2) << 7));
}

TransactionId TransactionId::draw(Random& random) {
  TransactionId id;
  random.fill(id.bytes);
  return id;
}

Attribute MessageView::Iterator::operator*() const {
  ByteReader reader(rest_);
  const auto type = static_cast<AttributeType>(reader.u16());
  const std::size_t length = reader.u16();
  return {type, reader.bytes(length)};
}

MessageView::Iterator& MessageView::Iterator::operator++() {
  ByteReader reader(rest_);
  reader.skip(2);
  const std::size_t length = reader.u16();
  reader.skip(padded(length));
  rest_ = reader.rest();
  return *this;
}

std::expected<MessageView, ParseError> MessageView::parse(ByteView bytes) {
  if (bytes.size() < kHeaderSize) return std::unexpected(ParseError::TooShort);
  ByteReader reader(bytes);
  const std::uint16_t type = reader.u16();
  const std::size_t length = reader.u16();
  const std::uint32_t cookie = reader.u32();
  if ((type & 0xC000) != 0 || cookie != kMagicCookie) return std::unexpected(ParseError::NotStun);
  if (length % 4 != 0 || length != bytes.size() - kHeaderSize) return std::unexpected(ParseError::BadLength);
  MessageView view(bytes);
  view.class_ = class_of(type);
  view.method_ = method_of(type);
  if (const auto error = view.read_attributes()) return std::unexpected(*error);
  return view;
}

std::optional<ParseError> MessageView::read_attributes() {
  ByteReader reader(bytes_.subspan(kHeaderSize));
  while (reader.remaining() > 0) {
    // RFC 8489 14.7: FINGERPRINT is the last attribute.
    if (fingerprint_) return ParseError::BadAttribute;
    const std::size_t offset = bytes_.size() - reader.remaining();
    const auto type = static_cast<AttributeType>(reader.u16());
    const std::size_t length = reader.u16();
    const ByteView value = reader.bytes(length);
    reader.skip(padded(length) - length);
    if (!reader.ok()) return ParseError::BadAttribute;
    note({type, value}, offset);
  }
  if (!sha1_ && !sha256_) attributes_end_ = fingerprint_.value_or(bytes_.size());
  return std::nullopt;
}

void MessageView::note(const Attribute& attribute, std::size_t offset) {
  switch (attribute.type) {
    case AttributeType::MessageIntegrity:
      // RFC 8489 14.6: after MESSAGE-INTEGRITY-SHA256 only FINGERPRINT counts.
      if (sha1_ || sha256_) return;
      sha1_ = IntegrityField{offset, attribute.value};
      attributes_end_ = offset;
      return;
    case AttributeType::MessageIntegritySha256:
      if (sha256_) return;
      sha256_ = IntegrityField{offset, attribute.value};
      if (!sha1_) attributes_end_ = offset;
      return;
    case AttributeType::Fingerprint:
      fingerprint_ = offset;
      return;
    default:
      return;
  }
}

TransactionId MessageView::transaction_id() const {
  TransactionId id;
  std::ranges::copy(bytes_.subspan<8, 12>(), id.bytes.begin());
  return id;
}

MessageView::Attributes MessageView::attributes() const {
  return {bytes_.subspan(kHeaderSize, attributes_end_ - kHeaderSize)};
}

std::optional<ByteView> MessageView::find(AttributeType type) const {
  for (const Attribute& attribute : attributes()) {
    if (attribute.type == type) return attribute.value;
  }
  return std::nullopt;
}

std::optional<std::string_view> MessageView::text(AttributeType type) const {
  const auto value = find(type);
  if (!value || value->size() > kMaxText) return std::nullopt;
  return as_text(*value);
}

std::optional<std::uint32_t> MessageView::u32(AttributeType type) const {
  const auto value = find(type);
  if (!value || value->size() != 4) return std::nullopt;
  return ByteReader(*value).u32();
}

std::optional<std::uint64_t> MessageView::u64(AttributeType type) const {
  const auto value = find(type);
  if (!value || value->size() != 8) return std::nullopt;
  return ByteReader(*value).u64();
}

std::optional<Address> MessageView::address(AttributeType type) const {
  constexpr std::array<std::byte, 16> kNoMask{};
  const auto value = find(type);
  return value ? read_address(*value, kNoMask) : std::nullopt;
}

std::optional<Address> MessageView::xor_address(AttributeType type) const {
  const auto value = find(type);
  // The mask is the header's cookie and transaction id as they stand there.
  return value ? read_address(*value, bytes_.subspan<4, 16>()) : std::nullopt;
}

std::optional<ErrorCode> MessageView::error() const {
  const auto value = find(AttributeType::ErrorCode);
  if (!value || value->size() < 4 || value->size() > 4 + kMaxText) return std::nullopt;
  ByteReader reader(*value);
  reader.skip(2);
  const int hundreds = reader.u8() & 0x07;
  const int rest = reader.u8();
  if (hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
  return ErrorCode{hundreds * 100 + rest, as_text(reader.rest())};
}

std::vector<AttributeType> MessageView::unknown_attributes() const {
  std::vector<AttributeType> types;
  ByteReader reader(find(AttributeType::UnknownAttributes).value_or(ByteView{}));
  while (reader.remaining() >= 2) types.push_back(static_cast<AttributeType>(reader.u16()));
  return types;
}

std::optional<std::vector<PasswordAlgorithm>> MessageView::password_algorithms(AttributeType type) const {
  const auto value = find(type);
  if (!value) return std::nullopt;
  std::vector<PasswordAlgorithm> algorithms;
  ByteReader reader(*value);
  while (reader.remaining() > 0) {
    const auto id = static_cast<PasswordAlgorithmId>(reader.u16());
    const std::size_t length = reader.u16();
    const ByteView parameters = reader.bytes(length);
    // The padding of the last one may be left to the attribute's own.
    reader.skip(std::min(padded(length) - length, reader.remaining()));
    if (!reader.ok()) return std::nullopt;
    algorithms.push_back({id, parameters});
  }
  return algorithms;
}

std::vector<AttributeType> MessageView::not_understood(std::span<const AttributeType> understood) const {
  std::vector<AttributeType> types;
  for (const Attribute& attribute : attributes()) {
    if (!is_comprehension_required(attribute.type) || is_protection(attribute.type)) continue;
    if (std::ranges::find(understood, attribute.type) != understood.end()) continue;
    if (std::ranges::find(types, attribute.type) == types.end()) types.push_back(attribute.type);
    if (types.size() == kMaxNotUnderstood) break;
  }
  return types;
}

bool MessageView::fingerprint_is_right() const {
  if (!fingerprint_) return false;
  ByteReader reader(bytes_.subspan(*fingerprint_ + 2));
  if (reader.u16() != 4) return false;
  return reader.u32() == fingerprint_of(bytes_.first(*fingerprint_));
}

}  // namespace isotube::stun
