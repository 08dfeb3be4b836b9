#include "gateway/connection_table.hpp"

#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

const IpAddress kAlice = IpAddress::v4({192, 0, 2, 1});
const IpAddress kBob = IpAddress::v4({192, 0, 2, 2});

struct Table {
  explicit Table(ConnectionTable::Limits limits) : table(std::make_shared<ConnectionTable>(limits)) {}

  bool admit(const IpAddress& source, std::string name) {
    auto place = table->admit(source, [this, name] { closed.push_back(name); });
    if (!place) return false;
    places.emplace(name, std::move(*place));
    return true;
  }

  std::shared_ptr<ConnectionTable> table;
  std::map<std::string, ConnectionTable::Place> places;
  std::vector<std::string> closed;
};

TEST(ConnectionTable, ClosesTheConnectionOfTheSameSourceThatWaitedLongest) {
  Table t({.all = 10, .per_source = 2});
  EXPECT_TRUE(t.admit(kAlice, "a1"));
  EXPECT_TRUE(t.admit(kAlice, "a2"));
  t.places.at("a1").mark_busy();
  t.places.at("a1").mark_waiting();
  EXPECT_TRUE(t.admit(kBob, "b1"));
  EXPECT_TRUE(t.admit(kAlice, "a3"));
  EXPECT_EQ(t.closed, std::vector<std::string>{"a2"});
}

TEST(ConnectionTable, OverTheBoundOfAllTakesFromTheLargestSource) {
  Table t({.all = 3, .per_source = 3});
  EXPECT_TRUE(t.admit(kBob, "b1"));
  EXPECT_TRUE(t.admit(kAlice, "a1"));
  EXPECT_TRUE(t.admit(kAlice, "a2"));
  EXPECT_TRUE(t.admit(kBob, "b2"));
  EXPECT_EQ(t.closed, std::vector<std::string>{"a1"});
}

TEST(ConnectionTable, ClosesNoneThatIsBeingAnswered) {
  Table t({.all = 2, .per_source = 2});
  EXPECT_TRUE(t.admit(kAlice, "a1"));
  EXPECT_TRUE(t.admit(kAlice, "a2"));
  t.places.at("a1").mark_busy();
  t.places.at("a2").mark_busy();
  EXPECT_FALSE(t.admit(kBob, "b1"));
  EXPECT_FALSE(t.admit(kAlice, "a3"));
  EXPECT_TRUE(t.closed.empty());
  t.places.at("a2").mark_waiting();
  EXPECT_TRUE(t.admit(kBob, "b1"));
  EXPECT_EQ(t.closed, std::vector<std::string>{"a2"});
}

TEST(ConnectionTable, GivesPlacesBack) {
  Table t({.all = 1, .per_source = 1});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(t.admit(kAlice, "a"));
    t.places.clear();
  }
  EXPECT_TRUE(t.closed.empty());
  EXPECT_EQ(t.table->size(), 0U);
}

TEST(ConnectionTable, ClosesEachConnectionOnce) {
  Table t({.all = 1, .per_source = 1});
  EXPECT_TRUE(t.admit(kAlice, "a1"));
  EXPECT_TRUE(t.admit(kAlice, "a2"));
  t.places.at("a1").mark_waiting();
  t.table->close_all();
  EXPECT_EQ(t.closed, (std::vector<std::string>{"a1", "a2"}));
  EXPECT_FALSE(t.admit(kBob, "b1"));
}

TEST(ConnectionTable, CountsAnIpv6NetworkAsOneSource) {
  Table t({.all = 10, .per_source = 1});
  EXPECT_TRUE(t.admit(*IpAddress::parse("2001:db8:0:1::1"), "one"));
  EXPECT_TRUE(t.admit(*IpAddress::parse("2001:db8:0:2::1"), "another network"));
  EXPECT_TRUE(t.admit(*IpAddress::parse("2001:db8:0:1:ffff::2"), "two"));
  EXPECT_EQ(t.closed, std::vector<std::string>{"one"});
}

}  // namespace
}  // namespace isotube::gateway
