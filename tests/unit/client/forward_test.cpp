#include "client/forward.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace isotube::client {
namespace {

using ::testing::HasSubstr;

Forward parsed(std::string_view text) {
  auto forward = Forward::parse(text);
  EXPECT_TRUE(forward) << (forward ? "" : forward.error());
  return forward.value_or(Forward());
}

TEST(Forward, WithoutBindListensOnLoopback) {
  const Forward forward = parsed("9001:db.internal:5432");
  EXPECT_EQ(forward.bind, Forward::Bind::Loopback);
  EXPECT_EQ(forward.port, 9001);
  EXPECT_EQ(forward.target, (frame::Target{"db.internal", 5432}));
}

TEST(Forward, TakesAnAddressToListenOn) {
  const Forward forward = parsed("192.0.2.1:9001:10.0.0.5:22");
  EXPECT_EQ(forward.bind, Forward::Bind::Address);
  EXPECT_EQ(forward.address, IpAddress::v4({192, 0, 2, 1}));
  EXPECT_EQ(forward.target, (frame::Target{"10.0.0.5", 22}));
}

TEST(Forward, TakesIpv6InBracketsAtBothEnds) {
  const Forward forward = parsed("[::1]:8080:[2001:db8::1]:80");
  EXPECT_EQ(forward.address, IpAddress::parse("::1"));
  EXPECT_EQ(forward.target, (frame::Target{"2001:db8::1", 80}));
  EXPECT_EQ(parsed(forward.to_string()), forward);
}

TEST(Forward, EmptyBindAndStarMeanEveryInterface) {
  EXPECT_EQ(parsed(":80:host:80").bind, Forward::Bind::All);
  EXPECT_EQ(parsed("*:80:host:80").bind, Forward::Bind::All);
  EXPECT_EQ(parsed("localhost:80:host:80").bind, Forward::Bind::Loopback);
}

TEST(Forward, PortZeroMeansAnyLocalPortButNoTarget) {
  EXPECT_EQ(parsed("0:host:80").port, 0);
  EXPECT_FALSE(Forward::parse("80:host:0"));
}

TEST(Forward, RoundTripsThroughText) {
  for (const char* text : {"9001:host:80", "*:9001:host:80", "192.0.2.1:9001:host:80"}) {
    EXPECT_EQ(parsed(text).to_string(), text);
  }
}

TEST(Forward, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"9001", "expected [BIND:]PORT:HOST:HOSTPORT"},
      {"9001:host", "expected [BIND:]PORT:HOST:HOSTPORT"},
      {"a:b:c:d:e", "expected [BIND:]PORT:HOST:HOSTPORT"},
      {"::1:9001:host:80", "in brackets"},
      {"[::1:9001:host:80", "bracket"},
      {"70000:host:80", "'70000' is not a port to listen on"},
      {"-1:host:80", "'-1' is not a port to listen on"},
      {"9001:host:http", "'http' is not a port"},
      {"9001::80", "the host is missing"},
      {"9001:ho st:80", "'ho st' is not a host name"},
      {"9001:[12]:80", "'12' is not an IPv6 address"},
      {"name:9001:host:80", "not on 'name'"},
  };
  for (const auto& [text, complaint] : cases) {
    const auto forward = Forward::parse(text);
    ASSERT_FALSE(forward) << text;
    EXPECT_THAT(forward.error(), HasSubstr(complaint)) << text;
    EXPECT_THAT(forward.error(), HasSubstr(text));
  }
}

TEST(Forward, RefusesAHostThatNoFrameCanCarry) {
  EXPECT_TRUE(Forward::parse("1:" + std::string(255, 'a') + ":80"));
  EXPECT_FALSE(Forward::parse("1:" + std::string(256, 'a') + ":80"));
}

}  // namespace
}  // namespace isotube::client
