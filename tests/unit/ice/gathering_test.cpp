// Our own candidates: addresses, STUN servers, priorities, foundations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kServer = "198.51.100.1:3478";

struct Gathering : ::testing::Test {
  World world;
  Nat& nat = world.nats.emplace_back();

  Gathering() {
    nat.inside = "10.1.";
    nat.outside = "203.0.113.1";
    world.stun_servers = {address(kServer), address("198.51.100.2:3478")};
  }
};

TEST_F(Gathering, WithoutServersIsDoneAtOnce) {
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  EXPECT_EQ(a.gathering_done, 0);
  a.agent.end_of_local_addresses(world.now);
  world.drain(a);
  EXPECT_EQ(a.gathering_done, 1);
  world.run_for(1min);
  EXPECT_EQ(a.gathering_done, 1);
}

TEST_F(Gathering, FindsAReflexiveAddressAndEndsWithTheAnswer) {
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  a.agent.add_stun_server(world.now, address(kServer));
  a.agent.end_of_local_addresses(world.now);
  world.run_for(19ms);
  EXPECT_EQ(a.gathering_done, 0);
  world.run_for(1ms);
  EXPECT_EQ(a.gathering_done, 1);
  ASSERT_EQ(a.candidates.size(), 2U);
  EXPECT_EQ(a.candidates[1].type, CandidateType::ServerReflexive);
  EXPECT_EQ(a.candidates[1].address, address("203.0.113.1:40000"));
  EXPECT_EQ(a.candidates[1].related, address("10.1.0.1:1000"));
  EXPECT_NE(a.candidates[0].foundation, a.candidates[1].foundation);
  EXPECT_LT(a.candidates[1].priority, a.candidates[0].priority);
  EXPECT_EQ(a.candidates[1].ufrag, a.agent.local_credentials().ufrag);
}

TEST_F(Gathering, WithoutANatTheReflexiveCandidateIsRedundant) {
  Node& a = world.add("a", Role::Controlling, {"192.0.2.1:1000"});
  a.agent.add_stun_server(world.now, address(kServer));
  a.agent.end_of_local_addresses(world.now);
  world.run_for(1s);
  EXPECT_EQ(a.candidates.size(), 1U);
  EXPECT_EQ(a.gathering_done, 1);
}

TEST_F(Gathering, TwoServersThatSeeTheSameAddressGiveOneCandidate) {
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  for (const Address& server : world.stun_servers) a.agent.add_stun_server(world.now, server);
  a.agent.end_of_local_addresses(world.now);
  world.run_for(1s);
  EXPECT_EQ(a.candidates.size(), 2U);
}

TEST_F(Gathering, BehindASymmetricNatEveryServerSeesAnotherAddress) {
  nat.symmetric = true;
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  for (const Address& server : world.stun_servers) a.agent.add_stun_server(world.now, server);
  a.agent.end_of_local_addresses(world.now);
  world.run_for(1s);
  ASSERT_EQ(a.candidates.size(), 3U);
  EXPECT_NE(a.candidates[1].priority, a.candidates[2].priority);
  EXPECT_NE(a.candidates[1].foundation, a.candidates[2].foundation) << "RFC 8445 5.1.1.3: another server";
}

TEST_F(Gathering, GivesUpAServerThatIsSilent) {
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  world.lose = [](const Datagram&) { return true; };
  a.agent.add_stun_server(world.now, address(kServer));
  a.agent.end_of_local_addresses(world.now);
  world.run_for(7s);
  EXPECT_EQ(a.gathering_done, 0);
  world.run_for(1s);
  EXPECT_EQ(a.gathering_done, 1);
  EXPECT_EQ(a.sent.size(), 4U);
}

TEST_F(Gathering, AnswersFromElsewhereOrOfNoUseAreNotTaken) {
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  world.lose = [](const Datagram&) { return true; };
  a.agent.add_stun_server(world.now, address(kServer));
  world.run_for(1ms);
  const auto id = message_of(a.sent.at(0).bytes)->transaction_id();
  const auto answer = [&](stun::Class kind) {
    stun::MessageBuilder builder(kind, stun::Method::Binding, id);
    if (kind == stun::Class::Error) builder.error(500, "broken");
    return builder.xor_address(stun::AttributeType::XorMappedAddress, address("203.0.113.9:9")).take();
  };
  a.agent.handle_datagram(world.now, {address("10.1.0.1:1000"), address("198.51.100.9:3478")},
                          answer(stun::Class::Success));
  EXPECT_EQ(a.agent.counters().answers_dropped, 1U);
  a.agent.handle_datagram(world.now, {address("10.1.0.1:1000"), address(kServer)}, answer(stun::Class::Error));
  a.agent.end_of_local_addresses(world.now);
  world.drain(a);
  EXPECT_EQ(a.candidates.size(), 1U);
  EXPECT_EQ(a.gathering_done, 1) << "an error ends the query";
}

TEST_F(Gathering, AnOldServersPlainAddressIsTaken) {
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  world.lose = [](const Datagram&) { return true; };
  a.agent.add_stun_server(world.now, address(kServer));
  world.run_for(1ms);
  a.agent.handle_datagram(world.now, {address("10.1.0.1:1000"), address(kServer)},
                          stun::MessageBuilder(stun::Class::Success, stun::Method::Binding,
                                               message_of(a.sent.at(0).bytes)->transaction_id())
                              .address(stun::AttributeType::MappedAddress, address("203.0.113.9:9"))
                              .take());
  world.drain(a);
  ASSERT_EQ(a.candidates.size(), 2U);
  EXPECT_EQ(a.candidates[1].address, address("203.0.113.9:9"));
}

TEST_F(Gathering, KeepsTheNatsMemoryAliveUntilAPathIsFound) {
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  Node& b = world.add("b", Role::Controlled, {"192.0.2.2:2000"});
  a.agent.add_stun_server(world.now, address(kServer));
  world.run_for(5min);
  EXPECT_NEAR(static_cast<double>(a.sent.size()), 20.0, 1.0) << "every 15 s (RFC 8445 11)";
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  a.sent.clear();
  world.run_for(5min);
  EXPECT_TRUE(std::ranges::none_of(a.sent, [](const Datagram& each) { return each.to == address(kServer); }));
}

TEST_F(Gathering, PrioritiesAreUniqueAndFamiliesTakeTurns) {
  Node& a = world.add("a", Role::Controlling,
                      {"10.1.0.1:1", "10.1.0.2:1", "[2001:db8::1]:1", "[2001:db8::2]:1", "10.1.0.3:1"});
  a.agent.add_public_address(world.now, address("203.0.113.5:1"), address("10.1.0.1:1"));
  a.agent.add_public_address(world.now, address("203.0.113.6:1"), address("10.1.0.1:1"));
  world.drain(a);
  std::set<std::uint32_t> priorities;
  for (const Candidate& each : a.candidates) priorities.insert(each.priority);
  EXPECT_EQ(priorities.size(), 7U);
  std::ranges::sort(a.candidates, std::greater{}, &Candidate::priority);
  std::vector<bool> v6;
  for (const Candidate& each : a.candidates) v6.push_back(each.address.ip.is_v6());
  EXPECT_THAT(v6, ::testing::ElementsAre(true, false, true, false, false, false, false));
}

TEST_F(Gathering, TakesEachAddressOnceAndOnlyUsableOnes) {
  Node& a = world.add("a", Role::Controlling,
                      {"10.1.0.1:1", "10.1.0.1:1", "0.0.0.0:1", "10.1.0.2:0", "224.0.0.1:1", "[::]:1"});
  EXPECT_EQ(a.candidates.size(), 1U);
  a.agent.add_public_address(world.now, address("[2001:db8::1]:1"), address("10.1.0.1:1"));
  world.drain(a);
  EXPECT_EQ(a.candidates.size(), 1U) << "another family than its base";
  a.agent.end_of_local_addresses(world.now);
  a.agent.add_local_address(world.now, address("10.1.0.9:1"));
  world.drain(a);
  EXPECT_EQ(a.candidates.size(), 1U);
}

TEST(Credentials, AreLongEnoughAndDifferFromAgentToAgent) {
  const Agent one(Settings{}, Role::Controlling, seeded(1));
  const Agent same(Settings{}, Role::Controlling, seeded(1));
  const Agent other(Settings{}, Role::Controlling, seeded(2));
  EXPECT_EQ(one.local_credentials(), same.local_credentials());
  EXPECT_NE(one.local_credentials().ufrag, other.local_credentials().ufrag);
  EXPECT_NE(one.local_credentials().pwd, other.local_credentials().pwd);
  EXPECT_GE(one.local_credentials().ufrag.size(), 4U);
  EXPECT_GE(one.local_credentials().pwd.size(), 22U);
}

TEST(Determinism, TheSameSeedsSendTheSameBytes) {
  const auto run = [] {
    World world;
    Node& a = world.add("a", Role::Controlling, {"192.0.2.1:1", "[2001:db8::1]:1"});
    Node& b = world.add("b", Role::Controlled, {"192.0.2.2:1", "[2001:db8::2]:1"});
    world.connect(a, b);
    world.run_for(1min);
    std::vector<Bytes> sent;
    for (const Node* node : {&a, &b}) {
      for (const Datagram& each : node->sent) sent.push_back(each.bytes);
    }
    return sent;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace isotube::ice::testing
