// Giving an allocation back: what is not given back holds a port and quota (row T5 of the fault matrix).
#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::turn {
namespace {

using namespace testing;

void reach_allocated(World& world) {
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
}

void expect_released(const World& world) {
  EXPECT_EQ(world.client.state(), State::Released);
  ASSERT_FALSE(world.events.empty());
  EXPECT_TRUE(std::holds_alternative<Released>(world.events.back()));
  EXPECT_EQ(world.count<Released>(), 1U);
  EXPECT_EQ(world.client.next_timeout(), kNever);
}

TEST(TurnRelease, T5SendsRefreshZeroClosesTheFlowAndIsDone) {
  World world;
  reach_allocated(world);
  (void)world.send(address("198.51.100.9:6000"), "x");
  world.run_for(1s);
  world.client.release(world.now);
  world.run_for(100ms);
  expect_released(world);
  EXPECT_EQ(world.relay.requests.back().lifetime(), 0U);
  EXPECT_TRUE(world.relay.allocations.empty());
  EXPECT_EQ(world.closed, std::vector<FlowId>{1});
  EXPECT_EQ(world.client.counters().failures, 0U);
  // Nothing outlives it.
  const std::size_t requests = world.relay.requests.size();
  world.client.allocate(world.now);
  world.client.verify(world.now);
  world.client.release(world.now);
  world.run_for(1h);
  EXPECT_EQ(world.relay.requests.size(), requests);
  EXPECT_TRUE(std::holds_alternative<Released>(world.events.back()));
}

TEST(TurnRelease, MeetsAStaleNonceLikeAnyOther) {
  World world;
  reach_allocated(world);
  world.relay.spoil_nonce();
  world.client.release(world.now);
  world.run_for(100ms);
  expect_released(world);
  EXPECT_TRUE(world.relay.allocations.empty());
}

TEST(TurnRelease, SurvivesALostFarewell) {
  World world;
  reach_allocated(world);
  int sent = 0;
  world.loses_to_relay = [&](const Bytes&) { return ++sent <= 2; };
  world.client.release(world.now);
  world.run_for(3s);
  expect_released(world);
  EXPECT_TRUE(world.relay.allocations.empty());
}

TEST(TurnRelease, TakesThreeSecondsAtMost) {
  World world;
  reach_allocated(world);
  world.loses_to_relay = [](const Bytes&) { return true; };
  world.client.release(world.now);
  world.run_for(2999ms);
  EXPECT_EQ(world.client.state(), State::Releasing);
  world.run_for(1ms);
  expect_released(world);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::Timeout);
  EXPECT_EQ(world.failures()[0].method, Method::Refresh);
}

TEST(TurnRelease, OfWhatIsGoneAlreadyIsNoFailure) {
  World world;
  reach_allocated(world);
  world.relay.allocations.clear();
  world.client.release(world.now);
  world.run_for(100ms);
  expect_released(world);
  EXPECT_TRUE(world.failures().empty());
}

TEST(TurnRelease, FreesAnAllocationThatSucceedsLate) {
  World world;
  world.delay = 500ms;
  world.relay.demands_login = false;
  world.allocate();
  world.run_for(600ms);
  ASSERT_EQ(world.relay.allocations.size(), 1U);
  world.client.release(world.now);
  world.run_for(3s);
  expect_released(world);
  EXPECT_TRUE(world.relay.allocations.empty());
  EXPECT_EQ(world.count<Allocated>(), 0U);
}

TEST(TurnRelease, DoesNotAnswerAChallengeAnyMore) {
  World world;
  world.allocate();
  world.run_for(5ms);
  world.client.release(world.now);
  world.run_for(3s);
  expect_released(world);
  EXPECT_EQ(world.relay.requests.size(), 1U);
  EXPECT_TRUE(world.failures().empty());
}

TEST(TurnRelease, BeforeTheFlowIsOpenNeedsNoFarewell) {
  World world;
  world.opens_flows = false;
  world.allocate();
  world.client.release(world.now);
  world.drain();
  expect_released(world);
  EXPECT_EQ(world.closed, std::vector<FlowId>{1});
  world.client.flow_opened(world.now, 1);
  world.drain();
  expect_released(world);
}

TEST(TurnRelease, OfNothingIsDoneAtOnce) {
  World world;
  world.client.release(world.now);
  world.drain();
  expect_released(world);
  EXPECT_TRUE(world.closed.empty());
}

TEST(TurnRelease, EndsWithTheFlow) {
  World world({.transport = Transport::Tcp});
  reach_allocated(world);
  world.client.release(world.now);
  world.client.flow_failed(world.now, 1, "reset");
  world.drain();
  expect_released(world);
}

TEST(TurnRelease, NothingIsFramedAfterwards) {
  World world;
  reach_allocated(world);
  world.client.release(world.now);
  Bytes out(100);
  EXPECT_EQ(world.client.frame(world.now, address("198.51.100.9:6000"), out, 4), 0U);
  EXPECT_FALSE(world.client.flow().has_value());
}

}  // namespace
}  // namespace isotube::turn
