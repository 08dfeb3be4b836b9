// When an agent gives up, and when it must not (RFC 8838, RFC 8863).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/ice/peer_by_hand.hpp"
#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr const char* kA = "192.0.2.1:1000";
constexpr const char* kB = "192.0.2.2:2000";

Candidate candidate(const char* line) { return parse_candidate(line).value(); }

struct Alone : ::testing::Test {
  World world;
  Node* a = &world.add("a", Role::Controlling, {kA});

  void introduce() {
    a->agent.set_remote(world.now, {"peer", "a password of the peer's"}, std::nullopt, false);
    world.drain(*a);
  }
};

using GivingUp = Alone;

TEST_F(GivingUp, WaitsForThePatienceEvenWithoutAnyCandidate) {
  introduce();
  a->agent.end_of_local_addresses(world.now);
  a->agent.end_of_remote_candidates(world.now);
  world.run_for(39'499ms);
  EXPECT_EQ(a->agent.state(), State::Checking);
  world.run_for(1ms);
  EXPECT_EQ(a->agent.state(), State::Failed);
  EXPECT_EQ(a->agent.next_timeout(), kNever);
}

TEST_F(GivingUp, DoesNotHappenBeforeThePeersCandidatesEnd) {
  introduce();
  a->agent.end_of_local_addresses(world.now);
  world.run_for(10min);
  EXPECT_EQ(a->agent.state(), State::Checking);
  a->agent.end_of_remote_candidates(world.now);
  world.run_for(1ms);
  EXPECT_EQ(a->agent.state(), State::Failed);
}

TEST_F(GivingUp, DoesNotHappenBeforeOurOwnCandidatesEnd) {
  introduce();
  a->agent.end_of_remote_candidates(world.now);
  world.run_for(10min);
  EXPECT_EQ(a->agent.state(), State::Checking);
}

TEST_F(GivingUp, WaitsForChecksUnderWay) {
  introduce();
  a->agent.end_of_local_addresses(world.now);
  world.run_for(30s);
  a->agent.add_remote_candidate(world.now, candidate("1 1 udp 2130706431 192.0.2.2 2000 typ host"));
  a->agent.end_of_remote_candidates(world.now);
  world.run_for(39s);
  EXPECT_EQ(a->agent.state(), State::Checking);
  world.run_for(1s);
  EXPECT_EQ(a->agent.state(), State::Failed);
}

TEST_F(GivingUp, APeerWithNamesOnlyIsFoundByItsOwnChecks) {
  // Row I4: the name costs nothing, neither time nor an error.
  introduce();
  a->agent.add_remote_candidate(world.now, candidate("1 1 udp 2130706431 d0e3.local 2000 typ host"));
  a->agent.add_remote_candidate(world.now, candidate("1 1 udp 2130706431 example.org 2000 typ host"));
  EXPECT_EQ(a->agent.counters().candidates_dropped, 2U);
  a->agent.end_of_local_addresses(world.now);
  a->agent.end_of_remote_candidates(world.now);
  world.run_for(20s);
  EXPECT_EQ(a->agent.state(), State::Checking);
  EXPECT_TRUE(a->sent.empty());
  PeerByHand peer(world, *a, address(kB));
  peer.role = Role::Controlled;
  (void)peer.ask(peer.check());
  world.run_for(50ms);
  EXPECT_EQ(a->agent.state(), State::Connected);
  EXPECT_EQ(a->paths.at(0).remote_type, CandidateType::PeerReflexive);
}

TEST_F(GivingUp, CredentialsThatNoCheckCanCarryFailAtOnce) {
  a->agent.set_remote(world.now, {std::string(300, 'u'), "pwd"}, std::nullopt, false);
  world.drain(*a);
  EXPECT_THAT(a->states, ElementsAre(State::Checking, State::Failed));
  a->agent.add_remote_candidate(world.now, candidate("1 1 udp 2130706431 192.0.2.2 2000 typ host"));
  world.run_for(1s);
  EXPECT_TRUE(a->sent.empty());
}

TEST_F(GivingUp, AHugePacingOfThePeersIsBounded) {
  a->agent.set_remote(world.now, {"peer", "a password of the peer's"}, Duration::max(), false);
  a->agent.add_remote_candidate(world.now, candidate("1 1 udp 2130706431 192.0.2.2 2000 typ host"));
  a->agent.add_remote_candidate(world.now, candidate("2 1 udp 2130706431 192.0.2.2 2001 typ host"));
  world.lose = [](const Datagram&) { return true; };
  world.run_for(11s);
  EXPECT_GE(a->sent.size(), 2U);
}

TEST_F(GivingUp, AMalformedOrForeignErrorDoesNotFailAPair) {
  PeerByHand peer(world, *a, address(kB));
  peer.role = Role::Controlled;
  peer.answers = false;
  peer.introduce();
  peer.offer(address(kB));
  world.run_for(10ms);
  ASSERT_EQ(peer.heard.size(), 1U);
  const auto id = message_of(peer.heard[0].bytes)->transaction_id();
  // RFC 8489 9.1.4: 401 without integrity is as if it had not come.
  world.inject(
      address(kB), address(kA),
      stun::MessageBuilder(stun::Class::Error, stun::Method::Binding, id).error(401, "no").fingerprint().take());
  world.run_for(20ms);
  EXPECT_EQ(a->agent.counters().answers_dropped, 1U);
  peer.answers = true;
  ASSERT_TRUE(world.run_until_state(State::Connected, {a}));
}

TEST_F(GivingUp, AnAuthenticErrorFailsThePairAtOnce) {
  PeerByHand peer(world, *a, address(kB));
  peer.role = Role::Controlled;
  peer.answers = false;
  peer.introduce();
  peer.offer(address(kB));
  a->agent.end_of_local_addresses(world.now);
  a->agent.end_of_remote_candidates(world.now);
  world.run_for(10ms);
  stun::IntegrityKey key(as_byte_view(peer.credentials.pwd));
  world.inject(address(kB), address(kA),
               stun::MessageBuilder(stun::Class::Error, stun::Method::Binding,
                                    message_of(peer.heard.at(0).bytes)->transaction_id())
                   .error(400, "\xFF\xFE")
                   .integrity(stun::Integrity::Sha1, key)
                   .fingerprint()
                   .take());
  peer.heard.clear();
  world.run_for(38s);
  EXPECT_TRUE(peer.heard.empty()) << "no repeats";
  EXPECT_EQ(a->agent.state(), State::Checking);
  world.run_for(2s);
  EXPECT_EQ(a->agent.state(), State::Failed);
}

}  // namespace
}  // namespace isotube::ice::testing
