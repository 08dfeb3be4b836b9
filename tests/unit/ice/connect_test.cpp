// How two agents find a path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "unit/ice/peer_by_hand.hpp"
#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr const char* kA = "192.0.2.1:1000";
constexpr const char* kB = "192.0.2.2:2000";

Path path(const char* local, const char* remote) { return {address(local), address(remote)}; }

TEST(Connecting, TakesTwoRoundTripsAtMostOnOneNetwork) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  Node& b = world.add("b", Role::Controlled, {kB});
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  EXPECT_LE(world.now.time_since_epoch(), 41ms);
  EXPECT_EQ(a.agent.selected_path(), path(kA, kB));
  EXPECT_EQ(b.agent.selected_path(), path(kB, kA));
  EXPECT_THAT(a.states, ElementsAre(State::Checking, State::Connected));
  EXPECT_EQ(a.paths.at(0).local_type, CandidateType::Host);
  EXPECT_EQ(a.paths.at(0).remote_type, CandidateType::Host);
  EXPECT_TRUE(a.agent.is_validated(path(kA, kB)));
  EXPECT_FALSE(a.agent.is_validated(path(kA, "192.0.2.9:2000")));
  EXPECT_EQ(a.agent.round_trip(), Duration(20ms));
}

TEST(Connecting, TheControllingAgentNominatesOnce) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA, "[2001:db8::1]:1000"});
  Node& b = world.add("b", Role::Controlled, {kB, "[2001:db8::2]:2000"});
  world.connect(a, b);
  world.run_for(30s);
  EXPECT_EQ(std::ranges::count_if(a.sent, [](const Datagram& each) { return nominates(each.bytes); }), 1);
  EXPECT_EQ(std::ranges::count_if(b.sent, [](const Datagram& each) { return nominates(each.bytes); }), 0);
  EXPECT_EQ(a.agent.selected_path()->remote, b.agent.selected_path()->local);
  EXPECT_EQ(a.agent.state(), State::Connected);
}

TEST(Connecting, PrefersIPv6AndFallsBackToIPv4WithoutWaiting) {
  for (const bool v6_works : {true, false}) {
    World world;
    Node& a = world.add("a", Role::Controlling, {kA, "[2001:db8::1]:1000"});
    Node& b = world.add("b", Role::Controlled, {kB, "[2001:db8::2]:2000"});
    world.lose = [&](const Datagram& each) { return each.to.ip.is_v6() && !v6_works; };
    world.connect(a, b);
    ASSERT_TRUE(world.run_until_connected(a, b));
    EXPECT_EQ(a.agent.selected_path()->local.ip.is_v6(), v6_works);
    EXPECT_LE(world.now.time_since_epoch(), 60ms);
  }
}

TEST(Connecting, SurvivesLoss) {
  for (std::uint8_t seed = 0; seed < 200; ++seed) {
    World world;
    Random dice = seeded(seed);
    world.lose = [&](const Datagram&) { return dice.below(5) == 0; };
    Node& a = world.add("a", Role::Controlling, {kA});
    Node& b = world.add("b", Role::Controlled, {kB});
    world.connect(a, b);
    EXPECT_TRUE(world.run_until_connected(a, b)) << "seed " << int{seed};
  }
}

TEST(Connecting, RepeatsAnUnansweredCheckWithTheSameTransactionAndDoublingWaits) {
  World world;
  Settings settings;
  Node& a = world.add("a", Role::Controlling, {kA}, settings);
  Node& b = world.add("b", Role::Controlled, {kB});
  std::vector<Duration> times;
  std::set<stun::TransactionId> ids;
  world.lose = [&](const Datagram& each) {
    if (each.from != address(kA)) return true;
    times.push_back(world.now.time_since_epoch());
    ids.insert(message_of(each.bytes)->transaction_id());
    return true;
  };
  world.connect(a, b);
  world.run_for(39'499ms);
  EXPECT_THAT(times, ElementsAre(0ms, 500ms, 1500ms, 3500ms, 7500ms, 15500ms, 31500ms));
  EXPECT_EQ(ids.size(), 1U);
  EXPECT_EQ(a.agent.state(), State::Checking);
  world.run_for(2ms);
  EXPECT_EQ(a.agent.state(), State::Failed);
}

TEST(Connecting, PacesItsChecks) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  Node& b = world.add("b", Role::Controlled, {"192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1", "192.0.2.5:1"});
  std::vector<Duration> times;
  world.lose = [&](const Datagram& each) {
    if (each.from == address(kA)) times.push_back(world.now.time_since_epoch());
    return true;
  };
  world.trickle(b, a);
  a.agent.set_remote(world.now, b.agent.local_credentials(), 20ms, false);
  world.run_for(400ms);
  EXPECT_THAT(times, ElementsAre(0ms, 20ms, 40ms, 60ms));
}

TEST(Connecting, WaitsFiftyMillisecondsBetweenChecksWhenThePeerGaveNoPacing) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  Node& b = world.add("b", Role::Controlled, {"192.0.2.2:1", "192.0.2.3:1"});
  std::vector<Duration> times;
  world.lose = [&](const Datagram&) {
    times.push_back(world.now.time_since_epoch());
    return true;
  };
  world.trickle(b, a);
  a.agent.set_remote(world.now, b.agent.local_credentials(), std::nullopt, false);
  world.run_for(400ms);
  EXPECT_THAT(times, ElementsAre(0ms, 50ms));
}

TEST(Connecting, AnswersEarlyRequestsAndChecksThemOnceThePeerIsKnown) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  Node& b = world.add("b", Role::Controlled, {kB});
  world.trickle(b, a);
  world.introduce(a, b);
  // b has no description yet: it answers, and a has its path.
  ASSERT_TRUE(world.run_until_state(State::Connected, {&a}));
  EXPECT_EQ(b.agent.state(), State::New);
  EXPECT_TRUE(std::ranges::none_of(b.sent, [](const Datagram& each) { return is_request(each.bytes); }));
  world.run_for(200ms);
  // It never gets a candidate: what came early is enough.
  world.introduce(b, a);
  ASSERT_TRUE(world.run_until_connected(a, b));
  EXPECT_EQ(b.paths.at(0).remote_type, CandidateType::PeerReflexive);
}

TEST(Connecting, KeepsAFewEarlyRequestsAndLeavesTheRestUnanswered) {
  World world;
  Node& a = world.add("a", Role::Controlled, {kA});
  stun::IntegrityKey key(as_byte_view(a.agent.local_credentials().pwd));
  Random random = seeded(77);
  for (std::uint16_t port = 1; port <= 30; ++port) {
    world.inject({address(kB).ip, port}, address(kA),
                 stun::MessageBuilder(stun::Class::Request, stun::Method::Binding, stun::TransactionId::draw(random))
                     .text(stun::AttributeType::Username, a.agent.local_credentials().ufrag + ":x")
                     .u32(stun::AttributeType::Priority, 1)
                     .integrity(stun::Integrity::Sha1, key)
                     .fingerprint()
                     .take());
  }
  world.run_for(1s);
  EXPECT_EQ(a.sent.size(), 16U);
  EXPECT_EQ(a.agent.counters().checks_received, 16U);
  EXPECT_EQ(a.agent.counters().requests_refused, 14U);
}

TEST(Connecting, UsesCandidatesThatTrickleInLate) {
  World world;
  world.signalling_delay = 3s;
  Node& a = world.add("a", Role::Controlling, {kA});
  Node& b = world.add("b", Role::Controlled, {kB});
  world.connect(a, b);
  EXPECT_TRUE(world.run_until_connected(a, b));
  EXPECT_GE(world.now.time_since_epoch(), 3s);
}

TEST(Connecting, WorksWithAPublicAddressBeforeItsHost) {
  World world;
  world.nats.push_back({.inside = "10.1.", .outside = "203.0.113.1"});
  // A forwarded port: what arrives at the public address always reaches the host.
  Node& a = world.add("a", Role::Controlled, {"10.1.0.1:1000"});
  Nat& nat = world.nats.front();
  nat.mappings[{address("10.1.0.1:1000"), std::nullopt}] = address("203.0.113.1:1000");
  nat.open[{address("203.0.113.1:1000"), address(kB)}] = address("10.1.0.1:1000");
  a.agent.add_public_address(world.now, address("203.0.113.1:1000"), address("10.1.0.1:1000"));
  world.drain(a);
  ASSERT_EQ(a.candidates.size(), 2U);
  EXPECT_EQ(a.candidates[1].type, CandidateType::ServerReflexive);
  EXPECT_EQ(a.candidates[1].related, address("10.1.0.1:1000"));
  Node& b = world.add("b", Role::Controlling, {kB});
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  EXPECT_EQ(b.agent.selected_path()->remote, address("203.0.113.1:1000"));
  EXPECT_EQ(a.agent.selected_path()->local, address("10.1.0.1:1000"));
  EXPECT_EQ(a.paths.back().local_type, CandidateType::ServerReflexive);
}

TEST(Connecting, BehindTwoNatsGoesOverServerReflexiveCandidates) {
  World world;
  world.stun_servers = {address("198.51.100.1:3478")};
  world.nats.push_back({.inside = "10.1.", .outside = "203.0.113.1"});
  world.nats.push_back({.inside = "10.2.", .outside = "203.0.113.2"});
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  Node& b = world.add("b", Role::Controlled, {"10.2.0.1:1000"});
  for (Node* node : {&a, &b}) node->agent.add_stun_server(world.now, world.stun_servers.front());
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  EXPECT_EQ(a.agent.selected_path(), path("10.1.0.1:1000", "203.0.113.2:40000"));
  // The first check met a closed NAT; the triggered one goes at once, not with the first's repeat after 500 ms.
  EXPECT_LE(world.now.time_since_epoch(), 100ms);
  EXPECT_EQ(a.paths.back().local_type, CandidateType::ServerReflexive);
  EXPECT_EQ(a.paths.back().remote_type, CandidateType::ServerReflexive);
}

TEST(Connecting, BehindASymmetricNatFindsPeerReflexiveCandidatesOnBothSides) {
  World world;
  world.stun_servers = {address("198.51.100.1:3478")};
  world.nats.push_back({.inside = "10.1.", .outside = "203.0.113.1", .symmetric = true});
  Node& a = world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  Node& b = world.add("b", Role::Controlled, {kB});
  a.agent.add_stun_server(world.now, world.stun_servers.front());
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  EXPECT_EQ(a.paths.back().local_type, CandidateType::PeerReflexive);
  EXPECT_EQ(b.paths.back().remote_type, CandidateType::PeerReflexive);
  EXPECT_EQ(b.agent.selected_path()->remote.ip, *IpAddress::parse("203.0.113.1"));
}

TEST(Connecting, APathThatWorksOneWayOnlyIsNotUsed) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA, "192.0.2.11:1000"});
  Node& b = world.add("b", Role::Controlled, {kB});
  // The first way is open from a to b alone.
  world.lose = [&](const Datagram& each) { return each.to == address(kA); };
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  EXPECT_EQ(a.agent.selected_path()->local, address("192.0.2.11:1000"));
  EXPECT_FALSE(a.agent.is_validated(path(kA, kB)));
}

TEST(Connecting, WaitsForABetterPairOnlyIfToldTo) {
  for (const Duration patience : {Duration(0ms), Duration(1s)}) {
    World world;
    Settings settings;
    settings.nomination_delay = patience;
    Node& a = world.add("a", Role::Controlling, {kA, "192.0.2.11:1000"}, settings);
    Node& b = world.add("b", Role::Controlled, {kB});
    // The better pair's first checks are lost, their repeats are not.
    world.lose = [&](const Datagram& each) {
      return (each.to == address(kA) || each.from == address(kA)) && world.now.time_since_epoch() < 100ms;
    };
    world.connect(a, b);
    ASSERT_TRUE(world.run_until_connected(a, b));
    EXPECT_EQ(a.agent.selected_path()->local, address("192.0.2.11:1000"));
    world.run_for(4s);
    EXPECT_EQ(a.agent.selected_path()->local, address(patience == 0s ? "192.0.2.11:1000" : kA));
    EXPECT_EQ(a.agent.selected_path()->local, b.agent.selected_path()->remote);
  }
}

TEST(Connecting, ChecksOfOtherPairsStopOnceAPairIsNominated) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  std::vector<const char*> many = {kB, "192.0.2.21:1", "192.0.2.22:1", "192.0.2.23:1", "192.0.2.24:1"};
  Node& b = world.add("b", Role::Controlled, many);
  world.lose = [&](const Datagram& each) { return each.to.port == 1 || each.from.port == 1; };
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  world.run_for(1s);
  a.sent.clear();
  world.run_for(3s);
  EXPECT_TRUE(std::ranges::none_of(a.sent, [](const Datagram& each) { return each.to.port == 1; }));
}

TEST(Connecting, DataIsLookedAtFromWhereThePeersAuthenticRequestCame) {
  World world;
  Node& a = world.add("a", Role::Controlled, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.answers = false;
  (void)peer.ask(peer.check());
  EXPECT_FALSE(a.agent.is_validated(path(kA, kB))) << "there is no peer yet";
  peer.introduce();
  EXPECT_TRUE(a.agent.is_validated(path(kA, kB)));
  (void)peer.ask(peer.check({.from = address("192.0.2.2:2001"), .password = "guess"}));
  EXPECT_FALSE(a.agent.is_validated(path(kA, "192.0.2.2:2001")));
  // But nothing is sent there.
  EXPECT_FALSE(a.agent.selected_path().has_value());
}

TEST(Connecting, PairsOfOneFoundationWaitForTheFirstOfThem) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.role = Role::Controlled;
  peer.answers = false;
  peer.introduce();
  peer.offer(address("192.0.2.2:1"), 300, "f");
  peer.offer(address("192.0.2.2:2"), 200, "f");
  peer.offer(address("192.0.2.2:3"), 100, "g");
  peer.offer(address("192.0.2.9:4"), 50, "f");
  world.run_for(400ms);
  std::vector<std::uint16_t> ports;
  for (const Datagram& each : a.sent) ports.push_back(each.to.port);
  EXPECT_THAT(ports, ElementsAre(1, 3, 4)) << "the second of one foundation and address is frozen";
  // It thaws when the first has failed.
  world.run_for(40s);
  EXPECT_TRUE(std::ranges::any_of(a.sent, [](const Datagram& each) { return each.to.port == 2; }));
}

TEST(Connecting, ADescriptionFromALitePeerMakesUsControl) {
  World world;
  Node& a = world.add("a", Role::Controlled, {kA});
  Node& b = world.add("b", Role::Controlled, {kB});
  world.trickle(b, a);
  // b stays without a description, so it only answers: what a lite agent does.
  a.agent.set_remote(world.now, b.agent.local_credentials(), std::nullopt, true);
  EXPECT_EQ(a.agent.role(), Role::Controlling);
  ASSERT_TRUE(world.run_until_state(State::Connected, {&a}));
  world.run_for(40s);
  EXPECT_EQ(a.agent.state(), State::Connected);
  EXPECT_TRUE(std::ranges::any_of(a.sent, [](const Datagram& each) { return nominates(each.bytes); }));
}

}  // namespace
}  // namespace isotube::ice::testing
