#include "base/address.hpp"

#include <gtest/gtest.h>

namespace isotube {
namespace {

TEST(Address, RoundTripsThroughText) {
  for (const char* text : {"192.0.2.1:80", "[2001:db8::1]:65535", "[::]:0", "127.0.0.1:1"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(Address, RefusesWhatIsNotOneAddressAndPort) {
  for (const char* text : {"", "127.0.0.1", "127.1:80", "::1:80", "[127.0.0.1]:80", "127.0.0.1:70000", "127.0.0.1:-1",
                           "127.0.0.1:80x", "[::1:80", "host:80"}) {
    EXPECT_FALSE(Address::parse(text)) << text;
  }
}

TEST(IpAddress, ReadsAMappedAddressAsTheIpv4AddressThatItIs) {
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1"), IpAddress::parse("192.0.2.1"));
}

TEST(IpAddress, RefusesAnAddressWithSomethingBehindANul) {
  EXPECT_FALSE(IpAddress::parse(std::string_view("127.0.0.1\0.example.com", 21)));
  EXPECT_FALSE(IpAddress::parse(std::string_view("::1\0", 4)));
}

TEST(IpAddress, KnowsItsScope) {
  EXPECT_TRUE(IpAddress::parse("127.8.8.8")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("169.254.169.254")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("fe80::1")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("ff02::1")->is_multicast());
  EXPECT_FALSE(IpAddress::parse("2001:db8::1")->is_link_local());
}

}  // namespace
}  // namespace isotube
