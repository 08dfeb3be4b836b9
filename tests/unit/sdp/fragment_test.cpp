#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdp/description.hpp"

namespace isotube::sdp {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

Fragment parsed(std::string_view text) {
  const auto fragment = parse_fragment(text);
  EXPECT_TRUE(fragment) << fragment.error().line << ": " << fragment.error().what << "\n" << text;
  return fragment.value_or(Fragment{});
}

ParseError refused(std::string_view text) {
  const auto fragment = parse_fragment(text);
  EXPECT_FALSE(fragment) << text;
  return fragment ? ParseError{} : fragment.error();
}

TEST(Fragment, ReadsTheFormOfRfc8840) {
  const Fragment fragment = parsed(
      "a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
      "a=ice-ufrag:8hhY\r\n"
      "m=audio 9 RTP/AVP 0\r\n"
      "a=mid:1\r\n"
      "a=candidate:1 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998\r\n"
      "a=end-of-candidates\r\n");
  EXPECT_EQ(fragment.mid, "1");
  EXPECT_EQ(fragment.ice, (ice::Credentials{"8hhY", "asd88fgpdd777uzjYhagZg"}));
  ASSERT_THAT(fragment.candidates, SizeIs(1));
  EXPECT_EQ(fragment.candidates[0].type, ice::CandidateType::ServerReflexive);
  EXPECT_TRUE(fragment.end_of_candidates);
}

TEST(Fragment, ReadsTheFormOfRfc9725WithCredentialsBelowTheMediaLine) {
  const Fragment fragment = parsed(
      "a=group:BUNDLE 0\r\n"
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
      "a=mid:0\r\n"
      "a=ice-ufrag:EsAw\r\n"
      "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
      "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n");
  EXPECT_EQ(fragment.mid, "0");
  EXPECT_EQ(fragment.ice.ufrag, "EsAw");
  EXPECT_EQ(fragment.ice.pwd, "P2uYro0UCOQ4zxjKXaWCBui1");
  ASSERT_THAT(fragment.candidates, SizeIs(1));
  EXPECT_FALSE(fragment.end_of_candidates);
}

TEST(Fragment, ReadsTheFormWithoutAMediaLine) {
  const Fragment fragment = parsed("a=mid:0\na=candidate:1 1 udp 1 192.0.2.1 1000 typ host\na=end-of-candidates");
  EXPECT_EQ(fragment.mid, "0");
  EXPECT_THAT(fragment.candidates, SizeIs(1));
  EXPECT_TRUE(fragment.end_of_candidates);
  EXPECT_EQ(fragment.ice, ice::Credentials{});
}

TEST(Fragment, ReadsTheEndOfCandidatesAlone) {
  const Fragment fragment = parsed("a=end-of-candidates\r\n");
  EXPECT_TRUE(fragment.end_of_candidates);
  EXPECT_EQ(fragment.mid, "");
  EXPECT_THAT(fragment.candidates, IsEmpty());
}

TEST(Fragment, NamesItsGenerationWithoutAPassword) {
  const Fragment fragment =
      parsed("a=ice-ufrag:8hhY\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n");
  EXPECT_EQ(fragment.ice, (ice::Credentials{"8hhY", ""}));
}

TEST(Fragment, WritesTheFormOfRfc8840AndReadsItBack) {
  Fragment fragment;
  fragment.ice = {"8hhY", "asd88fgpdd777uzjYhagZg"};
  ice::Candidate candidate;
  candidate.foundation = "1";
  candidate.priority = 7;
  candidate.address = {*IpAddress::parse("192.0.2.1"), 1000};
  fragment.candidates = {candidate};
  fragment.end_of_candidates = true;
  const std::string text = to_string(fragment);
  EXPECT_EQ(text,
            "a=ice-ufrag:8hhY\r\n"
            "a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
            "a=mid:0\r\n"
            "a=" +
                ice::to_string(candidate) +
                "\r\n"
                "a=end-of-candidates\r\n");
  EXPECT_EQ(parsed(text), fragment);
}

TEST(Fragment, CarriesPacingAndLiteForARestart) {
  const std::string text =
      "a=ice-lite\r\n"
      "a=ice-ufrag:8hhY\r\n"
      "a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
      "a=ice-pacing:20\r\n"
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
      "a=mid:0\r\n";
  const Fragment fragment = parsed(text);
  EXPECT_TRUE(fragment.ice_lite);
  EXPECT_EQ(fragment.ice_pacing, Duration(std::chrono::milliseconds(20)));
  EXPECT_EQ(to_string(fragment), text);
}

TEST(FragmentRefuses, WhatIsNone) {
  EXPECT_EQ(refused("").kind, ParseError::Kind::Malformed);
  EXPECT_EQ(refused("candidate:1 1 udp 1 192.0.2.1 1000 typ host").line, 1);
  EXPECT_EQ(refused("a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 99999 typ host\r\n").line, 2);
  EXPECT_EQ(refused("a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n").line, 1) << "a password alone belongs to nobody";
  EXPECT_EQ(refused(std::string(kMaxDescription + 1, 'a')).kind, ParseError::Kind::Malformed);
}

TEST(FragmentRefuses, TwoMediaSections) {
  const ParseError error = refused("m=audio 9 RTP/AVP 0\r\na=mid:0\r\nm=video 9 RTP/AVP 0\r\na=mid:1\r\n");
  EXPECT_EQ(error.kind, ParseError::Kind::Unusable);
  EXPECT_EQ(error.line, 3);
}

}  // namespace
}  // namespace isotube::sdp
