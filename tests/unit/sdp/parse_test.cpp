#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.hpp"

namespace isotube::sdp {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kOther =
    "a=fingerprint:sha-512 "
    "01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:"
    "01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10\r\n";

void expect_refused(std::string_view text, ParseError::Kind kind, int line, std::string_view what,
                    Type type = Type::Offer) {
  const ParseError error = refused(text, type);
  EXPECT_EQ(error.kind, kind) << text;
  EXPECT_EQ(error.line, line) << error.what;
  EXPECT_THAT(error.what, HasSubstr(std::string(what)));
}

void expect_malformed(std::string_view text, int line, std::string_view what) {
  expect_refused(text, ParseError::Kind::Malformed, line, what);
}

void expect_unusable(std::string_view text, int line, std::string_view what, Type type = Type::Offer) {
  expect_refused(text, ParseError::Kind::Unusable, line, what, type);
}

TEST(Parse, TakesSessionAttributesWhereTheMediaSectionHasNone) {
  std::string text(kMinimal);
  const std::size_t media = text.find("m=");
  const std::size_t begin = text.find("a=ice-ufrag");
  const std::size_t end = text.find("a=sctp-port");
  const std::string moved = text.substr(begin, end - begin);
  text.erase(begin, end - begin).insert(media, moved);
  EXPECT_EQ(parsed(text), parsed(kMinimal));
}

TEST(Parse, PrefersTheMediaSectionsAttributesToTheSessions) {
  const std::string session = std::string("a=ice-ufrag:other\r\na=ice-pwd:0123456789012345678901\r\na=setup:active\r\n")
                                  .append(kOther)
                                  .append("a=group:BUNDLE 0\r\n");
  EXPECT_EQ(parsed(minimal_with("a=group", session)), parsed(kMinimal));
}

TEST(Parse, KeepsEveryFingerprintItCanCheck) {
  const Description offer =
      parsed(minimal_and(std::string("a=fingerprint:sha-1 00:01\r\na=fingerprint:MD5 xyz\r\n").append(kOther)));
  ASSERT_THAT(offer.fingerprints, SizeIs(2));
  EXPECT_EQ(offer.fingerprints[1].algorithm, dtls::HashAlgorithm::Sha512);
}

TEST(Parse, ReadsLinesThatEndInLfAloneAndSkipsEmptyOnes) {
  std::string text(kMinimal);
  std::erase(text, '\r');
  EXPECT_EQ(parsed(text + "\n\n"), parsed(kMinimal));
  expect_malformed("\n\nv=1\n", 3, "v=0");
}

TEST(Parse, ReadsALastLineWithoutAnEnd) {
  EXPECT_EQ(parsed(kMinimal.substr(0, kMinimal.size() - 2)), parsed(kMinimal));
}

TEST(Parse, IgnoresAttributesThatItDoesNotKnow) {
  EXPECT_EQ(
      parsed(minimal_and("a=tls-id:abc3de65cddef001be82\r\na=sendrecv\r\na=x-new:1 2 3\r\na=\r\na=:\r\nb=AS:30\r\n")),
      parsed(kMinimal));
}

TEST(Parse, AcceptsTcpInTheProtocol) {
  EXPECT_EQ(parsed(minimal_with("m=", "m=application 9 TCP/DTLS/SCTP webrtc-datachannel\r\n")), parsed(kMinimal));
}

TEST(Parse, ReadsIceAttributes) {
  const Description offer =
      parsed(minimal_with("a=ice-options", "a=ice-lite\r\na=ice-options:ice2\r\na=ice-pacing:50\r\n"));
  EXPECT_TRUE(offer.ice_lite);
  EXPECT_FALSE(offer.trickle);
  EXPECT_EQ(offer.ice_pacing, milliseconds(50));
}

TEST(Parse, FillsInWhatTheRfcsSayOfMissingAttributes) {
  const Description offer = parsed(minimal_with("a=sctp-port", ""));
  EXPECT_EQ(offer.sctp_port, 5000);
  EXPECT_EQ(parsed(minimal_with("a=max-message-size", "")).max_message_size, std::nullopt);
  EXPECT_EQ(parsed(minimal_with("a=max-message-size", "a=max-message-size:0\r\n")).max_message_size, 0U);
  EXPECT_EQ(parsed(minimal_with("a=setup", "")).setup, Setup::Active);
  EXPECT_EQ(parsed(minimal_with("a=setup", ""), Type::Answer).setup, Setup::Passive);
  EXPECT_EQ(parsed(minimal_with("a=mid", "")).mid, "");
  EXPECT_FALSE(parsed(minimal_with("a=mid", "")).bundle);
  EXPECT_FALSE(parsed(minimal_with("a=group", "")).bundle);
}

TEST(Parse, KeepsNoMoreCandidatesThanItsLimit) {
  std::string text(kMinimal);
  for (int i = 0; i < 100; ++i) text += "a=candidate:1 1 udp 1 192.0.2.1 " + std::to_string(1000 + i) + " typ host\r\n";
  const Description offer = parsed(text);
  ASSERT_THAT(offer.candidates, SizeIs(kMaxCandidates));
  EXPECT_EQ(offer.candidates.back().address.port, 1063);
}

TEST(Parse, SkipsCandidatesOfAnotherComponentOrTransport) {
  const Description offer = parsed(minimal_and(
      "a=candidate:1 2 udp 1 192.0.2.1 1000 typ host\r\na=candidate:1 1 sctp 1 192.0.2.1 1000 typ host\r\n"));
  EXPECT_THAT(offer.candidates, IsEmpty());
}

TEST(Parse, ToleratesRejectedMediaAroundTheDataChannel) {
  const std::string around =
      std::string(minimal_with("m=",
                               "m=audio 0 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:a\r\na=ice-ufrag:!\r\n"
                               "m=video 0/2 RTP/AVP 96\r\n"
                               "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")) +
      "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:z\r\n";
  const Description offer = parsed(around);
  EXPECT_THAT(offer.rejected_before, testing::ElementsAre(RejectedMedia{"audio", "UDP/TLS/RTP/SAVPF", "111 0", "a"},
                                                          RejectedMedia{"video", "RTP/AVP", "96", ""}));
  EXPECT_THAT(offer.rejected_after,
              testing::ElementsAre(RejectedMedia{"application", "UDP/DTLS/SCTP", "webrtc-datachannel", "z"}));
  EXPECT_EQ(offer.ice.ufrag, "abcd");
  EXPECT_EQ(parsed(to_string(offer)), offer);
}

TEST(Parse, TakesPortZeroWithBundleOnlyForAnActiveSection) {
  const Description offer =
      parsed(minimal_with("m=", "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=bundle-only\r\n"));
  EXPECT_EQ(offer, parsed(kMinimal));
}

TEST(ParseRefuses, WhatIsNotSdp) {
  expect_malformed("", 0, "empty");
  expect_malformed("\r\n\r\n", 0, "empty");
  expect_malformed("hello", 1, "small letter");
  expect_malformed("{\"type\":\"offer\",\"sdp\":\"v=0\"}", 1, "small letter");
  expect_malformed("v=0\r\ns=-\r\n", 1, "o=");
  expect_malformed("v=0\r\no=- 1 IN IP4 0.0.0.0\r\n", 2, "o=");
  expect_malformed("v=0\r\no=- 1 99999999999999999999 IN IP4 0.0.0.0\r\n", 2, "64-bit");
  expect_malformed("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", 0, "v=0");
}

TEST(ParseRefuses, NulsLoneCarriageReturnsAndSpacesAroundTheSign) {
  expect_malformed(minimal_and(std::string_view("a=x:\0\r\n", 7)), 16, "NUL");
  expect_malformed(minimal_and("a=x:1\ra=y:2\r\n"), 16, "CR");
  expect_malformed(minimal_and("a =x\r\n"), 16, "small letter");
}

TEST(ParseRefuses, TextsAndLinesThatAreTooLong) {
  expect_malformed(std::string(kMaxDescription + 1, 'a'), 0, "65536");
  expect_malformed(minimal_and("a=x:" + std::string(8189, 'y')), 16, "8192");
  EXPECT_EQ(parsed(minimal_and("a=x:" + std::string(8188, 'y'))), parsed(kMinimal));
}

TEST(ParseRefuses, CredentialsOutsideTheirGrammar) {
  expect_malformed(minimal_with("a=ice-ufrag", "a=ice-ufrag:abc\r\n"), 10, "4 to 256");
  expect_malformed(minimal_with("a=ice-ufrag", "a=ice-ufrag:" + std::string(257, 'a') + "\r\n"), 10, "4 to 256");
  expect_malformed(minimal_with("a=ice-ufrag", "a=ice-ufrag:ab:d\r\n"), 10, "letters");
  expect_malformed(minimal_with("a=ice-pwd", "a=ice-pwd:tooshort\r\n"), 11, "22 to 256");
  expect_malformed(minimal_and("a=ice-ufrag:efgh\r\n"), 16, "twice");
}

TEST(ParseRefuses, NumbersOutOfRange) {
  expect_malformed(minimal_with("a=sctp-port", "a=sctp-port:65536\r\n"), 14, "65535");
  expect_malformed(minimal_with("a=sctp-port", "a=sctp-port:-1\r\n"), 14, "65535");
  expect_malformed(minimal_with("a=sctp-port", "a=sctp-port: 5000\r\n"), 14, "65535");
  expect_malformed(minimal_with("a=sctp-port", "a=sctp-port\r\n"), 14, "65535");
  expect_unusable(minimal_with("a=sctp-port", "a=sctp-port:0\r\n"), 14, "closes");
  expect_malformed(minimal_with("a=max-message-size", "a=max-message-size:18446744073709551616\r\n"), 15, "number");
  expect_malformed(minimal_and("a=ice-pacing:10000000000\r\n"), 16, "ice-pacing");
  expect_malformed(minimal_with("m=", "m=application 65536 UDP/DTLS/SCTP webrtc-datachannel\r\n"), 7, "m-line");
}

TEST(ParseRefuses, AttributesThatItMustUnderstandAndCannot) {
  expect_malformed(minimal_with("a=setup", "a=setup:maybe\r\n"), 13, "actpass");
  expect_unusable(minimal_with("a=setup", "a=setup:holdconn\r\n"), 13, "holdconn");
  expect_malformed(minimal_and("a=fingerprint:sha-256 00:01\r\n"), 16, "sha-256");
  expect_malformed(minimal_and("a=fingerprint:sha-256\r\n"), 16, "hash name");
  expect_malformed(minimal_and("a=candidate:nonsense\r\n"), 16, "candidate");
  expect_malformed(minimal_with("a=mid", "a=mid:a b\r\n"), 9, "mid");
  expect_malformed(minimal_with("m=", "m=application\r\n"), 7, "m-line");
}

TEST(ParseRefuses, DescriptionsThatLackWhatATubeNeeds) {
  expect_unusable(minimal_with("a=ice-ufrag", ""), 0, "ice-ufrag");
  expect_unusable(minimal_with("a=ice-pwd", ""), 0, "ice-pwd");
  expect_unusable(minimal_with("a=fingerprint", ""), 0, "fingerprint");
  expect_unusable(minimal_with("a=fingerprint", "a=fingerprint:sha-1 00:01\r\n"), 0, "sha-256");
  expect_unusable("v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 0, "data channel");
}

TEST(ParseRefuses, AnAnswerThatDoesNotDecideWhoIsTheDtlsClient) {
  expect_unusable(kMinimal, 13, "must decide", Type::Answer);
}

TEST(ParseRefuses, MediaThatItDoesNotCarry) {
  expect_unusable(minimal_and("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"), 16, "m=audio is active");
  expect_unusable(minimal_and("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"), 16, "second");
  expect_unusable(minimal_with("m=", "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"), 7, "rejected");
  expect_unusable(minimal_with("m=", "m=application 9 UDP/DTLS/SCTP bfcp\r\n"), 7, "webrtc-datachannel");
  expect_unusable(minimal_with("m=", "m=application 9 TCP/MSRP *\r\n"), 7, "UDP/DTLS/SCTP");
}

TEST(ParseRefuses, MoreRejectedMediaThanAnAnswerShouldCarry) {
  std::string text(kMinimal);
  for (int i = 0; i < 64; ++i) text += "m=audio 0 RTP/AVP 0\r\n";
  EXPECT_THAT(parsed(text).rejected_after, SizeIs(64));
  expect_unusable(text + "m=audio 0 RTP/AVP 0\r\n", 80, "rejected m-lines");
}

TEST(ParseRefuses, TheOldFormWithSctpmapAndSaysWhatToSend) {
  const std::string text =
      minimal_with("m=", "m=application 9 DTLS/SCTP 5000\r\na=sctpmap:5000 webrtc-datachannel 1024\r\n");
  expect_unusable(text, 7, "send \"UDP/DTLS/SCTP webrtc-datachannel\" with a=sctp-port");
}

TEST(ParseRefuses, EveryTruncationOrTakesItWithoutHarm) {
  const std::string text = fixture("firefox-offer");
  int taken = 0;
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto description = parse(Type::Offer, std::string_view(text).substr(0, length));
    if (description) ++taken;
  }
  EXPECT_GT(taken, 0) << "the last attributes may be missing";
  EXPECT_LT(taken, 100);
}

}  // namespace
}  // namespace isotube::sdp
