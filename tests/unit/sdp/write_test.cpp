#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.hpp"

namespace isotube::sdp {
namespace {

Description example() {
  Description description;
  description.session_id = 4611686018427387904U;
  description.session_version = 1;
  description.ice = {"abcd", "abcdefghijklmnopqrstuv"};
  description.fingerprints = parsed(kMinimal).fingerprints;
  description.max_message_size = 262'144;
  return description;
}

ice::Candidate candidate(ice::CandidateType type, std::string_view address) {
  ice::Candidate result;
  result.foundation = "1";
  result.priority = ice::candidate_priority(type, 65535);
  result.address = {*IpAddress::parse(address), 50'000};
  result.type = type;
  return result;
}

TEST(Write, GivesTheFormOfRfc9429) {
  Description offer = example();
  offer.ice_pacing = std::chrono::milliseconds(5);
  EXPECT_EQ(to_string(offer),
            "v=0\r\n"
            "o=- 4611686018427387904 1 IN IP4 0.0.0.0\r\n"
            "s=-\r\n"
            "t=0 0\r\n"
            "a=group:BUNDLE 0\r\n"
            "a=ice-options:trickle ice2\r\n"
            "a=ice-pacing:5\r\n"
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
            "c=IN IP4 0.0.0.0\r\n"
            "a=mid:0\r\n"
            "a=ice-ufrag:abcd\r\n"
            "a=ice-pwd:abcdefghijklmnopqrstuv\r\n"
            "a=fingerprint:sha-256 CA:DB:9B:50:FC:DB:A2:FD:F0:AC:26:A0:77:BF:0B:2A:97:4C:F9:BD:51:67:E1:34:2F:13:D9:E0:"
            "50:01:D9:4A\r\n"
            "a=setup:actpass\r\n"
            "a=sctp-port:5000\r\n"
            "a=max-message-size:262144\r\n");
}

TEST(Write, NamesTheDefaultCandidateInTheMediaLine) {
  Description offer = example();
  offer.candidates = {candidate(ice::CandidateType::Host, "2001:db8::1")};
  EXPECT_THAT(to_string(offer), testing::HasSubstr("m=application 50000 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                                                   "c=IN IP6 2001:db8::1\r\n"));
  offer.candidates.push_back(candidate(ice::CandidateType::ServerReflexive, "192.0.2.1"));
  EXPECT_THAT(to_string(offer), testing::HasSubstr("c=IN IP4 192.0.2.1\r\n"));
}

TEST(Write, NeverNamesAHostNameInTheMediaLine) {
  Description offer = example();
  offer.candidates = {candidate(ice::CandidateType::Host, "192.0.2.1")};
  offer.candidates[0].host_name = "a.local";
  EXPECT_THAT(to_string(offer), testing::HasSubstr("m=application 9 "));
}

TEST(Write, AnswersWithAsManyMediaLinesAsTheOfferHas) {
  const Description offer = parsed(fixture("chromium-offer-audio-stopped"));
  Description answer = answer_to(offer);
  answer.ice = example().ice;
  answer.fingerprints = example().fingerprints;
  EXPECT_EQ(answer.setup, Setup::Active);
  EXPECT_THAT(to_string(answer), testing::HasSubstr("a=group:BUNDLE 1\r\n"));
  EXPECT_THAT(to_string(answer), testing::HasSubstr("m=audio 0 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n"
                                                    "c=IN IP4 0.0.0.0\r\n"
                                                    "a=mid:0\r\n"
                                                    "m=application 9 "));
}

TEST(Write, AnswersAnOfferThatInsistsOnBeingActivePassively) {
  Description offer = example();
  offer.setup = Setup::Active;
  EXPECT_EQ(answer_to(offer).setup, Setup::Passive);
}

TEST(Write, RoundTripsEveryField) {
  Description answer = example();
  answer.type = Type::Answer;
  answer.mid = "data";
  answer.bundle = false;
  answer.ice_lite = true;
  answer.trickle = false;
  answer.ice_pacing = std::chrono::milliseconds(20);
  answer.setup = Setup::Passive;
  answer.sctp_port = 6000;
  answer.max_message_size = 0;
  answer.candidates = {candidate(ice::CandidateType::Host, "192.0.2.1"), candidate(ice::CandidateType::Relayed, "::1")};
  answer.candidates[1].related = Address{*IpAddress::parse("192.0.2.9"), 9};
  answer.end_of_candidates = true;
  answer.rejected_before = {{"audio", "UDP/TLS/RTP/SAVPF", "111 0", "a"}};
  answer.rejected_after = {{"video", "UDP/TLS/RTP/SAVPF", "96", ""}};
  EXPECT_EQ(parsed(to_string(answer), Type::Answer), answer);
}

}  // namespace
}  // namespace isotube::sdp
