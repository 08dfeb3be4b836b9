#include "gateway/origin.hpp"

#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

bool accepts(const HostCheck& check, std::string_view host, std::string_view local = "127.0.0.1") {
  return check.accepts(*read_authority(host), ip(local));
}

TEST(HostCheck, TakesTheListenAddressLocalhostAndConfiguredNames) {
  const HostCheck check(ip("127.0.0.1"), {ip("203.0.113.1")}, {"Gate.example", "192.0.2.9"});
  for (const char* host : {"127.0.0.1:8080", "127.0.0.1", "localhost:8080", "LOCALHOST.", "gate.example",
                           "GATE.EXAMPLE", "192.0.2.9", "203.0.113.1:1", "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE(accepts(check, host)) << host;
  }
}

TEST(HostCheck, RefusesNamesThatWereReboundToUs) {
  const HostCheck check(ip("127.0.0.1"), {}, {});
  for (const char* host : {"evil.example:8080", "localhost.evil.example", "127.0.0.2", "[::1]", "gate.example"}) {
    EXPECT_FALSE(accepts(check, host)) << host;
  }
}

TEST(HostCheck, OnTheWildcardTakesTheAddressAtWhichAConnectionArrived) {
  const HostCheck check(ip("0.0.0.0"), {}, {});
  EXPECT_TRUE(accepts(check, "192.0.2.5:8080", "192.0.2.5"));
  EXPECT_FALSE(accepts(check, "192.0.2.6:8080", "192.0.2.5"));
  EXPECT_FALSE(accepts(check, "0.0.0.0:8080", "192.0.2.5"));
  EXPECT_FALSE(accepts(HostCheck(ip("127.0.0.1"), {}, {}), "192.0.2.5", "192.0.2.5"));
}

TEST(OriginCheck, KnowsItsOwnPages) {
  const OriginCheck check({});
  const Origin own = Origin::of("http", *read_authority("localhost:8080"));
  EXPECT_EQ(check.judge("http://localhost:8080", own), OriginCheck::Verdict::Same);
  EXPECT_EQ(check.judge("HTTP://LOCALHOST:8080", own), OriginCheck::Verdict::Same);
  EXPECT_EQ(check.judge("http://gate", Origin::of("http", *read_authority("gate:80"))), OriginCheck::Verdict::Same);
  EXPECT_EQ(check.judge("https://gate:443", Origin::of("https", *read_authority("gate"))), OriginCheck::Verdict::Same);
}

TEST(OriginCheck, RefusesForeignPages) {
  const OriginCheck check({"https://app.example"});
  const Origin own = Origin::of("http", *read_authority("localhost:8080"));
  for (const char* origin :
       {"http://localhost", "http://localhost:8081", "https://localhost:8080", "http://evil.example",
        "https://app.example.evil", "http://app.example", "https://app.example:444", "null", "", "https://app.example/",
        "https://app.example http://localhost:8080", "localhost:8080", "file://", "chrome-extension://abc"}) {
    EXPECT_EQ(check.judge(origin, own), OriginCheck::Verdict::Foreign) << origin;
  }
}

TEST(OriginCheck, TakesListedPages) {
  const OriginCheck check({"https://App.example:443", "http://localhost:3000"});
  const Origin own = Origin::of("http", *read_authority("localhost:8080"));
  EXPECT_EQ(check.judge("https://app.example", own), OriginCheck::Verdict::Listed);
  EXPECT_EQ(check.judge("http://localhost:3000", own), OriginCheck::Verdict::Listed);
}

}  // namespace
}  // namespace isotube::gateway
