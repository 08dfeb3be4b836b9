#include "stun/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stun/builder.hpp"
#include "stun/integrity.hpp"
#include "unit/stun/vectors.hpp"

namespace isotube::stun {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using vectors::from_hex;

constexpr AttributeType kUnknownRequired{0x7F00};
constexpr AttributeType kUnknownOptional{0xFF00};

TransactionId some_id() {
  TransactionId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::byte>(i + 1);
  return id;
}

MessageBuilder request() { return {Class::Request, Method::Binding, some_id()}; }

IntegrityKey some_key() { return IntegrityKey(as_byte_view("a password of some length")); }

Address address(const char* text) { return Address::parse(text).value(); }

TEST(MessageType, PutsTheClassBetweenTheMethodsBits) {
  EXPECT_EQ(message_type(Class::Request, Method::Binding), 0x0001);
  EXPECT_EQ(message_type(Class::Indication, Method::Binding), 0x0011);
  EXPECT_EQ(message_type(Class::Success, Method::Binding), 0x0101);
  EXPECT_EQ(message_type(Class::Error, Method::Binding), 0x0111);
  EXPECT_EQ(message_type(Class::Error, Method::ChannelBind), 0x0119);
  EXPECT_EQ(message_type(Class::Request, Method{0xFFF}), 0x3EEF);
}

TEST(MessageType, IsReadBackForEveryClassAndMethod) {
  for (unsigned method = 0; method <= 0xFFF; ++method) {
    for (Class each : {Class::Request, Class::Indication, Class::Success, Class::Error}) {
      const Bytes bytes = MessageBuilder(each, Method{static_cast<std::uint16_t>(method)}, some_id()).take();
      const auto message = MessageView::parse(bytes).value();
      ASSERT_EQ(message.message_class(), each);
      ASSERT_EQ(message.method(), Method{static_cast<std::uint16_t>(method)});
    }
  }
}

TEST(Message, KeepsWhatWasWritten) {
  const std::array<std::byte, 3> raw = {std::byte{1}, std::byte{2}, std::byte{3}};
  const Bytes bytes = request()
                          .text(AttributeType::Username, "me")
                          .bytes(kUnknownOptional, raw)
                          .u32(AttributeType::Priority, 0xDEADBEEF)
                          .u64(AttributeType::IceControlling, 0x0123456789ABCDEF)
                          .flag(AttributeType::UseCandidate)
                          .address(AttributeType::MappedAddress, address("198.51.100.7:4242"))
                          .xor_address(AttributeType::XorMappedAddress, address("[2001:db8::7]:65535"))
                          .take();
  EXPECT_EQ(bytes.size() % 4, 0U);
  const auto message = MessageView::parse(bytes).value();
  EXPECT_EQ(message.transaction_id(), some_id());
  EXPECT_EQ(message.text(AttributeType::Username), "me");
  EXPECT_EQ(to_bytes(message.find(kUnknownOptional).value()), to_bytes(raw));
  EXPECT_EQ(message.u32(AttributeType::Priority), 0xDEADBEEFU);
  EXPECT_EQ(message.u64(AttributeType::IceControlling), 0x0123456789ABCDEFU);
  EXPECT_TRUE(message.has(AttributeType::UseCandidate));
  EXPECT_EQ(message.address(AttributeType::MappedAddress), address("198.51.100.7:4242"));
  EXPECT_EQ(message.xor_address(AttributeType::XorMappedAddress), address("[2001:db8::7]:65535"));
  EXPECT_FALSE(message.has(AttributeType::Realm));
}

TEST(Message, ErrorReasonMayBeAnyBytes) {
  const std::string_view reason("\xFF\x00\xFE no text", 11);
  const Bytes bytes = MessageBuilder(Class::Error, Method::Allocate, some_id()).error(438, reason).take();
  const auto error = MessageView::parse(bytes).value().error().value();
  EXPECT_EQ(error.code, 438);
  EXPECT_EQ(error.reason, reason);
}

TEST(Message, ErrorCodesOutOfRangeAreNoErrorCodes) {
  for (const char* value : {"00000200", "00000700", "00000464", "000004"}) {
    const Bytes bytes = request().bytes(AttributeType::ErrorCode, from_hex(value)).take();
    EXPECT_EQ(MessageView::parse(bytes).value().error().has_value(), false) << value;
  }
}

TEST(Message, ListsUnknownAttributes) {
  const std::array<AttributeType, 3> types = {AttributeType{1}, AttributeType{0x7FFF}, AttributeType{0x24}};
  const Bytes bytes = request().unknown_attributes(types).take();
  EXPECT_THAT(MessageView::parse(bytes).value().unknown_attributes(), ElementsAre(types[0], types[1], types[2]));
}

TEST(Message, ListsPasswordAlgorithmsInTheSendersOrder) {
  const Bytes parameters = from_hex("0102030405");
  const std::array<PasswordAlgorithm, 3> sent = {
      {{PasswordAlgorithmId::Sha256, {}}, {PasswordAlgorithmId{77}, parameters}, {PasswordAlgorithmId::Md5, {}}}};
  const Bytes bytes = request().password_algorithms(AttributeType::PasswordAlgorithms, sent).take();
  const auto message = MessageView::parse(bytes).value();
  const auto read = message.password_algorithms(AttributeType::PasswordAlgorithms).value();
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].id, PasswordAlgorithmId::Sha256);
  EXPECT_EQ(to_bytes(read[1].parameters), parameters);
  EXPECT_EQ(read[2].id, PasswordAlgorithmId::Md5);
}

TEST(Message, PasswordAlgorithmsThatReachPastTheirEndAreMalformed) {
  const Bytes bytes = request().bytes(AttributeType::PasswordAlgorithms, from_hex("0002000500")).take();
  EXPECT_FALSE(MessageView::parse(bytes).value().password_algorithms(AttributeType::PasswordAlgorithms).has_value());
}

TEST(Message, OfARepeatedAttributeTheFirstCounts) {
  const Bytes bytes = request().u32(AttributeType::Priority, 1).u32(AttributeType::Priority, 2).take();
  EXPECT_EQ(MessageView::parse(bytes).value().u32(AttributeType::Priority), 1U);
}

TEST(Message, ValuesOfTheWrongLengthAreNotRead) {
  const Bytes bytes = request()
                          .bytes(AttributeType::Priority, from_hex("010203"))
                          .bytes(AttributeType::IceControlled, from_hex("01020304"))
                          .bytes(AttributeType::MappedAddress, from_hex("00010001010203"))
                          .bytes(AttributeType::XorMappedAddress, from_hex("0002000101020304"))
                          .text(AttributeType::Realm, std::string(764, 'r'))
                          .take();
  const auto message = MessageView::parse(bytes).value();
  EXPECT_FALSE(message.u32(AttributeType::Priority).has_value());
  EXPECT_FALSE(message.u64(AttributeType::IceControlled).has_value());
  EXPECT_FALSE(message.address(AttributeType::MappedAddress).has_value());
  EXPECT_FALSE(message.xor_address(AttributeType::XorMappedAddress).has_value());
  EXPECT_FALSE(message.text(AttributeType::Realm).has_value());
}

TEST(Message, AddressesOfAnUnknownFamilyAreNotRead) {
  const Bytes bytes = request().bytes(AttributeType::MappedAddress, from_hex("0003000101020304")).take();
  EXPECT_FALSE(MessageView::parse(bytes).value().address(AttributeType::MappedAddress).has_value());
}

TEST(Message, ReportsEachRequiredAttributeThatIsNotUnderstood) {
  IntegrityKey key = some_key();
  const Bytes bytes = request()
                          .u32(kUnknownRequired, 1)
                          .u32(kUnknownRequired, 2)
                          .u32(kUnknownOptional, 3)
                          .text(AttributeType::Username, "u")
                          .text(AttributeType::Realm, "r")
                          .integrity(Integrity::Sha1, key)
                          .fingerprint()
                          .take();
  const auto message = MessageView::parse(bytes).value();
  const std::array<AttributeType, 1> understood = {AttributeType::Username};
  EXPECT_THAT(message.not_understood(understood), ElementsAre(kUnknownRequired, AttributeType::Realm));
}

TEST(Message, IgnoresWhatFollowsMessageIntegrity) {
  IntegrityKey key = some_key();
  const Bytes bytes = request()
                          .text(AttributeType::Username, "u")
                          .integrity(Integrity::Sha1, key)
                          .flag(AttributeType::UseCandidate)
                          .u32(kUnknownRequired, 1)
                          .fingerprint()
                          .take();
  const auto message = MessageView::parse(bytes).value();
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
  EXPECT_TRUE(message.fingerprint_is_right());
  EXPECT_FALSE(message.has(AttributeType::UseCandidate));
  EXPECT_THAT(message.not_understood({}), ElementsAre(AttributeType::Username));
}

TEST(Message, BothIntegritiesMayStandTogetherAndSha256Decides) {
  IntegrityKey key = some_key();
  Bytes bytes = request()
                    .text(AttributeType::Username, "u")
                    .integrity(Integrity::Sha1, key)
                    .u32(kUnknownRequired, 1)
                    .integrity(Integrity::Sha256, key)
                    .take();
  const auto message = MessageView::parse(bytes).value();
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
  EXPECT_FALSE(message.has(kUnknownRequired));
  bytes.back() ^= std::byte{1};
  EXPECT_EQ(key.check(MessageView::parse(bytes).value()), IntegrityCheck::Wrong);
}

TEST(Message, MessageIntegrityAfterSha256IsIgnored) {
  IntegrityKey key = some_key();
  const Bytes bytes = request().integrity(Integrity::Sha256, key).integrity(Integrity::Sha1, key).take();
  const auto message = MessageView::parse(bytes).value();
  EXPECT_FALSE(message.integrity_sha1().has_value());
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
}

class TruncatedSha256 : public testing::TestWithParam<std::size_t> {};

TEST_P(TruncatedSha256, CountsFromSixteenBytesInStepsOfFour) {
  const std::size_t length = GetParam();
  IntegrityKey key = some_key();
  MessageBuilder builder = request();
  builder.text(AttributeType::Username, "u");
  const std::size_t head_size = builder.size();
  const Bytes head = builder.take();
  // The HMAC covers the header's length, which counts the truncated attribute.
  const auto value = key.sha256(head, length);
  Bytes bytes = head;
  BytesWriter writer(bytes);
  writer.u16(static_cast<std::uint16_t>(AttributeType::MessageIntegritySha256));
  writer.u16(static_cast<std::uint16_t>(length));
  writer.bytes(ByteView(value).first(length));
  writer.zeros((4 - length % 4) % 4);
  bytes[3] = static_cast<std::byte>(bytes.size() - kHeaderSize);
  const bool legal = length >= 16 && length % 4 == 0;
  EXPECT_EQ(key.check(MessageView::parse(bytes).value()), legal ? IntegrityCheck::Right : IntegrityCheck::Wrong);
  bytes[head_size + kAttributeHeaderSize] ^= std::byte{0x80};
  EXPECT_EQ(key.check(MessageView::parse(bytes).value()), IntegrityCheck::Wrong);
}

INSTANTIATE_TEST_SUITE_P(Lengths, TruncatedSha256, testing::Values(0, 4, 12, 15, 16, 18, 20, 24, 28, 31, 32));

TEST(Message, WithoutIntegritySaysSo) {
  IntegrityKey key = some_key();
  const Bytes bytes = request().fingerprint().take();
  EXPECT_EQ(key.check(MessageView::parse(bytes).value()), IntegrityCheck::Missing);
}

TEST(Message, MessageIntegrityOfTheWrongLengthIsWrong) {
  IntegrityKey key = some_key();
  const Bytes bytes = request().bytes(AttributeType::MessageIntegrity, from_hex("00112233")).take();
  EXPECT_EQ(key.check(MessageView::parse(bytes).value()), IntegrityCheck::Wrong);
}

TEST(IntegrityKey, OfAnotherPasswordIsWrong) {
  IntegrityKey key = some_key();
  IntegrityKey other(as_byte_view("another password"));
  const Bytes bytes = request().integrity(Integrity::Sha1, key).take();
  EXPECT_EQ(other.check(MessageView::parse(bytes).value()), IntegrityCheck::Wrong);
}

TEST(IntegrityKey, MayBeEmptyAndMayBeMoved) {
  IntegrityKey empty{ByteView{}};
  const Bytes bytes = request().integrity(Integrity::Sha1, empty).take();
  IntegrityKey moved = some_key();
  EXPECT_EQ(moved.check(MessageView::parse(bytes).value()), IntegrityCheck::Wrong);
  moved = std::move(empty);
  EXPECT_EQ(moved.check(MessageView::parse(bytes).value()), IntegrityCheck::Right);
}

TEST(Parse, RefusesWhatIsNoStunMessage) {
  const Bytes good = request().u32(AttributeType::Priority, 1).take();
  EXPECT_TRUE(MessageView::parse(good).has_value());

  Bytes top_bits = good;
  top_bits[0] |= std::byte{0x40};
  EXPECT_EQ(MessageView::parse(top_bits).error(), ParseError::NotStun);

  Bytes no_cookie = good;
  no_cookie[4] ^= std::byte{1};
  EXPECT_EQ(MessageView::parse(no_cookie).error(), ParseError::NotStun);

  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_EQ(MessageView::parse(longer).error(), ParseError::BadLength);

  Bytes odd = good;
  odd[3] = std::byte{7};
  EXPECT_EQ(MessageView::parse(odd).error(), ParseError::BadLength);

  Bytes overlong = good;
  overlong[23] = std::byte{5};
  EXPECT_EQ(MessageView::parse(overlong).error(), ParseError::BadAttribute);

  EXPECT_EQ(MessageView::parse({}).error(), ParseError::TooShort);
}

TEST(Parse, RefusesAttributesAfterTheFingerprint) {
  const Bytes bytes = request().fingerprint().u32(AttributeType::Priority, 1).take();
  EXPECT_EQ(MessageView::parse(bytes).error(), ParseError::BadAttribute);
}

TEST(Parse, RefusesEveryTruncationOfEveryVector) {
  for (const Bytes& bytes : {vectors::sample_request(), vectors::sample_ipv4_response(),
                             vectors::sample_ipv6_response(), vectors::sample_sha256_request()}) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      // A copy of exact size, so that a sanitizer sees a read past its end.
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_FALSE(MessageView::parse(cut).has_value()) << length;
    }
  }
}

TEST(Parse, TruncationWithARepairedLengthStaysInBounds) {
  const Bytes bytes = vectors::sample_request();
  IntegrityKey key(as_byte_view(vectors::kShortTermPassword));
  for (std::size_t length = kHeaderSize; length < bytes.size(); length += 4) {
    Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    cut[3] = static_cast<std::byte>(length - kHeaderSize);
    const auto message = MessageView::parse(cut);
    if (!message) continue;
    // Only the cut that takes FINGERPRINT alone away leaves what MESSAGE-INTEGRITY protects.
    const bool whole = length + 8 == bytes.size();
    EXPECT_EQ(key.check(*message) == IntegrityCheck::Right, whole) << length;
    EXPECT_FALSE(message->fingerprint_is_right()) << length;
  }
}

TEST(Parse, NoFlippedBitPassesBothChecks) {
  const Bytes good = vectors::sample_request();
  IntegrityKey key(as_byte_view(vectors::kShortTermPassword));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes flipped = good;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto message = MessageView::parse(flipped);
    if (!message) continue;
    EXPECT_FALSE(message->fingerprint_is_right() && key.check(*message) == IntegrityCheck::Right) << bit;
  }
}

TEST(TransactionId, IsDrawnFromTheRandomHandedIn) {
  Random random(Random::Seed{});
  Random same(Random::Seed{});
  const TransactionId first = TransactionId::draw(random);
  EXPECT_EQ(first, TransactionId::draw(same));
  EXPECT_NE(first, TransactionId::draw(random));
}

}  // namespace
}  // namespace isotube::stun
