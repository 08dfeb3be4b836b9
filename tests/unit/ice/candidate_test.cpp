#include "ice/candidate.hpp"

#include <gtest/gtest.h>

namespace isotube::ice {
namespace {

Candidate parse(std::string_view text) { return parse_candidate(text).value(); }

TEST(ParseCandidate, ReadsAHostCandidate) {
  const Candidate candidate = parse("candidate:1467250027 1 udp 2122260223 192.168.0.196 46243 typ host generation 0");
  EXPECT_EQ(candidate.foundation, "1467250027");
  EXPECT_EQ(candidate.protocol, TransportProtocol::Udp);
  EXPECT_EQ(candidate.priority, 2122260223U);
  EXPECT_EQ(candidate.address, Address::parse("192.168.0.196:46243"));
  EXPECT_EQ(candidate.type, CandidateType::Host);
  EXPECT_FALSE(candidate.related.has_value());
}

TEST(ParseCandidate, ReadsWhatChromiumSendsForAReflexiveCandidate) {
  const Candidate candidate = parse(
      "candidate:842163049 1 udp 1677729535 203.0.113.141 50052 typ srflx raddr 192.168.0.196 rport 50052 generation 0 "
      "ufrag NNPl network-id 1 network-cost 10");
  EXPECT_EQ(candidate.type, CandidateType::ServerReflexive);
  EXPECT_EQ(candidate.related, Address::parse("192.168.0.196:50052"));
  EXPECT_EQ(candidate.ufrag, "NNPl");
}

TEST(ParseCandidate, ReadsIPv6RelayedTcpAndNames) {
  EXPECT_EQ(parse("1 1 UDP 5 2001:db8::1 9 typ relay raddr :: rport 0").address, Address::parse("[2001:db8::1]:9"));
  EXPECT_EQ(parse("1 1 TCP 5 192.0.2.1 9 typ host tcptype active").protocol, TransportProtocol::Tcp);
  const Candidate named = parse("1 1 udp 5 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host");
  EXPECT_EQ(named.host_name, "1f4712db-ea17-4bcf-a596-105139dfd8bf.local");
  EXPECT_EQ(named.address.port, 54596);
}

TEST(ParseCandidate, SkipsARelatedNameAndUnknownExtensions) {
  const Candidate candidate = parse("1 1 udp 5 192.0.2.1 9 typ srflx raddr host.local rport 1 foo bar");
  EXPECT_FALSE(candidate.related.has_value());
}

TEST(ParseCandidate, TellsUnsupportedFromMalformed) {
  for (const char* text :
       {"1 2 udp 5 192.0.2.1 9 typ host", "1 1 sctp 5 192.0.2.1 9 typ host", "1 1 udp 5 192.0.2.1 9 typ token"}) {
    EXPECT_EQ(parse_candidate(text).error(), CandidateError::Unsupported) << text;
  }
  for (const char* text :
       {"", "candidate:", "candidate:1 1 udp 5 192.0.2.1 9", "1 1 udp 5 192.0.2.1 9 host typ",
        "1 0 udp 5 192.0.2.1 9 typ host", "1 257 udp 5 192.0.2.1 9 typ host", "1 x udp 5 192.0.2.1 9 typ host",
        "1 1 udp 4294967296 192.0.2.1 9 typ host", "1 1 udp -5 192.0.2.1 9 typ host",
        "1 1 udp 5 192.0.2.1 65536 typ host", "1 1 udp 5 192.0.2.1:3 9 typ host", "1 1 udp 5 fe80::1%eth0 9 typ host",
        "f-1 1 udp 5 192.0.2.1 9 typ host", "123456789012345678901234567890123 1 udp 5 192.0.2.1 9 typ host",
        "1 1 udp 5 192.0.2.1 9 typ srflx raddr 192.0.2.2 rport 99999", "1 1 udp 5 192.0.2.1 9 typ host ufrag",
        "1 1 udp 5 192.0.2.1 9 typ host ufrag a:b"}) {
    ASSERT_FALSE(parse_candidate(text).has_value()) << text;
    EXPECT_EQ(parse_candidate(text).error(), CandidateError::Malformed) << text;
  }
}

TEST(CandidateText, IsReadBackAsItWas) {
  for (const char* text :
       {"candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host", "candidate:a+/9 1 udp 1 2001:db8::1 1 typ relay",
        "candidate:2 1 udp 1694498815 203.0.113.9 60000 typ srflx raddr 10.0.0.1 rport 5000 ufrag abcd",
        "candidate:3 1 udp 7 host.local 5000 typ prflx"}) {
    EXPECT_EQ(to_string(parse(text)), text);
  }
}

TEST(CandidatePriority, IsWhatRfc8445Recommends) {
  EXPECT_EQ(candidate_priority(CandidateType::Host, 65535), 2130706431U);
  EXPECT_EQ(candidate_priority(CandidateType::PeerReflexive, 65535), 1862270975U);
  EXPECT_EQ(candidate_priority(CandidateType::ServerReflexive, 65535), 1694498815U);
  EXPECT_EQ(candidate_priority(CandidateType::Relayed, 65535), 16777215U);
  EXPECT_EQ(candidate_priority(CandidateType::Relayed, 0), 255U);
}

}  // namespace
}  // namespace isotube::ice
