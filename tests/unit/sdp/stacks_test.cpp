// What real stacks send: captured from Chromium 156, libdatachannel 0.24 and werift 0.22; Firefox's and pion's in the
// form that they write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.hpp"

namespace isotube::sdp {
namespace {

using std::chrono::milliseconds;
using testing::IsEmpty;
using testing::SizeIs;

ice::Candidate host(std::string_view address, std::uint16_t port) {
  ice::Candidate candidate;
  candidate.address = {*IpAddress::parse(address), port};
  return candidate;
}

TEST(Stacks, ReadsAChromiumOffer) {
  const Description offer = parsed(fixture("chromium-offer"));
  EXPECT_EQ(offer.session_id, 4614775176506351673U);
  EXPECT_EQ(offer.session_version, 2U);
  EXPECT_EQ(offer.mid, "0");
  EXPECT_TRUE(offer.bundle);
  EXPECT_EQ(offer.ice, (ice::Credentials{"3TTn", "wezO5nipeYbZPQcinct6s1NS"}));
  EXPECT_TRUE(offer.trickle);
  EXPECT_EQ(offer.setup, Setup::ActPass);
  ASSERT_THAT(offer.fingerprints, SizeIs(1));
  EXPECT_EQ(offer.fingerprints[0].algorithm, dtls::HashAlgorithm::Sha256);
  EXPECT_EQ(offer.fingerprints[0].digest.front(), std::byte{0xCC});
  EXPECT_EQ(offer.fingerprints[0].digest.back(), std::byte{0x02});
  EXPECT_EQ(offer.sctp_port, 5000);
  EXPECT_EQ(offer.max_message_size, 262'144U);
  ASSERT_THAT(offer.candidates, SizeIs(2));
  EXPECT_EQ(offer.candidates[0].host_name, "ddb9e683-6b18-4e03-afd9-5ff3ebadc9be.local");
  EXPECT_EQ(offer.candidates[1].address.port, 54664);
  EXPECT_FALSE(offer.end_of_candidates);
}

TEST(Stacks, ReadsAChromiumOfferBeforeItsCandidates) {
  const Description offer = parsed(fixture("chromium-offer-trickle"));
  EXPECT_THAT(offer.candidates, IsEmpty());
  EXPECT_TRUE(offer.trickle);
}

TEST(Stacks, ReadsAChromiumAnswer) {
  const Description answer = parsed(fixture("chromium-answer"), Type::Answer);
  EXPECT_EQ(answer.type, Type::Answer);
  EXPECT_EQ(answer.setup, Setup::Active);
  EXPECT_EQ(answer.ice.ufrag, "r6Kb");
}

TEST(Stacks, KeepsTheStoppedAudioOfAChromiumOfferForItsAnswer) {
  const Description offer = parsed(fixture("chromium-offer-audio-stopped"));
  EXPECT_EQ(offer.mid, "1");
  ASSERT_THAT(offer.rejected_before, SizeIs(1));
  EXPECT_EQ(offer.rejected_before[0], (RejectedMedia{"audio", "UDP/TLS/RTP/SAVPF", "111 63 9 0 8 13 110 126", "0"}));
  EXPECT_THAT(offer.rejected_after, IsEmpty());
  ASSERT_THAT(offer.candidates, SizeIs(4)) << "those of the audio section are not ours";
  EXPECT_EQ(offer.candidates[0].address, host("192.0.2.2", 53552).address);
}

TEST(Stacks, ReadsAFirefoxOffer) {
  const Description offer = parsed(fixture("firefox-offer"));
  EXPECT_EQ(offer.session_id, 3557286024538408905U);
  EXPECT_EQ(offer.ice, (ice::Credentials{"b590d940", "34dfb654996bd42f78e0feeadd7122bd"}));
  EXPECT_EQ(offer.max_message_size, 1'073'741'823U);
  ASSERT_THAT(offer.fingerprints, SizeIs(1)) << "given for the session";
  EXPECT_TRUE(offer.end_of_candidates);
  ASSERT_THAT(offer.candidates, SizeIs(4));
  EXPECT_EQ(offer.candidates[1].protocol, ice::TransportProtocol::Tcp);
  EXPECT_EQ(offer.candidates[2].type, ice::CandidateType::ServerReflexive);
  EXPECT_EQ(offer.candidates[3].address, host("203.0.113.103", 59261).address);
  EXPECT_EQ(offer.candidates[3].type, ice::CandidateType::Relayed);
}

TEST(Stacks, ReadsAFirefoxAnswer) {
  const Description answer = parsed(fixture("firefox-answer"), Type::Answer);
  EXPECT_EQ(answer.setup, Setup::Active);
  EXPECT_TRUE(answer.trickle);
}

TEST(Stacks, ReadsALibdatachannelOffer) {
  const Description offer = parsed(fixture("libdatachannel-offer"));
  EXPECT_EQ(offer.ice, (ice::Credentials{"rflI", "pI+SogKfQ/KeyIOp0vQdEw"}));
  EXPECT_TRUE(offer.trickle) << "its ice-options have a comma";
  ASSERT_THAT(offer.candidates, SizeIs(2));
  EXPECT_EQ(offer.candidates[0].address, host("fd00::2", 39934).address);
  EXPECT_TRUE(offer.end_of_candidates);
}

TEST(Stacks, ReadsALibdatachannelAnswer) {
  EXPECT_EQ(parsed(fixture("libdatachannel-answer"), Type::Answer).setup, Setup::Active);
}

TEST(Stacks, ReadsAPionOffer) {
  const Description offer = parsed(fixture("pion-offer"));
  EXPECT_EQ(offer.ice.ufrag, "CsxzEWmoKpJyscFj");
  ASSERT_THAT(offer.candidates, SizeIs(2)) << "the second component is dropped";
  EXPECT_EQ(offer.candidates[1].type, ice::CandidateType::ServerReflexive);
  EXPECT_FALSE(offer.trickle);
}

TEST(Stacks, ReadsAPionAnswer) { EXPECT_EQ(parsed(fixture("pion-answer"), Type::Answer).setup, Setup::Active); }

TEST(Stacks, ReadsAWeriftOffer) {
  const Description offer = parsed(fixture("werift-offer"));
  EXPECT_EQ(offer.max_message_size, 65'536U);
  ASSERT_THAT(offer.candidates, SizeIs(2));
  EXPECT_EQ(offer.candidates[0].foundation, "32b1715da3b0ef8ba684454eb");
  EXPECT_EQ(offer.candidates[0].ufrag, "9bef");
}

TEST(Stacks, ReadsAWeriftAnswer) { EXPECT_EQ(parsed(fixture("werift-answer"), Type::Answer).setup, Setup::Active); }

TEST(Stacks, WritesBackWhatItReadOfEach) {
  for (const char* name : {"chromium-offer", "chromium-offer-trickle", "chromium-answer",
                           "chromium-offer-audio-stopped", "firefox-offer", "firefox-answer", "libdatachannel-offer",
                           "libdatachannel-answer", "pion-offer", "pion-answer", "werift-offer", "werift-answer"}) {
    const Type type = std::string_view(name).find("answer") != std::string_view::npos ? Type::Answer : Type::Offer;
    const Description description = parsed(fixture(name), type);
    EXPECT_EQ(parsed(to_string(description), type), description) << name;
  }
}

}  // namespace
}  // namespace isotube::sdp
