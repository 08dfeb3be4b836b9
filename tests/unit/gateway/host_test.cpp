#include "gateway/host.hpp"

#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

Host name(std::string text) { return HostName{std::move(text)}; }
Host ip(std::string_view text) { return *IpAddress::parse(text); }

TEST(ReadHost, ComparesNamesWithoutCaseAndTrailingDot) {
  EXPECT_EQ(read_host("DB.Internal."), name("db.internal"));
  EXPECT_EQ(read_host("db.internal"), name("db.internal"));
  EXPECT_EQ(read_host("xn--bcher-kva.example"), name("xn--bcher-kva.example"));
  EXPECT_EQ(read_host("_srv.a1"), name("_srv.a1"));
}

TEST(ReadHost, GivesOneValueToOneAddressHoweverItIsWritten) {
  EXPECT_EQ(read_host("::ffff:192.0.2.1"), ip("192.0.2.1"));
  EXPECT_EQ(read_host("::FFFF:c000:201"), ip("192.0.2.1"));
  EXPECT_EQ(read_host("2001:DB8:0:0::1"), ip("2001:db8::1"));
}

TEST(ReadHost, RefusesSpellingsThatSomeResolverTakesForAnAddress) {
  for (const char* text :
       {"127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "017700000001", "127.0.0.01",
        "127.0.0.1.", "127.0.0.0x1", "a.0x", "1.2.3.4.5", "256.1.1.1", "fe80::1%eth0", "[::1]", "::1.", "name.1"}) {
    EXPECT_FALSE(read_host(text)) << text;
  }
}

TEST(ReadHost, RefusesWhatIsNoName) {
  const std::string long_label(64, 'a');
  const std::string long_name =
      std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(62, 'd');
  for (const std::string& text :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a b"), std::string("a/b"),
        std::string("user@host"),
        std::string("b\xC3\xBC"
                    "cher"),
        std::string("a\0b", 3), std::string("127.0.0.1\0.a", 12), std::string("a\n"), long_label, long_name}) {
    EXPECT_FALSE(read_host(text)) << text;
  }
  EXPECT_TRUE(read_host(std::string(63, 'a')));
}

TEST(ReadAuthority, ReadsHostAndPort) {
  EXPECT_EQ(read_authority("Example.com:8080"), (Authority{name("example.com"), 8080}));
  EXPECT_EQ(read_authority("example.com"), (Authority{name("example.com"), std::nullopt}));
  EXPECT_EQ(read_authority("[2001:db8::1]:80"), (Authority{ip("2001:db8::1"), 80}));
  EXPECT_EQ(read_authority("[::1]"), (Authority{ip("::1"), std::nullopt}));
  EXPECT_EQ(read_authority("[::ffff:127.0.0.1]:1"), (Authority{ip("127.0.0.1"), 1}));
}

TEST(ReadAuthority, RefusesWhatIsAmbiguousOrBroken) {
  for (const char* text : {"", ":80", "::1:80", "a:b:80", "[::1", "[::1]x", "[127.0.0.1]:80", "[name]:80", "a:", "a:x",
                           "a:65536", "a:-1", "a:+1", "a: 1", "a:80 ", "[::1]:"}) {
    EXPECT_FALSE(read_authority(text)) << text;
  }
}

}  // namespace
}  // namespace isotube::gateway
