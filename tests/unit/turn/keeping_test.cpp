// Keeping an allocation, and noticing that it is gone.
#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::turn {
namespace {

using namespace testing;

const Address kPeer = address("198.51.100.9:6000");

void reach_allocated(World& world) {
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnRefresh, ComesAMinuteBeforeTheEnd) {
  World world;
  reach_allocated(world);
  world.run_for(8min + 58s);
  EXPECT_EQ(world.relay.count(Method::Refresh), 0U);
  world.run_for(2s);
  ASSERT_EQ(world.relay.count(Method::Refresh), 1U);
  EXPECT_EQ(world.relay.all(Method::Refresh)[0].lifetime(), 600U);
  world.run_for(1h);
  EXPECT_EQ(world.relay.count(Method::Refresh), 7U);
}

TEST(TurnRefresh, HonoursAGrantThatIsShorterThanAskedFor) {
  World world;
  world.relay.lifetime = 20;
  reach_allocated(world);
  world.run_for(10s);
  EXPECT_EQ(world.relay.count(Method::Refresh), 1U);
  world.run_for(10min);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.client.counters().failures, 0U);
}

TEST(TurnRefresh, KeepsATubeOnItsRelayForADayWithTenPercentLoss) {
  World world;
  Random loss = seeded(7);
  const auto lost = [&loss](const Bytes&) { return loss.below(10) == 0; };
  reach_allocated(world);
  world.loses_to_relay = world.loses_to_client = lost;
  int sent = 0;
  for (; sent < 24 * 3600 / 5; ++sent) {
    ASSERT_NE(world.send(kPeer, "consent"), 0U) << "after " << sent * 5 << " s";
    world.run_for(5s);
  }
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.client.relayed(), world.relay.relayed);
  EXPECT_EQ(world.count<AllocationLost>(), 0U);
  // Nothing was lost but by the network.
  EXPECT_LT(world.relay.payloads_dropped, 3);
  EXPECT_GT(static_cast<int>(world.relay.relayed_payloads.size()), sent * 88 / 100);
  EXPECT_GE(world.client.counters().refresh.succeeded, 159U);
  EXPECT_GE(world.client.counters().create_permission.succeeded, 359U);
  EXPECT_GE(world.client.counters().channel_bind.succeeded, 159U);
}

TEST(TurnRefresh, T3AnAllocationThatTheServerDroppedIsReportedAndHadAgainAtOnce) {
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  world.relay.allocations.clear();
  world.run_for(10min);
  EXPECT_EQ(world.client.state(), State::Idle);
  ASSERT_GE(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].code, 437);
  EXPECT_TRUE(world.lost_after_failure());
  EXPECT_EQ(world.count<AllocationLost>(), 1U);
  EXPECT_FALSE(world.client.relayed().has_value());
  EXPECT_FALSE(world.client.flow().has_value());
  EXPECT_EQ(world.send(kPeer, "x"), 0U);
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

class TurnLost : public ::testing::TestWithParam<Method> {};

TEST_P(TurnLost, By437OnAnyRequest) {
  World world;
  reach_allocated(world);
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is(GetParam())) return std::nullopt;
    return Answers{world.relay.error(request, 437)};
  };
  (void)world.send(kPeer, "x");
  world.client.verify(world.now);
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Idle);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].method, GetParam());
  EXPECT_EQ(world.failures()[0].code, 437);
  EXPECT_EQ(world.count<AllocationLost>(), 1U);
  EXPECT_EQ(world.count<PeerRefused>(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Methods, TurnLost,
                         ::testing::Values(Method::Refresh, Method::CreatePermission, Method::ChannelBind));

TEST(TurnVerify, T11ARestartedRelayIsNoticedWithinSixSecondsAndAllocatedAnew) {
  for (const bool answers : {true, false}) {
    World world;
    reach_allocated(world);
    world.relay.allocations.clear();
    world.relay.spoil_nonce();
    if (!answers) world.loses_to_relay = [](const Bytes&) { return true; };
    world.client.verify(world.now);
    world.run_for(6s);
    EXPECT_EQ(world.client.state(), State::Idle);
    EXPECT_EQ(world.count<AllocationLost>(), 1U);
    EXPECT_TRUE(world.lost_after_failure());
    world.loses_to_relay = nullptr;
    world.allocate();
    world.run_for(1s);
    EXPECT_EQ(world.client.state(), State::Allocated);
    EXPECT_EQ(world.client.flow(), 2U);
  }
}

TEST(TurnVerify, OfALivingAllocationChangesNothing) {
  World world;
  reach_allocated(world);
  world.client.verify(world.now);
  world.client.verify(world.now);
  world.run_for(1s);
  EXPECT_EQ(world.relay.count(Method::Refresh), 1U);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.events.size(), 2U);
}

TEST(TurnVerify, DoesNothingWithoutAnAllocation) {
  World world;
  world.client.verify(world.now);
  world.drain();
  EXPECT_TRUE(world.events.empty());
}

TEST(TurnRefresh, SilenceAloneDoesNotLoseAnAllocationThatStillLives) {
  World world;
  reach_allocated(world);
  world.run_for(8min + 50s);
  world.loses_to_relay = [](const Bytes&) { return true; };
  world.run_for(20s);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_GE(world.failures().size(), 1U);
  world.loses_to_relay = nullptr;
  world.run_for(20s);
  EXPECT_EQ(world.client.counters().refresh.succeeded, 1U);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnRefresh, SilenceUntilTheEndLosesIt) {
  World world;
  reach_allocated(world);
  world.loses_to_relay = [](const Bytes&) { return true; };
  world.run_for(9min + 58s);
  EXPECT_EQ(world.client.state(), State::Allocated);
  world.run_for(8s);
  EXPECT_EQ(world.client.state(), State::Idle);
  EXPECT_EQ(world.count<AllocationLost>(), 1U);
}

TEST(TurnRefresh, AServerErrorIsAFailureOfThatTransactionAlone) {
  World world;
  reach_allocated(world);
  int refused = 0;
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is(Method::Refresh) || ++refused > 3) return std::nullopt;
    return Answers{world.relay.error(request, 500)};
  };
  world.run_for(9min + 30s);
  EXPECT_EQ(world.failures().size(), 3U);
  EXPECT_EQ(world.client.counters().refresh.succeeded, 1U);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

class TurnCredentialsEnd : public ::testing::TestWithParam<int> {};

TEST_P(TurnCredentialsEnd, T8LeavesTheAllocationUntilItRunsOut) {
  Settings settings;
  settings.allocation_refresh = settings.permission_refresh = settings.channel_refresh = 30s;
  World world({.settings = settings});
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  world.relay.script = [&](const Request& request) -> Scripted {
    if (GetParam() == 401) return Answers{world.relay.challenge(request, 401)};
    return Answers{world.relay.error(request, 441)};
  };
  world.relay.requests.clear();
  world.run_for(5min);
  // Said once for each that was under way; then nobody is asked any more, and what is granted is used.
  EXPECT_EQ(world.relay.requests.size(), world.failures().size());
  EXPECT_LE(world.failures().size(), 3U);
  EXPECT_EQ(world.failures().at(0).code, GetParam());
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_NE(world.send(kPeer, "still"), 0U);
  world.run_for(6min);
  EXPECT_EQ(world.client.state(), State::Idle);
  EXPECT_TRUE(world.lost_after_failure());
}

INSTANTIATE_TEST_SUITE_P(Codes, TurnCredentialsEnd, ::testing::Values(401, 441));

TEST(TurnRefresh, AsksFirstWhenTheMachineSleptPastTheEnd) {
  World world;
  reach_allocated(world);
  world.relay.allocations[1].expires += 2h;
  world.now += 1h;
  world.client.handle_timeout(world.now);
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.count<AllocationLost>(), 0U);
}

TEST(TurnKeepalive, T12GoesAfterTwentySecondsWithoutSending) {
  World world;
  reach_allocated(world);
  world.run_for(5min);
  EXPECT_EQ(world.relay.keepalives, 15);
  EXPECT_LE(world.wakeups, 20);
}

TEST(TurnKeepalive, IsNotNeededWhilePayloadsGo) {
  World world;
  reach_allocated(world);
  for (int i = 0; i < 30; ++i) {
    (void)world.send(kPeer, "x");
    world.run_for(10s);
  }
  EXPECT_EQ(world.relay.keepalives, 0);
}

TEST(TurnFlow, ThatBreaksLosesTheAllocationWithOneFailure) {
  World world({.transport = Transport::Tcp});
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.client.flow_failed(world.now, 1, "reset by peer");
  world.drain();
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::FlowFailed);
  EXPECT_EQ(world.failures()[0].reason, "reset by peer");
  EXPECT_EQ(world.count<AllocationLost>(), 1U);
  EXPECT_TRUE(world.closed.empty());
  EXPECT_EQ(world.client.next_timeout(), kNever);
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnClient, SaysTheSameTwiceForTheSameSeed) {
  std::vector<Bytes> runs[2];
  for (auto& run : runs) {
    World world;
    world.relay.nonce_lifetime = 7s;
    world.loses_to_relay = [&run](const Bytes& bytes) {
      run.push_back(bytes);
      return run.size() % 5 == 0;
    };
    world.allocate();
    for (int i = 0; i < 100; ++i) {
      world.run_for(1s);
      (void)world.send(address(i % 2 == 0 ? "198.51.100.9:6000" : "198.51.100.8:6000"), "x");
    }
  }
  EXPECT_EQ(runs[0], runs[1]);
}

}  // namespace
}  // namespace isotube::turn
