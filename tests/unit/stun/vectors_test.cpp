// The true bytes of the RFCs, read and, where the padding is ours, written.
#include "unit/stun/vectors.hpp"

#include <gtest/gtest.h>

#include "stun/builder.hpp"
#include "stun/credentials.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace isotube::stun {
namespace {

using namespace vectors;  // NOLINT(google-build-using-namespace): the subject of this file

Address address(const char* text) { return Address::parse(text).value(); }

IntegrityKey key_of(std::string_view text) { return IntegrityKey(as_byte_view(text)); }

TEST(Rfc5769, ReadsTheSampleRequest) {
  const Bytes bytes = sample_request();
  const auto message = MessageView::parse(bytes).value();
  EXPECT_EQ(message.message_class(), Class::Request);
  EXPECT_EQ(message.method(), Method::Binding);
  EXPECT_EQ(to_bytes(message.transaction_id().bytes), from_hex("b7e7a701bc34d686fa87dfae"));
  EXPECT_EQ(message.text(AttributeType::Software), "STUN test client");
  EXPECT_EQ(message.u32(AttributeType::Priority), 0x6e0001ffU);
  EXPECT_EQ(message.u64(AttributeType::IceControlled), 0x932ff9b151263b36U);
  EXPECT_EQ(message.text(AttributeType::Username), "evtj:h6vY");
  EXPECT_TRUE(message.fingerprint_is_right());
  IntegrityKey key = key_of(kShortTermPassword);
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
  EXPECT_EQ(key.check(message), IntegrityCheck::Right) << "the kept context starts afresh";
}

TEST(Rfc5769, ReadsTheSampleIPv4Response) {
  const Bytes bytes = sample_ipv4_response();
  const auto message = MessageView::parse(bytes).value();
  EXPECT_EQ(message.message_class(), Class::Success);
  EXPECT_EQ(message.xor_address(AttributeType::XorMappedAddress), address("192.0.2.1:32853"));
  EXPECT_TRUE(message.fingerprint_is_right());
  IntegrityKey key = key_of(kShortTermPassword);
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
}

TEST(Rfc5769, ReadsTheSampleIPv6Response) {
  const Bytes bytes = sample_ipv6_response();
  const auto message = MessageView::parse(bytes).value();
  EXPECT_EQ(message.xor_address(AttributeType::XorMappedAddress),
            address("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
  EXPECT_TRUE(message.fingerprint_is_right());
  IntegrityKey key = key_of(kShortTermPassword);
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
}

TEST(Rfc5769, ReadsAndWritesTheSampleRequestWithLongTermCredentials) {
  const Bytes bytes = sample_long_term_request();
  const auto message = MessageView::parse(bytes).value();
  IntegrityKey key(long_term_key(PasswordAlgorithmId::Md5, kLongTermUser, kLongTermRealm, kLongTermPassword));
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
  EXPECT_FALSE(message.has_fingerprint());
  EXPECT_EQ(message.text(AttributeType::Username), kLongTermUser);

  const Bytes written = MessageBuilder(Class::Request, Method::Binding, message.transaction_id())
                            .text(AttributeType::Username, kLongTermUser)
                            .text(AttributeType::Nonce, "f//499k954d6OL34oL9FSTvy64sA")
                            .text(AttributeType::Realm, kLongTermRealm)
                            .integrity(Integrity::Sha1, key)
                            .take();
  EXPECT_EQ(written, bytes);
}

TEST(Rfc8489AppendixB, ReadsAndWritesTheSampleRequestWithSha256) {
  const Bytes bytes = sample_sha256_request();
  const auto message = MessageView::parse(bytes).value();
  IntegrityKey key(long_term_key(PasswordAlgorithmId::Sha256, kLongTermUser, kLongTermRealm, kLongTermPassword));
  EXPECT_EQ(key.check(message), IntegrityCheck::Right);
  EXPECT_EQ(to_bytes(message.find(AttributeType::UserHash).value()),
            to_bytes(user_hash(kLongTermUser, kLongTermRealm)));
  const auto algorithms = message.password_algorithms(AttributeType::PasswordAlgorithm).value();
  ASSERT_EQ(algorithms.size(), 1U);
  EXPECT_EQ(algorithms[0].id, PasswordAlgorithmId::Sha256);

  const Bytes written = MessageBuilder(Class::Request, Method::Binding, message.transaction_id())
                            .bytes(AttributeType::UserHash, user_hash(kLongTermUser, kLongTermRealm))
                            .text(AttributeType::Nonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
                            .text(AttributeType::Realm, kLongTermRealm)
                            .password_algorithms(AttributeType::PasswordAlgorithm, algorithms)
                            .integrity(Integrity::Sha256, key)
                            .take();
  EXPECT_EQ(written, bytes);
}

}  // namespace
}  // namespace isotube::stun
