// Relayed addresses, addresses that go away, and peers that a relay refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr const char* kA = "192.0.2.1:1000";
constexpr const char* kOtherA = "192.0.2.12:1000";
constexpr const char* kB = "192.0.2.2:2000";
constexpr const char* kRelayed = "198.51.100.7:50000";
constexpr const char* kMapped = "203.0.113.1:40000";
const IpAddress kServer = *IpAddress::parse("198.51.100.7");

struct Tube : ::testing::Test {
  World world;
  Node* a = nullptr;
  Node* b = nullptr;

  void add_relayed(const char* relayed = kRelayed) {
    // What is sent from there and to there is the world's to carry.
    a->addresses.push_back(address(relayed));
    a->agent.add_relayed_address(world.now, address(relayed), address(kMapped), kServer);
    world.drain(*a);
  }

  void connect() {
    world.connect(*a, *b);
    ASSERT_TRUE(world.run_until_connected(*a, *b));
  }

  void remove(const char* gone) {
    std::erase(a->addresses, address(gone));
    a->agent.remove_local_address(world.now, address(gone));
    world.drain(*a);
  }

  void cut(const char* gone) {
    world.lose = [gone = address(gone)](const Datagram& each) { return each.from == gone || each.to == gone; };
  }
};

struct RelayedAddress : Tube {
  RelayedAddress() {
    a = &world.add("a", Role::Controlling, {kA});
    b = &world.add("b", Role::Controlled, {kB});
  }
};

TEST_F(RelayedAddress, IsACandidateThatIsItsOwnBaseAndRanksLast) {
  add_relayed();
  ASSERT_THAT(a->candidates, SizeIs(2));
  const Candidate& relayed = a->candidates[1];
  EXPECT_EQ(relayed.type, CandidateType::Relayed);
  EXPECT_EQ(relayed.address, address(kRelayed));
  EXPECT_EQ(relayed.related, address(kMapped));
  EXPECT_EQ(relayed.priority >> 24, 0U);
  EXPECT_NE(relayed.foundation, a->candidates[0].foundation);
  EXPECT_EQ(relayed.ufrag, a->agent.local_credentials().ufrag);
  EXPECT_EQ(parse_candidate(to_string(relayed)), relayed);
}

TEST_F(RelayedAddress, CarriesTheTubeWhereNothingElseDoes) {
  add_relayed();
  cut(kA);
  connect();
  EXPECT_EQ(a->agent.selected_path(), (Path{address(kRelayed), address(kB)}));
  EXPECT_EQ(a->paths.at(0).local_type, CandidateType::Relayed);
  EXPECT_EQ(b->paths.at(0).remote_type, CandidateType::Relayed);
  world.run_for(5min);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(b->agent.state(), State::Connected);
}

TEST_F(RelayedAddress, IsNotUsedWhereAHostPairWorks) {
  add_relayed();
  connect();
  world.run_for(5s);
  EXPECT_EQ(a->agent.selected_path(), (Path{address(kA), address(kB)}));
}

TEST_F(RelayedAddress, AsksNoStunServer) {
  world.stun_servers = {address("198.51.100.1:3478")};
  a->agent.add_stun_server(world.now, world.stun_servers[0]);
  add_relayed();
  a->agent.end_of_local_addresses(world.now);
  world.run_for(1min);
  EXPECT_GT(a->sent.size(), 0U);
  EXPECT_TRUE(std::ranges::none_of(a->sent, [](const Datagram& each) { return each.from == address(kRelayed); }));
}

TEST_F(RelayedAddress, MayComeAfterTheEndOfCandidates) {
  cut(kA);
  world.connect(*a, *b);
  world.run_for(2s);
  EXPECT_EQ(a->gathering_done, 1);
  add_relayed();
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  EXPECT_EQ(a->agent.selected_path()->local, address(kRelayed));
  EXPECT_EQ(b->paths.at(0).remote_type, CandidateType::Relayed) << "it was announced";
}

TEST_F(RelayedAddress, IsAnnouncedAgainWithARestart) {
  add_relayed();
  connect();
  world.begin_restart(*a);
  ASSERT_THAT(a->candidates, SizeIs(2));
  EXPECT_EQ(a->candidates[1].type, CandidateType::Relayed);
  EXPECT_EQ(a->candidates[1].ufrag, a->agent.local_credentials().ufrag);
  EXPECT_EQ(a->candidates[1].related, address(kMapped));
}

TEST_F(RelayedAddress, ThatIsLostAndReplacedThousandsOfTimesStillGivesProperCandidates) {
  add_relayed("198.51.100.7:1");
  for (int port = 2; port < 3000; ++port) {
    const std::string relayed = "198.51.100." + std::to_string(1 + port % 200) + ":" + std::to_string(port);
    a->candidates.clear();
    const Address before = a->addresses.back();
    add_relayed(relayed.c_str());
    a->agent.remove_local_address(world.now, before);
    std::erase(a->addresses, before);
    ASSERT_THAT(a->candidates, SizeIs(1)) << relayed;
    EXPECT_EQ(a->candidates[0].priority >> 24, 0U);
    EXPECT_GT((a->candidates[0].priority >> 8) & 0xFFFF, 60'000U) << "a new one ranks as its predecessors did";
  }
  connect();
}

TEST_F(RelayedAddress, TwoAtATimeHavePrioritiesOfTheirOwnEvenWhenAnEarlierOneIsGone) {
  add_relayed("198.51.100.7:1");
  add_relayed("198.51.100.7:2");
  remove("198.51.100.7:1");
  add_relayed("198.51.100.7:3");
  EXPECT_NE(a->candidates[2].priority, a->candidates[3].priority);
  EXPECT_EQ(a->candidates[2].foundation, a->candidates[3].foundation) << "of one server (RFC 8445 5.1.1.3)";
}

struct AnAddress : Tube {
  AnAddress() {
    a = &world.add("a", Role::Controlling, {kA, kOtherA});
    b = &world.add("b", Role::Controlled, {kB});
  }
};

TEST_F(AnAddress, ThatIsGoneLeavesItsPathToAnotherPairAtOnce) {
  connect();
  ASSERT_EQ(a->agent.selected_path()->local, address(kA));
  world.run_for(200ms);
  cut(kA);
  remove(kA);
  EXPECT_NE(a->agent.selected_path(), (Path{address(kA), address(kB)}));
  EXPECT_FALSE(a->agent.is_validated({address(kA), address(kB)}));
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  const TimePoint gone = world.now;
  ASSERT_TRUE(world.run_until([&] {
    const auto path = b->agent.selected_path();
    return path && path->remote == address(kOtherA);
  }));
  EXPECT_LT(world.now - gone, 13s);
  EXPECT_EQ(a->agent.selected_path()->local, address(kOtherA));
  world.run_for(5min);
  EXPECT_EQ(a->count(State::Failed) + b->count(State::Failed), 0);
}

TEST_F(AnAddress, ThatIsGoneAfterALongTimeHasItsSuccessorCheckedFirst) {
  connect();
  world.run_for(10min);
  cut(kA);
  remove(kA);
  EXPECT_EQ(a->agent.state(), State::Disconnected);
  EXPECT_EQ(a->agent.selected_path(), std::nullopt);
  const TimePoint gone = world.now;
  ASSERT_TRUE(world.run_until_state(State::Connected, {a}));
  EXPECT_LE(world.now - gone, 100ms) << "a check and its answer";
  EXPECT_EQ(a->agent.selected_path()->local, address(kOtherA));
}

TEST_F(AnAddress, ThatWasTheOnlyOneEndsInFailedWhenConsentIsOver) {
  connect();
  remove(kOtherA);
  EXPECT_EQ(a->agent.state(), State::Connected) << "it was not the one in use";
  remove(kA);
  EXPECT_EQ(a->agent.state(), State::Disconnected);
  const TimePoint gone = world.now;
  ASSERT_TRUE(world.run_until_state(State::Failed, {a}));
  EXPECT_LE(world.now - gone, 30s);
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected, State::Disconnected, State::Failed));
}

TEST_F(AnAddress, ThatComesBackCarriesTheTubeAgain) {
  connect();
  remove(kOtherA);
  remove(kA);
  world.run_for(5s);
  a->addresses.push_back(address(kA));
  a->agent.add_local_address(world.now, address(kA));
  world.drain(*a);
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  EXPECT_EQ(a->agent.selected_path()->local, address(kA));
}

TEST_F(AnAddress, ThatIsUnknownOrGoneAlreadyChangesNothing) {
  connect();
  remove("192.0.2.77:7");
  remove(kOtherA);
  remove(kOtherA);
  EXPECT_EQ(a->agent.state(), State::Connected);
}

TEST_F(AnAddress, ThatIsGoneWhileAServerIsAskedFromItEndsGathering) {
  world.lose = [](const Datagram&) { return true; };
  a->agent.add_stun_server(world.now, address("198.51.100.1:3478"));
  a->agent.end_of_local_addresses(world.now);
  world.run_for(1s);
  EXPECT_EQ(a->gathering_done, 0);
  remove(kA);
  remove(kOtherA);
  world.run_for(1ms);
  EXPECT_EQ(a->gathering_done, 1);
}

using ARefusedPeer = RelayedAddress;

TEST_F(ARefusedPeer, FailsItsPairAndNothingElse) {
  add_relayed();
  cut(kA);
  connect();
  a->agent.fail_path(world.now, {address(kRelayed), address("192.0.2.99:9")});
  a->agent.fail_path(world.now, {address(kA), address(kB)});
  world.drain(*a);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(a->agent.selected_path()->local, address(kRelayed));
  a->sent.clear();
  world.run_for(1min);
  EXPECT_TRUE(std::ranges::none_of(
      a->sent, [](const Datagram& each) { return each.from == address(kA) && is_request(each.bytes); }));
}

TEST_F(ARefusedPeer, OfTheSelectedPathIsLeftAtOnce) {
  connect();
  world.run_for(1s);
  add_relayed();
  a->agent.fail_path(world.now, {address(kA), address(kB)});
  world.drain(*a);
  EXPECT_EQ(a->agent.selected_path(), std::nullopt);
  EXPECT_EQ(a->agent.state(), State::Disconnected);
  ASSERT_TRUE(world.run_until_state(State::Connected, {a}));
  EXPECT_EQ(a->agent.selected_path()->local, address(kRelayed));
}

TEST_F(ARefusedPeer, WhoseCheckIsUnderWayIsNotCheckedAgain) {
  add_relayed();
  world.lose = [](const Datagram&) { return true; };
  world.connect(*a, *b);
  world.run_for(100ms);
  a->agent.fail_path(world.now, {address(kRelayed), address(kB)});
  a->sent.clear();
  world.run_for(1min);
  EXPECT_TRUE(std::ranges::none_of(a->sent, [](const Datagram& each) { return each.from == address(kRelayed); }));
  EXPECT_EQ(a->count(State::Failed), 1);
}

}  // namespace
}  // namespace isotube::ice::testing
