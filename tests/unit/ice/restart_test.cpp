// ICE restarts (RFC 8445 9): the old path is used until the new one works. Rows I1, I2 and I6 of the fault matrix.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kA = "192.0.2.1:1000";
constexpr const char* kNewA = "192.0.2.11:1001";
constexpr const char* kB = "192.0.2.2:2000";
const Credentials kNobody{"nobody", "a password that nobody has"};

std::string username_of(const Datagram& datagram) {
  const auto message = message_of(datagram.bytes);
  return message ? std::string(message->text(stun::AttributeType::Username).value_or("")) : std::string();
}

struct Restart : ::testing::Test {
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

  [[nodiscard]] bool run_until_restarted(Duration limit = 1min) {
    return world.run_until([&] { return a->restarts_done == 1 && b->restarts_done == 1; }, limit);
  }

  /// Datagrams from and to that address get lost.
  void cut(const char* gone) {
    world.lose = [gone = address(gone)](const Datagram& each) { return each.from == gone || each.to == gone; };
  }
};

TEST_F(Restart, HasNewCredentialsAndAnnouncesKnownCandidatesUnderThem) {
  connect();
  const Credentials before = a->agent.local_credentials();
  const std::vector<Candidate> known = a->candidates;
  ASSERT_THAT(known, SizeIs(1));
  world.begin_restart(*a);
  const Credentials after = a->agent.local_credentials();
  EXPECT_NE(after.ufrag, before.ufrag);
  EXPECT_NE(after.pwd, before.pwd);
  ASSERT_THAT(a->candidates, SizeIs(1));
  EXPECT_EQ(a->candidates[0].ufrag, after.ufrag);
  EXPECT_EQ(a->candidates[0].address, known[0].address);
  EXPECT_EQ(a->candidates[0].foundation, known[0].foundation);
  EXPECT_EQ(a->candidates[0].priority, known[0].priority);
  EXPECT_EQ(a->gathering_done, 1) << "there is nobody to ask";
  EXPECT_TRUE(a->agent.is_restarting());
}

TEST_F(Restart, AsksTheServersAgain) {
  world.stun_servers = {address("198.51.100.1:3478")};
  Nat& nat = world.nats.emplace_back();
  nat.inside = "10.1.";
  nat.outside = "203.0.113.1";
  a = &world.add("a", Role::Controlling, {"10.1.0.1:1000"});
  b = &world.add("b", Role::Controlled, {kB});
  a->agent.add_stun_server(world.now, world.stun_servers[0]);
  world.connect(*a, *b);
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  world.run_for(1s);
  nat.forget();
  world.begin_restart(*a);
  EXPECT_EQ(a->gathering_done, 0);
  world.run_for(1s);
  EXPECT_EQ(a->gathering_done, 1);
  ASSERT_THAT(a->candidates, ::testing::Contains(::testing::Field(&Candidate::address, address("203.0.113.1:40001"))));
  EXPECT_TRUE(std::ranges::all_of(
      a->candidates, [&](const Candidate& each) { return each.ufrag == a->agent.local_credentials().ufrag; }));
}

TEST_F(Restart, UsesTheOldPathWithTheOldCredentialsUntilTheNewOneIsSelected) {
  connect();
  const Path old = a->agent.selected_path().value();
  const std::string old_username = b->agent.local_credentials().ufrag + ":" + a->agent.local_credentials().ufrag;
  world.begin_restart(*a);
  a->sent.clear();
  b->sent.clear();
  world.run_for(2min);
  EXPECT_EQ(a->agent.selected_path(), old);
  EXPECT_EQ(b->agent.selected_path(), (Path{old.remote, old.local}));
  EXPECT_GE(std::ranges::count_if(a->sent, [&](const Datagram& d) { return username_of(d) == old_username; }), 20);
  EXPECT_EQ(b->count(State::Disconnected), 0) << "its requests with the old credentials are answered";
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
  world.begin_restart(*b);
  world.introduce(*b, *a);
  world.introduce(*a, *b);
  world.trickle(*a, *b);
  world.trickle(*b, *a);
  ASSERT_TRUE(run_until_restarted(1s));
  EXPECT_FALSE(a->agent.is_restarting());
  EXPECT_EQ(a->paths.size(), 2U) << "it is said again, although it is the same";
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
  EXPECT_THAT(b->states, ElementsAre(State::Checking, State::Connected));
  a->sent.clear();
  world.run_for(1min);
  EXPECT_EQ(std::ranges::count_if(a->sent, [&](const Datagram& d) { return username_of(d) == old_username; }), 0)
      << "the old generation is dropped";
  EXPECT_EQ(a->agent.role(), Role::Controlling) << "RFC 8445 9: roles stay";
  EXPECT_EQ(b->agent.role(), Role::Controlled);
}

TEST_F(Restart, MovesToANewAddressWhenTheOldOneIsGone) {
  connect();
  cut(kA);
  a->addresses = {address(kNewA)};
  a->agent.add_local_address(world.now, address(kNewA));
  a->agent.remove_local_address(world.now, address(kA));
  world.drain(*a);
  EXPECT_EQ(a->agent.selected_path(), std::nullopt) << "lost at once";
  EXPECT_EQ(a->agent.state(), State::Disconnected);
  EXPECT_THAT(a->candidates, SizeIs(1)) << "after the end of candidates nothing is announced but with a restart";
  world.restart(*a, *b);
  ASSERT_TRUE(run_until_restarted(2s));
  EXPECT_EQ(a->agent.selected_path()->local, address(kNewA));
  EXPECT_EQ(b->agent.selected_path()->remote, address(kNewA));
  EXPECT_EQ(a->agent.state(), State::Connected);
  world.run_for(2min);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(b->agent.state(), State::Connected);
}

TEST_F(Restart, IsNotEvenNeededWhereThePeerCanBeReachedFromTheNewAddress) {
  connect();
  cut(kA);
  a->addresses = {address(kNewA)};
  a->agent.add_local_address(world.now, address(kNewA));
  a->agent.remove_local_address(world.now, address(kA));
  ASSERT_TRUE(world.run_until_state(State::Connected, {a}, 1s));
  EXPECT_EQ(a->agent.selected_path()->local, address(kNewA));
  const auto b_follows = [&] { return b->agent.selected_path()->remote == address(kNewA); };
  ASSERT_TRUE(world.run_until(b_follows, 15s));
  world.run_for(2min);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(b->agent.state(), State::Connected);
}

TEST_F(Restart, WorksWhileDisconnectedAndOutlivesTheOldPathsConsent) {
  connect();
  cut(kB);
  ASSERT_TRUE(world.run_until_state(State::Disconnected, {a, b}));
  // The signalling takes its time: consent of the old path expires meanwhile.
  world.begin_restart(*a);
  world.begin_restart(*b);
  world.run_for(40s);
  EXPECT_EQ(a->agent.state(), State::Disconnected) << "not for good while a restart may succeed";
  EXPECT_EQ(a->agent.selected_path(), std::nullopt);
  world.lose = [](const Datagram&) { return false; };
  world.introduce(*a, *b);
  world.introduce(*b, *a);
  world.trickle(*a, *b);
  world.trickle(*b, *a);
  ASSERT_TRUE(run_until_restarted(2s));
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected, State::Disconnected, State::Connected));
}

TEST_F(Restart, WorksFromFailed) {
  connect();
  cut(kB);
  ASSERT_TRUE(world.run_until_state(State::Failed, {a, b}));
  world.lose = [](const Datagram&) { return false; };
  world.restart(*a, *b);
  EXPECT_EQ(a->agent.state(), State::Checking);
  ASSERT_TRUE(run_until_restarted(2s));
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  world.run_for(2min);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(a->agent.selected_path()->local, b->agent.selected_path()->remote);
}

TEST_F(Restart, ThatFailsLeavesEverythingAsItWas) {
  connect();
  const Credentials before = a->agent.local_credentials();
  world.begin_restart(*a);
  a->agent.set_remote(world.now, kNobody, std::nullopt, false);
  a->agent.add_remote_candidate(world.now, b->candidates.at(0));
  Candidate stranger = b->candidates.at(0);
  stranger.ufrag = kNobody.ufrag;
  stranger.address = address("203.0.113.77:7");
  a->agent.add_remote_candidate(world.now, stranger);
  world.drain(*a);
  const TimePoint begun = world.now;
  ASSERT_TRUE(world.run_until([&] { return a->restarts_failed == 1; }, 2min));
  EXPECT_EQ(world.now - begun, Settings{}.restart_limit) << "the peer never said that it has no more candidates";
  EXPECT_EQ(a->agent.local_credentials(), before);
  EXPECT_FALSE(a->agent.is_restarting());
  world.run_for(5min);
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
  EXPECT_THAT(b->states, ElementsAre(State::Checking, State::Connected));
  EXPECT_EQ(a->paths.size(), 1U);
  // And another one may be tried.
  world.restart(*a, *b);
  EXPECT_TRUE(run_until_restarted(2s));
}

TEST_F(Restart, ThatFoundThatNothingWorksFailsAfterThePatience) {
  connect();
  world.begin_restart(*a);
  a->agent.set_remote(world.now, kNobody, std::nullopt, false);
  a->agent.end_of_remote_candidates(world.now);
  const TimePoint begun = world.now;
  ASSERT_TRUE(world.run_until([&] { return a->restarts_failed == 1; }, 2min));
  EXPECT_EQ(world.now - begun, Settings{}.patience);
  EXPECT_EQ(a->agent.state(), State::Connected);
}

TEST_F(Restart, ThatFailsWhenTheOldPathIsGoneTooIsTheEnd) {
  connect();
  world.lose = [](const Datagram&) { return true; };
  world.restart(*a, *b);
  ASSERT_TRUE(world.run_until([&] { return a->restarts_failed == 1; }, 2min));
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected, State::Disconnected, State::Failed));
  EXPECT_EQ(a->agent.next_timeout(), kNever);
}

TEST_F(Restart, WithCredentialsThatNoCheckCanCarryFailsAtOnceAndAlone) {
  connect();
  world.begin_restart(*a);
  a->agent.set_remote(world.now, {std::string(300, 'u'), "pwd"}, std::nullopt, false);
  world.drain(*a);
  EXPECT_EQ(a->restarts_failed, 1);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_TRUE(a->agent.selected_path().has_value());
}

TEST_F(Restart, ThatIsTakenBackLeavesEverythingAsItWas) {
  connect();
  const Credentials before = a->agent.local_credentials();
  world.begin_restart(*a);
  a->agent.cancel_restart(world.now);
  world.drain(*a);
  EXPECT_EQ(a->agent.local_credentials(), before);
  EXPECT_EQ(a->restarts_failed, 0);
  world.run_for(2min);
  EXPECT_THAT(b->states, ElementsAre(State::Checking, State::Connected));
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
}

TEST_F(Restart, TakenBackAfterConsentExpiredIsTheEnd) {
  connect();
  world.begin_restart(*a);
  world.lose = [](const Datagram&) { return true; };
  world.run_for(40s);
  EXPECT_EQ(a->agent.state(), State::Disconnected);
  a->agent.cancel_restart(world.now);
  world.drain(*a);
  EXPECT_EQ(a->agent.state(), State::Failed);
  EXPECT_EQ(a->agent.next_timeout(), kNever);
}

TEST_F(Restart, ReplacesOneThatIsUnderWay) {
  connect();
  world.begin_restart(*a);
  const Credentials replaced = a->agent.local_credentials();
  a->agent.set_remote(world.now, kNobody, std::nullopt, false);
  world.run_for(1s);
  world.restart(*a, *b);
  EXPECT_NE(a->agent.local_credentials(), replaced);
  ASSERT_TRUE(run_until_restarted(2s));
  world.run_for(2min);
  EXPECT_EQ(a->restarts_failed, 0);
  EXPECT_EQ(a->restarts_done, 1);
  EXPECT_EQ(a->agent.state(), State::Connected);
}

TEST_F(Restart, MayFollowAnotherAgainAndAgain) {
  connect();
  for (int round = 1; round <= 50; ++round) {
    world.restart(*a, *b);
    ASSERT_TRUE(world.run_until([&] { return a->restarts_done == round && b->restarts_done == round; }, 5s));
    EXPECT_EQ(a->agent.selected_path()->local, b->agent.selected_path()->remote);
  }
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
}

TEST_F(Restart, BeforeThePeerIsKnownDoesNothing) {
  a = &world.add("a", Role::Controlling, {kA});
  const Credentials before = a->agent.local_credentials();
  a->agent.restart(world.now);
  EXPECT_EQ(a->agent.local_credentials(), before);
  EXPECT_FALSE(a->agent.is_restarting());
  EXPECT_EQ(a->agent.state(), State::New);
}

TEST_F(Restart, OfAnAgentThatStillChecksLeavesTheFirstWhicheverIsReady) {
  a = &world.add("a", Role::Controlling, {kA});
  b = &world.add("b", Role::Controlled, {kB});
  cut(kB);
  world.connect(*a, *b);
  world.run_for(1s);
  ASSERT_EQ(a->agent.state(), State::Checking);
  world.begin_restart(*a);
  world.lose = [](const Datagram&) { return false; };
  ASSERT_TRUE(world.run_until_connected(*a, *b));
  EXPECT_EQ(a->restarts_done, 0);
  EXPECT_TRUE(a->agent.is_restarting());
  world.begin_restart(*b);
  world.introduce(*a, *b);
  world.introduce(*b, *a);
  world.trickle(*a, *b);
  world.trickle(*b, *a);
  EXPECT_TRUE(run_until_restarted(2s));
}

TEST_F(Restart, DropsLateCandidatesOfTheOlderGeneration) {
  connect();
  const std::string old_ufrag = b->agent.local_credentials().ufrag;
  world.restart(*a, *b);
  world.run_for(10ms);
  const std::uint64_t dropped = a->agent.counters().candidates_dropped;
  Candidate late;
  late.foundation = "9";
  late.priority = 2'130'706'431;
  late.address = address("192.0.2.99:9");
  late.ufrag = old_ufrag;
  a->sent.clear();
  a->agent.add_remote_candidate(world.now, late);
  EXPECT_EQ(a->agent.counters().candidates_dropped, dropped + 1);
  ASSERT_TRUE(run_until_restarted(2s));
  a->agent.add_remote_candidate(world.now, late);
  EXPECT_EQ(a->agent.counters().candidates_dropped, dropped + 2);
  world.run_for(1min);
  EXPECT_TRUE(std::ranges::none_of(a->sent, [&](const Datagram& each) { return each.to == late.address; }));
}

TEST_F(Restart, KeepsCandidatesThatComeBeforeThePeersCredentials) {
  connect();
  world.begin_restart(*a);
  world.begin_restart(*b);
  ASSERT_THAT(b->candidates, SizeIs(1));
  a->agent.add_remote_candidate(world.now, b->candidates[0]);
  EXPECT_EQ(a->agent.counters().candidates_dropped, 0U);
  world.introduce(*a, *b);
  world.introduce(*b, *a);
  ASSERT_TRUE(run_until_restarted(2s)) << "b learns a's address from its checks";
}

TEST_F(Restart, AnswersChecksOfTheNewGenerationBeforeThePeersCredentialsAreKnown) {
  connect();
  world.begin_restart(*a);
  world.begin_restart(*b);
  world.introduce(*b, *a);
  world.trickle(*a, *b);
  world.run_for(1s);
  EXPECT_TRUE(std::ranges::any_of(a->sent, [](const Datagram& each) { return !is_request(each.bytes); }));
  EXPECT_EQ(b->restarts_done, 0) << "its answer may be lost, and a know nothing of its new credentials";
  world.introduce(*a, *b);
  world.run_for(100ms);
  EXPECT_EQ(a->restarts_done, 1);
  EXPECT_EQ(b->restarts_done, 1);
}

TEST_F(Restart, WhoseAnswerIsLostLeavesBothSidesAsTheyWere) {
  connect();
  world.begin_restart(*a);
  world.begin_restart(*b);
  world.introduce(*b, *a);
  world.trickle(*a, *b);
  world.run_for(30s);
  a->agent.cancel_restart(world.now);
  world.drain(*a);
  world.run_for(10min);
  EXPECT_EQ(b->restarts_failed, 1);
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Connected));
  EXPECT_THAT(b->states, ElementsAre(State::Checking, State::Connected));
}

TEST_F(Restart, AnswersTheOldGenerationForThirtySecondsMoreAndAcceptsItsPaths) {
  connect({kA, "192.0.2.12:1000"});
  const Path old = b->agent.selected_path().value();
  world.begin_restart(*a);
  world.begin_restart(*b);
  // b's checks of the new generation pass over a's other address only, and a hears no answer to its own.
  std::vector<stun::TransactionId> of_a;
  world.lose = [&](const Datagram& each) {
    const std::string username = username_of(each);
    const auto id = message_of(each.bytes)->transaction_id();
    if (username.starts_with(b->agent.local_credentials().ufrag)) of_a.push_back(id);
    if (username.starts_with(a->agent.local_credentials().ufrag)) return each.to == old.remote;
    return !is_request(each.bytes) && std::ranges::find(of_a, id) != of_a.end();
  };
  world.introduce(*a, *b);
  world.introduce(*b, *a);
  world.trickle(*a, *b);
  ASSERT_TRUE(world.run_until([&] { return b->restarts_done == 1; }, 5s));
  EXPECT_NE(b->agent.selected_path(), old);
  EXPECT_TRUE(b->agent.is_validated(old)) << "a sends there still";
  world.run_for(Settings{}.consent_expiry - 1ms);
  EXPECT_TRUE(b->agent.is_validated(old));
  EXPECT_EQ(a->count(State::Disconnected), 0);
  const std::uint64_t refused = b->agent.counters().requests_refused;
  world.run_for(10s);
  EXPECT_FALSE(b->agent.is_validated(old));
  EXPECT_GT(b->agent.counters().requests_refused, refused);
}

TEST_F(Restart, AConflictOfRolesEndsWithOneAgentInControl) {
  connect();
  world.begin_restart(*a);
  world.begin_restart(*b);
  b->agent.set_role(Role::Controlling);
  world.introduce(*a, *b);
  world.introduce(*b, *a);
  world.trickle(*a, *b);
  world.trickle(*b, *a);
  ASSERT_TRUE(run_until_restarted(5s));
  world.run_for(5s);
  EXPECT_NE(a->agent.role(), b->agent.role());
}

TEST_F(Restart, SurvivesTwentyPercentLossFiftyTimes) {
  for (std::uint8_t seed = 1; seed <= 50; ++seed) {
    World lossy;
    Random dice = seeded(seed);
    lossy.lose = [&](const Datagram&) { return dice.below(5) == 0; };
    Node& one = lossy.add("one", Role::Controlling, {kA});
    Node& other = lossy.add("other", Role::Controlled, {kB});
    lossy.connect(one, other);
    ASSERT_TRUE(lossy.run_until_connected(one, other));
    lossy.restart(one, other);
    ASSERT_TRUE(lossy.run_until([&] { return one.restarts_done == 1 && other.restarts_done == 1; }, 1min)) << int{seed};
    EXPECT_EQ(one.count(State::Failed) + other.count(State::Failed), 0);
  }
}

TEST(ConsentUnanswered, IsSaidAtTheFirstCheckThatIsNotAnsweredAndOncePerSilence) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  Node& b = world.add("b", Role::Controlled, {kB});
  world.connect(a, b);
  ASSERT_TRUE(world.run_until_connected(a, b));
  world.run_for(1min);
  EXPECT_THAT(a.unanswered, IsEmpty());
  std::optional<TimePoint> first_lost;
  world.lose = [&](const Datagram& each) {
    if (each.from == address(kA) && is_request(each.bytes) && !first_lost) first_lost = world.now;
    return true;
  };
  ASSERT_TRUE(world.run_until([&] { return !a.unanswered.empty(); }));
  EXPECT_EQ(world.now - *first_lost, 520ms) << "the least time-out and a round trip";
  EXPECT_EQ(a.unanswered[0], a.agent.selected_path());
  EXPECT_EQ(a.agent.state(), State::Connected) << "one lost check means nothing";
  world.run_for(12s);
  EXPECT_THAT(a.unanswered, SizeIs(1));
  world.lose = [](const Datagram&) { return false; };
  ASSERT_TRUE(world.run_until_connected(a, b));
  world.lose = [](const Datagram&) { return true; };
  world.run_for(10s);
  EXPECT_THAT(a.unanswered, SizeIs(2));
}

}  // namespace
}  // namespace isotube::ice::testing
