// Who controls, and how a nomination reaches the other side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/ice/peer_by_hand.hpp"
#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kA = "192.0.2.1:1000";
constexpr const char* kB = "192.0.2.2:2000";

class RoleConflict : public ::testing::TestWithParam<Role> {};

TEST_P(RoleConflict, EndsWithOneAgentInControlAndBothConnected) {
  // Both orders of the tie-breakers come up among the seeds.
  for (int round = 0; round < 8; ++round) {
    World world;
    for (int skipped = 0; skipped < round; ++skipped) (void)world.add("spare", Role::Controlled, {});
    Node& a = world.add("a", GetParam(), {kA});
    Node& b = world.add("b", GetParam(), {kB});
    world.connect(a, b);
    ASSERT_TRUE(world.run_until_connected(a, b));
    world.run_for(5s);
    EXPECT_NE(a.agent.role(), b.agent.role());
    EXPECT_EQ(a.agent.selected_path()->remote, b.agent.selected_path()->local);
    Node& controlling = a.agent.role() == Role::Controlling ? a : b;
    EXPECT_TRUE(std::ranges::any_of(controlling.sent, [](const Datagram& each) { return nominates(each.bytes); }));
    // Other checks have ended on both sides: nothing but consent goes on.
    a.sent.clear();
    world.run_for(8s);
    EXPECT_LE(a.sent.size(), 5U);
  }
}

INSTANTIATE_TEST_SUITE_P(Both, RoleConflict, ::testing::Values(Role::Controlling, Role::Controlled));

TEST(RoleConflict, TheLargerTieBreakerRefusesTheOtherWith487) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.role = Role::Controlling;
  peer.tie_breaker = 0;
  const auto answer = peer.ask(peer.check());
  ASSERT_TRUE(answer.has_value());
  const auto message = message_of(*answer).value();
  EXPECT_EQ(message.error()->code, 487);
  EXPECT_EQ(peer.key.check(message), stun::IntegrityCheck::Right);
  EXPECT_EQ(a.agent.role(), Role::Controlling);
  EXPECT_EQ(a.agent.counters().requests_refused, 1U);
}

TEST(RoleConflict, TheSmallerTieBreakerGivesWay) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.role = Role::Controlling;
  peer.tie_breaker = UINT64_MAX;
  EXPECT_EQ(message_of(peer.ask(peer.check()).value())->message_class(), stun::Class::Success);
  EXPECT_EQ(a.agent.role(), Role::Controlled);
}

TEST(Role, IsFixedOnceThePeerIsKnown) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  a.agent.set_role(Role::Controlled);
  EXPECT_EQ(a.agent.role(), Role::Controlled);
  a.agent.set_remote(world.now, {"peer", "a password of the peer's"}, std::nullopt, false);
  a.agent.set_role(Role::Controlling);
  EXPECT_EQ(a.agent.role(), Role::Controlled);
}

TEST(Nomination, OfAPairThatOurOwnCheckHasNotPassedWaitsForIt) {
  World world;
  Node& a = world.add("a", Role::Controlled, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.answers = false;
  peer.introduce();
  EXPECT_EQ(message_of(peer.ask(peer.check({.nominates = true})).value())->message_class(), stun::Class::Success);
  EXPECT_EQ(a.agent.state(), State::Checking);
  peer.answers = true;
  ASSERT_TRUE(world.run_until_state(State::Connected, {&a}));
  EXPECT_EQ(a.agent.selected_path()->remote, address(kB));
}

TEST(Nomination, OfSeveralPairsTheHighestPriorityHolds) {
  // RFC 5245's aggressive nomination: every check carries USE-CANDIDATE.
  World world;
  Node& a = world.add("a", Role::Controlled, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.introduce();
  const Address low = address("192.0.2.2:2001");
  const Address high = address("192.0.2.2:2002");
  (void)peer.ask(peer.check({.nominates = true, .from = low, .priority = 1000}));
  world.run_for(100ms);
  EXPECT_EQ(a.agent.selected_path()->remote, low);
  (void)peer.ask(peer.check({.nominates = true, .from = high, .priority = 2000}));
  world.run_for(100ms);
  EXPECT_EQ(a.agent.selected_path()->remote, high);
  (void)peer.ask(peer.check({.nominates = true, .from = low, .priority = 1000}));
  world.run_for(100ms);
  EXPECT_EQ(a.agent.selected_path()->remote, high);
}

TEST(Nomination, FollowsAPeerThatHasLeftThePairItNominatedFirst) {
  World world;
  Node& a = world.add("a", Role::Controlled, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.introduce();
  const Address low = address("192.0.2.2:2001");
  const Address high = address("192.0.2.2:2002");
  (void)peer.ask(peer.check({.nominates = true, .from = high, .priority = 2000}));
  world.run_for(7s);
  EXPECT_EQ(a.agent.selected_path()->remote, high);
  (void)peer.ask(peer.check({.nominates = true, .from = low, .priority = 1000}));
  world.run_for(100ms);
  EXPECT_EQ(a.agent.selected_path()->remote, low);
}

TEST(Nomination, ThatIsNeverAnsweredLeadsToTheNextPair) {
  World world;
  Settings settings;
  settings.consent_expiry = 10min;
  Node& a = world.add("a", Role::Controlling, {kA, "192.0.2.11:1000"}, settings);
  Node& b = world.add("b", Role::Controlled, {kB});
  world.lose = [&](const Datagram& each) { return each.from == address(kA) && nominates(each.bytes); };
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  world.run_for(2min);
  EXPECT_EQ(a.agent.state(), State::Connected);
  EXPECT_TRUE(std::ranges::any_of(
      a.sent, [](const Datagram& each) { return nominates(each.bytes) && each.from == address("192.0.2.11:1000"); }));
  EXPECT_EQ(a.agent.selected_path()->local, address("192.0.2.11:1000"));
}

}  // namespace
}  // namespace isotube::ice::testing
