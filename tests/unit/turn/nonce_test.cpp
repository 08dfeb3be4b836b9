// A stale nonce is no failure (rows T1 and T2 of the fault matrix).
#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::turn {
namespace {

using namespace testing;

const Address kPeer = address("198.51.100.9:6000");

Settings often() {
  Settings settings;
  settings.allocation_refresh = settings.permission_refresh = settings.channel_refresh = 3s;
  return settings;
}

TEST(TurnNonce, T1ChannelsSurviveANonceThatGoesStaleBetweenRefreshes) {
  World world({.settings = often()});
  world.relay.nonce_lifetime = 2s;
  world.allocate();
  world.run_for(800ms);
  for (int second = 0; second < 60; ++second) {
    ASSERT_NE(world.send(kPeer, "payload"), 0U);
    world.run_for(1s);
  }
  const Counters& counters = world.client.counters();
  EXPECT_GE(counters.refresh.after_stale_nonce, 10U);
  EXPECT_GE(counters.create_permission.after_stale_nonce, 10U);
  EXPECT_GE(counters.channel_bind.after_stale_nonce, 10U);
  EXPECT_EQ(counters.failures, 0U);
  EXPECT_EQ(world.count<TransactionFailed>(), 0U);
  for (const Request& request : world.relay.all(Method::ChannelBind)) EXPECT_EQ(request.channel(), 0x4000);
  EXPECT_EQ(world.client.header_size(kPeer), 4U);
  EXPECT_EQ(world.relay.relayed_payloads.size(), 60U);
}

TEST(TurnNonce, T2EverySecondRequestMayMeetAStaleNonceForEver) {
  World world({.settings = often()});
  std::map<Method, int> requests;
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is_signed() || ++requests[request.method()] % 2 == 0) return std::nullopt;
    world.relay.spoil_nonce();
    return Answers{world.relay.challenge(request, 438)};
  };
  world.allocate();
  world.run_for(1s);
  (void)world.send(kPeer, "payload");
  world.run_for(10min);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.client.counters().failures, 0U);
  EXPECT_GT(world.client.counters().refresh.after_stale_nonce, 50U);
}

TEST(TurnNonce, TheNewestIsUsedByEveryLaterTransaction) {
  World world;
  world.allocate();
  world.run_for(1s);
  world.relay.spoil_nonce();
  (void)world.send(kPeer, "payload");
  world.run_for(1s);
  world.client.verify(world.now);
  world.run_for(1s);
  EXPECT_EQ(world.relay.all(Method::Refresh).size(), 1U);
  EXPECT_EQ(world.relay.all(Method::Refresh)[0].nonce(), "nonce-2");
}

/// Answers the first `count` signed Refreshes with 438, each time with a nonce that is new.
void answer_stale(World& world, int count, int& seen) {
  world.relay.script = [&world, count, &seen](const Request& request) -> Scripted {
    if (!request.is(Method::Refresh) || seen >= count) return std::nullopt;
    ++seen;
    world.relay.spoil_nonce();
    return Answers{world.relay.challenge(request, 438)};
  };
}

TEST(TurnNonce, ThreeStaleInARowAreRetried) {
  World world;
  world.allocate();
  world.run_for(1s);
  int seen = 0;
  answer_stale(world, 3, seen);
  world.client.verify(world.now);
  world.run_for(1s);
  EXPECT_EQ(seen, 3);
  EXPECT_EQ(world.client.counters().failures, 0U);
  EXPECT_EQ(world.client.counters().refresh.after_stale_nonce, 1U);
}

TEST(TurnNonce, TheFourthInARowEndsTheTransaction) {
  World world;
  world.allocate();
  world.run_for(1s);
  int seen = 0;
  answer_stale(world, 4, seen);
  world.client.verify(world.now);
  world.run_for(1s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::NonceLoop);
  EXPECT_EQ(world.failures()[0].code, 438);
  EXPECT_EQ(world.failures()[0].method, Method::Refresh);
  // The server lives, and may have the allocation still: the next Refresh tells.
  EXPECT_EQ(world.client.state(), State::Allocated);
  world.run_for(6s);
  EXPECT_EQ(world.client.counters().refresh.succeeded, 1U);
}

TEST(TurnNonce, OneThatRepeatsTheNonceJustUsedEndsTheTransaction) {
  World world;
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is_signed()) return std::nullopt;
    return Answers{world.relay.challenge(request, 438)};
  };
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::NonceLoop);
  EXPECT_EQ(world.relay.requests.size(), 2U);
  EXPECT_EQ(world.client.state(), State::Idle);
}

TEST(TurnNonce, OneWithoutANonceIsNoAnswer) {
  World world;
  world.allocate();
  world.run_for(1s);
  world.relay.script = [&](const Request& request) -> Scripted {
    return Answers{Relay::builder(request, stun::Class::Error).error(438, "stale").take()};
  };
  world.client.verify(world.now);
  world.run_for(6s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::UnexpectedResponse);
}

}  // namespace
}  // namespace isotube::turn
