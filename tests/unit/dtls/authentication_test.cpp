#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "pair.hpp"

namespace isotube::dtls {
namespace {

Fingerprint spoilt(Fingerprint fingerprint) {
  fingerprint.digest.back() ^= std::byte{1};
  return fingerprint;
}

TEST(Authentication, RefusesACertificateThatWasNotAnnounced) {
  Pair probe;
  Pair pair({.client_expects = std::vector{spoilt(probe.server.certificate.fingerprint())}});
  pair.start();
  pair.run_until([&] { return pair.both(State::Failed); });
  (void)pair.exchange();
  EXPECT_TRUE(pair.client.failed_with(Failure::FingerprintMismatch));
  EXPECT_TRUE(pair.server.failed_with(Failure::HandshakeRefused));
  EXPECT_NE(pair.server.find<Failed>()->detail.find("bad certificate"), std::string::npos);
}

TEST(Authentication, HoldsForTheServerToo) {
  Pair probe;
  Pair pair({.server_expects = std::vector{spoilt(probe.client.certificate.fingerprint())}});
  pair.start();
  pair.run_until([&] { return pair.both(State::Failed); });
  (void)pair.exchange();
  EXPECT_TRUE(pair.server.failed_with(Failure::FingerprintMismatch));
  EXPECT_TRUE(pair.client.failed_with(Failure::HandshakeRefused));
}

TEST(Authentication, WithNothingAnnouncedAcceptsNobody) {
  for (const bool at_client : {true, false}) {
    Pair::Options options;
    (at_client ? options.client_expects : options.server_expects) = std::vector<Fingerprint>{};
    Pair pair(options);
    pair.start();
    pair.run_until([&] { return pair.both(State::Failed); });
    (void)pair.exchange();
    const Side& refusing = at_client ? pair.client : pair.server;
    EXPECT_TRUE(refusing.failed_with(Failure::FingerprintMismatch));
    EXPECT_EQ(refusing.find<Connected>(), nullptr);
  }
}

TEST(Authentication, TakesADigestOfAnotherHashForAMismatch) {
  Pair probe;
  // The right bytes under the wrong name, and a length that no hash has.
  Fingerprint renamed = probe.server.certificate.fingerprint();
  renamed.algorithm = HashAlgorithm::Sha384;
  Fingerprint cut = probe.server.certificate.fingerprint();
  cut.digest.resize(8);
  Fingerprint empty = cut;
  empty.digest.clear();
  Pair pair({.client_expects = std::vector{renamed, cut, empty}});
  pair.start();
  pair.run_until([&] { return pair.both(State::Failed); });
  (void)pair.exchange();
  EXPECT_TRUE(pair.client.failed_with(Failure::FingerprintMismatch));
}

TEST(Authentication, IsContentWithAnyOneFingerprintThatMatches) {
  Pair probe;
  const Fingerprint right = probe.server.certificate.fingerprint();
  const Fingerprint other_hash{HashAlgorithm::Sha512, Bytes(64, std::byte{1})};
  Pair pair({.client_expects = std::vector{other_hash, spoilt(right), right}});
  EXPECT_TRUE(pair.connect());
}

}  // namespace
}  // namespace isotube::dtls
