#include "gateway/allow_list.hpp"

#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

AllowList list_of(std::vector<std::string> rules) {
  auto list = AllowList::parse(rules);
  EXPECT_TRUE(list) << list.error();
  return list ? *list : AllowList{};
}

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

std::string error_of(const std::string& rule) {
  const auto list = AllowList::parse(std::vector{rule});
  return list ? "no error" : list.error();
}

TEST(AllowList, IsClosedByDefault) {
  const AllowList none;
  EXPECT_FALSE(none.allows({"127.0.0.1", 80}));
  EXPECT_FALSE(none.allows({"example.com", 80}));
  EXPECT_FALSE(none.allows_resolved({"example.com", 80}, ip("192.0.2.1")));
}

TEST(AllowList, MatchesNamesWithoutCaseAndTrailingDotOnTheirPortsAlone) {
  const AllowList list = list_of({"tcp:DB.internal.:5432"});
  EXPECT_TRUE(list.allows({"db.INTERNAL", 5432}));
  EXPECT_TRUE(list.allows({"db.internal.", 5432}));
  EXPECT_FALSE(list.allows({"db.internal", 5433}));
  EXPECT_FALSE(list.allows({"x.db.internal", 5432}));
  EXPECT_FALSE(list.allows({"db.internal.example", 5432}));
}

TEST(AllowList, MatchesPortRanges) {
  const AllowList list = list_of({"tcp:a:8000-8002", "tcp:b:*"});
  EXPECT_FALSE(list.allows({"a", 7999}));
  EXPECT_TRUE(list.allows({"a", 8000}));
  EXPECT_TRUE(list.allows({"a", 8002}));
  EXPECT_FALSE(list.allows({"a", 8003}));
  EXPECT_TRUE(list.allows({"b", 1}));
  EXPECT_TRUE(list.allows({"b", 65535}));
  EXPECT_FALSE(list.allows({"b", 0}));
}

TEST(AllowList, MatchesAddressesInWhateverSpelling) {
  const AllowList list = list_of({"tcp:192.0.2.1:80", "tcp:[2001:db8::1]:80", "tcp:[::ffff:192.0.2.2]:80"});
  EXPECT_TRUE(list.allows({"192.0.2.1", 80}));
  EXPECT_TRUE(list.allows({"::ffff:192.0.2.1", 80}));
  EXPECT_TRUE(list.allows({"::ffff:c000:0201", 80}));
  EXPECT_TRUE(list.allows({"2001:0DB8::0:1", 80}));
  EXPECT_TRUE(list.allows({"192.0.2.2", 80}));
  EXPECT_FALSE(list.allows({"192.0.2.3", 80}));
  EXPECT_FALSE(list.allows({"192.0.2.1.", 80}));
}

TEST(AllowList, LetsNoOtherSpellingOfAnAddressPassForAName) {
  const AllowList list = list_of({"tcp:*:*", "tcp:127.0.0.1:*"});
  for (const char* host : {"127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "fe80::1%eth0",
                           "0xa9fea9fe", "169.254.43518", "[::1]", ""}) {
    EXPECT_FALSE(list.allows({host, 80})) << host;
    EXPECT_FALSE(list.allows_resolved({host, 80}, ip("127.0.0.1"))) << host;
  }
  EXPECT_FALSE(list.allows({std::string("127.0.0.1\0.a", 12), 80}));
}

TEST(AllowList, MatchesNetworksByTheirPrefix) {
  const AllowList list = list_of({"tcp:10.0.0.0/8:22", "tcp:192.168.1.128/25:22", "tcp:[2001:db8::]/33:22",
                                  "tcp:[2001:db8:ffff::/48]:22", "tcp:203.0.113.7/32:22"});
  EXPECT_TRUE(list.allows({"10.255.0.1", 22}));
  EXPECT_FALSE(list.allows({"11.0.0.1", 22}));
  EXPECT_TRUE(list.allows({"192.168.1.128", 22}));
  EXPECT_FALSE(list.allows({"192.168.1.127", 22}));
  EXPECT_TRUE(list.allows({"2001:db8:7fff::1", 22}));
  EXPECT_FALSE(list.allows({"2001:db8:8000::1", 22}));
  EXPECT_TRUE(list.allows({"2001:db8:ffff:1::1", 22}));
  EXPECT_TRUE(list.allows({"203.0.113.7", 22}));
  EXPECT_FALSE(list.allows({"203.0.113.6", 22}));
  EXPECT_FALSE(list.allows({"::a00:1", 22})) << "an IPv4 network holds no IPv6 address";
}

TEST(AllowList, MatchesALiteralByAddressRulesAndANameByNameRules) {
  const AllowList names = list_of({"tcp:localhost:80"});
  EXPECT_FALSE(names.allows({"127.0.0.1", 80}));
  EXPECT_TRUE(names.allows_resolved({"localhost", 80}, ip("127.0.0.1")));
  const AllowList addresses = list_of({"tcp:127.0.0.0/8:80"});
  EXPECT_FALSE(addresses.allows({"localhost", 80}));
  EXPECT_FALSE(addresses.allows_resolved({"localhost", 80}, ip("127.0.0.1")));
}

TEST(AllowList, ConnectsALiteralToItselfAlone) {
  const AllowList list = list_of({"tcp:192.0.2.0/24:80"});
  EXPECT_TRUE(list.allows_resolved({"192.0.2.1", 80}, ip("192.0.2.1")));
  EXPECT_FALSE(list.allows_resolved({"192.0.2.1", 80}, ip("192.0.2.2")));
}

TEST(AllowList, AnythingCoversNamesAndAddressesButNotMetadataServices) {
  const AllowList list = list_of({"tcp:*:*"});
  EXPECT_TRUE(list.allows({"example.com", 443}));
  EXPECT_TRUE(list.allows({"127.0.0.1", 443}));
  EXPECT_TRUE(list.allows({"2001:db8::1", 443}));
  for (const char* host : {"169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "febf::1", "fd00:ec2::254",
                           "fd20:ce::254", "100.100.100.200", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1",
                           "::169.254.169.254", "::ffff:0:169.254.169.254"}) {
    EXPECT_FALSE(list.allows({host, 80})) << host;
    EXPECT_FALSE(list.allows_resolved({"rebound.example", 80}, ip(host))) << host;
  }
  EXPECT_TRUE(list.allows_resolved({"rebound.example", 80}, ip("169.253.0.1")));
  EXPECT_TRUE(list.allows_resolved({"rebound.example", 80}, ip("fec0::1")));
}

TEST(AllowList, NamesAMetadataServiceByARuleWithinItsBlockOnly) {
  EXPECT_TRUE(list_of({"tcp:169.254.169.254:80"}).allows({"169.254.169.254", 80}));
  EXPECT_FALSE(list_of({"tcp:169.254.169.254:80"}).allows({"169.254.169.254", 81}));
  EXPECT_TRUE(list_of({"tcp:169.254.0.0/16:80"}).allows({"169.254.169.254", 80}));
  EXPECT_FALSE(list_of({"tcp:169.254.0.0/15:80"}).allows({"169.254.169.254", 80}));
  EXPECT_FALSE(list_of({"tcp:0.0.0.0/0:80"}).allows({"169.254.169.254", 80}));
  EXPECT_TRUE(list_of({"tcp:[fe80::]/10:80"}).allows({"fe80::1", 80}));
  EXPECT_FALSE(list_of({"tcp:[::]/0:80"}).allows({"fe80::1", 80}));
  EXPECT_TRUE(list_of({"tcp:[64:ff9b::a9fe:a9fe]:80"}).allows({"64:ff9b::a9fe:a9fe", 80}));
}

TEST(AllowList, ANameThatResolvesToAMetadataServiceNeedsThatAddressNamedToo) {
  EXPECT_FALSE(list_of({"tcp:meta.internal:80"}).allows_resolved({"meta.internal", 80}, ip("169.254.169.254")));
  EXPECT_TRUE(list_of({"tcp:meta.internal:80", "tcp:169.254.169.254:80"})
                  .allows_resolved({"meta.internal", 80}, ip("169.254.169.254")));
}

TEST(AllowList, SaysWhatIsWrongWithARuleAndHowToWriteIt) {
  for (const auto& [rule, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "does not begin with tcp:"},
           {"udp:a:1", "does not begin with tcp:"},
           {"tcp:a", "port is missing"},
           {"tcp:a:", "the port is no number"},
           {"tcp:a:0", "the port is no number"},
           {"tcp:a:65536", "the port is no number"},
           {"tcp:a:20-10", "the port is no number"},
           {"tcp:a:10-20-30", "the port is no number"},
           {"tcp:a:-10", "the port is no number"},
           {"tcp::80", "the host is empty"},
           {"tcp:*.example.com:80", "can't be a part of a name"},
           {"tcp:127.1:80", "looks like an address"},
           {"tcp:2001:db8::1:80", "needs brackets"},
           {"tcp:[2001:db8::1:80", "bracket is not closed"},
           {"tcp:[127.0.0.1]:80", "brackets are for IPv6"},
           {"tcp:10.0.0.1/8:80", "the network is 10.0.0.0/8"},
           {"tcp:10.0.0.0/33:80", "from 0 to 32"},
           {"tcp:10.0.0.0/:80", "from 0 to 32"},
           {"tcp:10.0.0.0/-1:80", "from 0 to 32"},
           {"tcp:[2001:db8::]/129:80", "from 0 to 128"},
           {"tcp:[::ffff:10.0.0.0]/104:80", "in IPv4"},
           {"tcp:name/8:80", "the host is no address"},
           {"tcp:a b:80", "characters"},
       }) {
    EXPECT_NE(error_of(rule).find(why), std::string::npos) << rule << " gave: " << error_of(rule);
    EXPECT_NE(error_of(rule).find("'" + rule + "'"), std::string::npos) << rule;
    EXPECT_NE(error_of(rule).find("tcp:HOST:PORT"), std::string::npos) << rule;
  }
}

}  // namespace
}  // namespace isotube::gateway
