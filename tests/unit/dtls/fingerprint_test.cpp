#include <gtest/gtest.h>

#include "dtls/certificate.hpp"
#include "pair.hpp"

namespace isotube::dtls {
namespace {

constexpr std::string_view kText =
    "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";

TEST(Fingerprint, ReadsWhatItWrites) {
  const auto fingerprint = Fingerprint::parse(kText);
  ASSERT_TRUE(fingerprint);
  EXPECT_EQ(fingerprint->algorithm, HashAlgorithm::Sha256);
  EXPECT_EQ(fingerprint->digest.size(), 32U);
  EXPECT_EQ(fingerprint->digest.front(), std::byte{0x12});
  EXPECT_EQ(fingerprint->digest.back(), std::byte{0xAD});
  EXPECT_EQ(fingerprint->to_string(), kText);
}

TEST(Fingerprint, IsReadInAnyCase) {
  std::string text(kText);
  for (char& each : text) each = static_cast<char>(each >= 'A' && each <= 'Z' ? each + 32 : each);
  EXPECT_EQ(Fingerprint::parse(text), Fingerprint::parse(kText));
  text.replace(0, 7, "SHA-256");
  EXPECT_EQ(Fingerprint::parse(text), Fingerprint::parse(kText));
}

TEST(Fingerprint, KnowsTheLongerHashes) {
  for (const auto& [algorithm, length] : {std::pair{HashAlgorithm::Sha384, 48U}, {HashAlgorithm::Sha512, 64U}}) {
    const Fingerprint fingerprint{algorithm, Bytes(length, std::byte{0xA5})};
    EXPECT_EQ(Fingerprint::parse(fingerprint.to_string()), fingerprint);
  }
}

TEST(Fingerprint, OfAnUnknownHashOrAWrongLengthIsNone) {
  const std::string text(kText);
  EXPECT_FALSE(Fingerprint::parse(""));
  EXPECT_FALSE(Fingerprint::parse("sha-256"));
  EXPECT_FALSE(Fingerprint::parse("sha-256 "));
  EXPECT_FALSE(Fingerprint::parse("sha-1" + text.substr(7)));
  EXPECT_FALSE(Fingerprint::parse("sha-384" + text.substr(7)));
  EXPECT_FALSE(Fingerprint::parse(text + ":00"));
  EXPECT_FALSE(Fingerprint::parse(text.substr(0, text.size() - 1)));
  EXPECT_FALSE(Fingerprint::parse(text.substr(0, text.size() - 3)));
  EXPECT_FALSE(Fingerprint::parse(text + " "));
  for (std::size_t at = 8; at < text.size(); ++at) {
    std::string spoilt = text;
    spoilt[at] = 'g';
    EXPECT_FALSE(Fingerprint::parse(spoilt)) << at;
  }
}

TEST(Certificate, HasAFingerprintOfItsOwn) {
  const Certificate one = Certificate::generate(kToday);
  const Certificate other = Certificate::generate(kToday);
  EXPECT_EQ(one.fingerprint().algorithm, HashAlgorithm::Sha256);
  EXPECT_EQ(one.fingerprint().digest.size(), 32U);
  EXPECT_NE(one.fingerprint(), other.fingerprint());
}

TEST(Certificate, IsTheSameForTheSameSeedInSimulation) {
  sim::VirtualSurroundings one(seeded(1));
  sim::VirtualSurroundings same(seeded(1));
  sim::VirtualSurroundings other(seeded(2));
  const Fingerprint first = generate_in(one).fingerprint();
  EXPECT_EQ(first, generate_in(same).fingerprint());
  EXPECT_NE(first, generate_in(other).fingerprint());
}

}  // namespace
}  // namespace isotube::dtls
