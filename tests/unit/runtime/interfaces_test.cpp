#include "runtime/interfaces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace isotube::runtime {
namespace {

TEST(Interfaces, LoopbackIsAmongThem) {
  const auto all = list_interfaces();
  EXPECT_THAT(all, testing::Contains(InterfaceAddress{"lo", *IpAddress::parse("127.0.0.1")}));
}

TEST(Interfaces, OnlyThoseNamedAreListed) {
  const std::array<std::string, 1> only{"lo"};
  const auto named = list_interfaces(only);
  ASSERT_FALSE(named.empty());
  for (const InterfaceAddress& each : named) EXPECT_EQ(each.interface, "lo");
}

TEST(Interfaces, AnUnknownNameListsNone) {
  const std::array<std::string, 1> only{"nosuch0"};
  EXPECT_TRUE(list_interfaces(only).empty());
}

TEST(Interfaces, NoIpv6LinkLocalAddressIsListed) {
  for (const InterfaceAddress& each : list_interfaces()) {
    EXPECT_FALSE(each.address.is_v6() && each.address.is_link_local()) << each.address.to_string();
  }
}

}  // namespace
}  // namespace isotube::runtime
