// Consent freshness (RFC 7675) and what follows from silence: rows I3 of the fault matrix.
#include "ice/consent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr const char* kA = "192.0.2.1:1000";
constexpr const char* kB = "192.0.2.2:2000";

struct Pair : ::testing::Test {
  World world;
  Node* a = nullptr;
  Node* b = nullptr;

  void connect(const std::vector<const char*>& of_a = {kA}) {
    a = &world.add("a", Role::Controlling, of_a);
    b = &world.add("b", Role::Controlled, {kB});
    world.connect(*a, *b);
    ASSERT_TRUE(world.run_until_connected(*a, *b));
    world.run_for(1s);
  }
};

using ConsentOfAPath = Pair;

TEST_F(ConsentOfAPath, IsCheckedEveryFourToSixSecondsWithANewTransactionEachTime) {
  connect();
  a->sent.clear();
  std::vector<TimePoint> times;
  world.lose = [&](const Datagram& each) {
    if (each.from == address(kA) && is_request(each.bytes)) times.push_back(world.now);
    return false;
  };
  world.run_for(10min);
  ASSERT_GT(times.size(), 100U);
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_GE(times[i] - times[i - 1], 4s);
    EXPECT_LE(times[i] - times[i - 1], 6s);
  }
  std::vector<stun::TransactionId> ids;
  for (const Datagram& each : a->sent) {
    if (is_request(each.bytes)) ids.push_back(message_of(each.bytes)->transaction_id());
  }
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
}

TEST_F(ConsentOfAPath, ALostCheckNeitherChangesTheStateNorEndsTheChecks) {
  connect();
  int lost = 0;
  world.lose = [&](const Datagram& each) { return each.from == address(kA) && is_request(each.bytes) && lost++ == 0; };
  a->sent.clear();
  world.run_for(2min);
  EXPECT_GT(lost, 10);
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
}

TEST_F(ConsentOfAPath, APeerThatVanishesIsSeenEarlyAndGivenUpAfterThirtySeconds) {
  connect();
  // The last answer came a moment ago at most one interval back; consent runs from there.
  world.lose = [](const Datagram&) { return true; };
  const TimePoint vanished = world.now;
  ASSERT_TRUE(world.run_until_state(State::Disconnected, {a}));
  EXPECT_LE(world.now - vanished, 13s);
  EXPECT_TRUE(a->agent.selected_path().has_value()) << "consent lasts until it expires";
  ASSERT_TRUE(world.run_until_state(State::Failed, {a, b}));
  EXPECT_LE(world.now - vanished, 30s);
  EXPECT_GE(world.now - vanished, 24s);
  EXPECT_FALSE(a->agent.selected_path().has_value());
  EXPECT_EQ(a->agent.next_timeout(), kNever);
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected, State::Disconnected, State::Failed));
}

TEST_F(ConsentOfAPath, AnAnswerBringsTheConnectionBack) {
  connect();
  world.lose = [](const Datagram&) { return true; };
  ASSERT_TRUE(world.run_until_state(State::Disconnected, {a, b}));
  world.lose = [](const Datagram&) { return false; };
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  world.run_for(2min);
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected, State::Disconnected, State::Connected));
  EXPECT_EQ(a->paths.size(), 1U) << "it is the same path";
}

TEST_F(ConsentOfAPath, AFailedAgentAnswersNothing) {
  connect();
  world.lose = [&](const Datagram& each) { return each.to == address(kA); };
  ASSERT_TRUE(world.run_until_state(State::Failed, {a}));
  a->sent.clear();
  world.lose = [](const Datagram&) { return false; };
  ASSERT_TRUE(world.run_until_state(State::Failed, {b}));
  EXPECT_TRUE(a->sent.empty());
}

TEST_F(ConsentOfAPath, OnADeadPathTheTubeMovesToAnotherThatWorks) {
  connect({kA, "192.0.2.11:1000"});
  ASSERT_EQ(a->agent.selected_path()->local, address(kA));
  world.lose = [](const Datagram& each) { return each.from == address(kA) || each.to == address(kA); };
  ASSERT_TRUE(world.run_until([&] { return a->agent.selected_path()->local == address("192.0.2.11:1000"); }));
  ASSERT_TRUE(world.run_until([&] { return b->agent.selected_path()->remote == address("192.0.2.11:1000"); }));
  world.run_for(2min);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(b->agent.state(), State::Connected);
  EXPECT_EQ(a->count(State::Failed), 0);
}

TEST_F(ConsentOfAPath, FollowsAPeerWhoseNatGaveItANewAddress) {
  world.nats.push_back({.inside = "10.1.", .outside = "203.0.113.1"});
  a = &world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  b = &world.add("b", Role::Controlled, {kB});
  world.connect(*a, *b);
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  EXPECT_EQ(b->agent.selected_path()->remote, address("203.0.113.1:40000"));
  world.nats.front().forget();
  // a's next consent check comes from a new address; b checks it at once, so that DTLS from there is looked at.
  const Path renewed{address(kB), address("203.0.113.1:40001")};
  ASSERT_TRUE(world.run_until([&] { return b->agent.is_validated(renewed); }, 7s));
  ASSERT_TRUE(world.run_until([&] { return b->agent.selected_path() == renewed; }, 30s));
  world.run_for(2min);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(b->agent.state(), State::Connected);
}

TEST_F(ConsentOfAPath, SurvivesTwentyPercentLossForAnHour) {
  connect();
  Random dice = seeded(9);
  world.lose = [&](const Datagram&) { return dice.below(5) == 0; };
  world.run_for(1h);
  EXPECT_EQ(a->count(State::Failed), 0);
  EXPECT_EQ(b->count(State::Failed), 0);
}

TEST_F(ConsentOfAPath, TheRoundTripFollowsThePath) {
  connect();
  EXPECT_EQ(a->agent.round_trip(), Duration(20ms));
  world.delay = 50ms;
  world.run_for(5min);
  EXPECT_GT(a->agent.round_trip(), Duration(95ms));
  EXPECT_LE(a->agent.round_trip(), Duration(100ms));
}

}  // namespace
}  // namespace isotube::ice::testing
