// What the agent makes of datagrams that it can't trust, and how little it sends for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/ice/peer_by_hand.hpp"
#include "unit/ice/world.hpp"

namespace isotube::ice::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kA = "192.0.2.1:1000";
constexpr const char* kB = "192.0.2.2:2000";

struct Asked : ::testing::Test {
  World world;
  Node& a = world.add("a", Role::Controlled, {kA});
  PeerByHand peer{world, a, address(kB)};

  int refusal_of(const Datagram& request) {
    const auto answer = peer.ask(request);
    return answer ? message_of(*answer)->error().value_or(stun::ErrorCode{}).code : 0;
  }
};

using Requests = Asked;

TEST_F(Requests, AreAnsweredWithTheAddressTheyCameFromAndWithOurKey) {
  const auto answer = peer.ask(peer.check());
  ASSERT_TRUE(answer.has_value());
  const auto message = message_of(*answer).value();
  EXPECT_EQ(message.message_class(), stun::Class::Success);
  EXPECT_EQ(message.xor_address(stun::AttributeType::XorMappedAddress), address(kB));
  EXPECT_EQ(peer.key.check(message), stun::IntegrityCheck::Right);
  EXPECT_TRUE(message.fingerprint_is_right());
  EXPECT_EQ(a.agent.counters().checks_received, 1U);
}

TEST_F(Requests, ProtectedWithSha256AreAnsweredInKind) {
  auto builder = peer.begin({});
  const auto answer = peer.ask({address(kB), address(kA), builder.integrity(stun::Integrity::Sha256, peer.key).take()});
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(message_of(*answer)->integrity_sha256().has_value());
  EXPECT_EQ(peer.key.check(message_of(*answer).value()), stun::IntegrityCheck::Right);
}

TEST_F(Requests, WithTheWrongPasswordOrUserGet401AndNothingElse) {
  EXPECT_EQ(refusal_of(peer.check({.password = "guess"})), 401);
  EXPECT_EQ(refusal_of(peer.check({.username = "other:peer"})), 401);
  EXPECT_EQ(refusal_of(peer.check({.username = a.agent.local_credentials().ufrag})), 401);
  EXPECT_EQ(refusal_of(peer.check({.username = a.agent.local_credentials().ufrag + "x:peer"})), 401);
  EXPECT_EQ(a.agent.counters().requests_refused, 4U);
  EXPECT_EQ(a.agent.counters().checks_received, 0U);
  peer.introduce();
  world.run_for(1s);
  EXPECT_EQ(a.agent.counters().checks_sent, 0U) << "they trigger no check";
}

TEST_F(Requests, WithoutIntegrityOrUserGet400) {
  auto no_integrity = peer.begin({});
  EXPECT_EQ(refusal_of({address(kB), address(kA), no_integrity.fingerprint().take()}), 400);
  stun::MessageBuilder no_user(stun::Class::Request, stun::Method::Binding, {});
  no_user.u32(stun::AttributeType::Priority, 1).integrity(stun::Integrity::Sha1, peer.key);
  EXPECT_EQ(refusal_of({address(kB), address(kA), no_user.take()}), 400);
}

TEST_F(Requests, AreNeverAnsweredWithMoreBytesThanTheyHaveUnlessAuthentic) {
  const Bytes tiny = stun::MessageBuilder(stun::Class::Request, stun::Method::Binding, {}).take();
  EXPECT_FALSE(peer.ask({address(kB), address(kA), tiny}).has_value());
  EXPECT_EQ(a.agent.counters().requests_refused, 1U);
}

TEST_F(Requests, AFloodOfForgedOnesIsAnsweredAtABoundedRate) {
  const Datagram forged = peer.check({.password = "guess"});
  for (int i = 0; i < 1000; ++i) world.inject(forged.from, forged.to, forged.bytes);
  world.run_for(1s);
  EXPECT_LE(a.sent.size(), 10U);
  for (int i = 0; i < 1000; ++i) world.inject(forged.from, forged.to, forged.bytes);
  world.run_for(1s);
  EXPECT_LE(a.sent.size(), 20U);
  EXPECT_EQ(a.agent.counters().requests_refused, 2000U);
}

TEST_F(Requests, WithAnUnknownRequiredAttributeGet420WithItsType) {
  auto builder = peer.begin({});
  builder.u32(stun::AttributeType{0x7ABC}, 1).u32(stun::AttributeType{0xC001}, 1);
  const auto answer = peer.ask({address(kB), address(kA), builder.integrity(stun::Integrity::Sha1, peer.key).take()});
  ASSERT_TRUE(answer.has_value());
  const auto message = message_of(*answer).value();
  EXPECT_EQ(message.error()->code, 420);
  EXPECT_THAT(message.unknown_attributes(), ::testing::ElementsAre(stun::AttributeType{0x7ABC}));
}

TEST_F(Requests, USE_CANDIDATEBehindTheIntegrityIsNotSeen) {
  peer.introduce();
  auto builder = peer.begin({});
  builder.integrity(stun::Integrity::Sha1, peer.key).flag(stun::AttributeType::UseCandidate).fingerprint();
  peer.answers = false;
  (void)peer.ask({address(kB), address(kA), builder.take()});
  peer.answers = true;
  world.run_for(2s);
  ASSERT_EQ(a.agent.state(), State::Connected);
  // Not nominated: checks of new pairs go on.
  a.sent.clear();
  peer.offer(address("192.0.2.2:2009"));
  world.run_for(100ms);
  EXPECT_FALSE(a.sent.empty());
}

TEST_F(Requests, OfOtherMethodsAndIndicationsAreDropped) {
  auto allocate = stun::MessageBuilder(stun::Class::Request, stun::Method::Allocate, {}).take();
  world.inject(address(kB), address(kA), allocate);
  world.inject(address(kB), address(kA),
               stun::MessageBuilder(stun::Class::Indication, stun::Method::Binding, {}).fingerprint().take());
  world.run_for(1s);
  EXPECT_TRUE(a.sent.empty());
  EXPECT_EQ(a.agent.counters().requests_refused, 1U);
  EXPECT_EQ(a.agent.counters().answers_dropped, 0U);
}

TEST_F(Requests, WithAWrongFingerprintAreDropped) {
  Datagram request = peer.check();
  request.bytes.back() ^= std::byte{1};
  EXPECT_FALSE(peer.ask(request).has_value());
  EXPECT_EQ(a.agent.counters().answers_dropped, 1U);
}

struct Answered : ::testing::Test {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  PeerByHand peer{world, a, address(kB)};

  Answered() { peer.role = Role::Controlled; }
};

using Answers = Answered;

TEST_F(Answers, FromElsewhereDoNotCount) {
  peer.answers_from = address("192.0.2.2:2001");
  peer.introduce();
  peer.offer(address(kB));
  world.run_for(1s);
  EXPECT_EQ(a.agent.state(), State::Checking);
  EXPECT_GE(a.agent.counters().answers_dropped, 1U);
  EXPECT_FALSE(a.agent.is_validated({address(kA), address(kB)}));
  // Nor do they fail the pair: a true answer to a repeat still works.
  peer.answers_from.reset();
  EXPECT_TRUE(world.run_until_state(State::Connected, {&a}));
}

TEST_F(Answers, WithTheWrongPasswordDoNotCount) {
  peer.introduce();
  peer.credentials.pwd = "another password, wrong";
  peer.offer(address(kB));
  world.run_for(1s);
  EXPECT_EQ(a.agent.state(), State::Checking);
  EXPECT_GE(a.agent.counters().answers_dropped, 1U);
}

TEST_F(Answers, ToNothingThatWasAskedAreCounted) {
  peer.introduce();
  world.inject(address(kB), address(kA), peer.answer_to(peer.check()));
  world.run_for(1s);
  EXPECT_EQ(a.agent.counters().answers_dropped, 1U);
}

TEST_F(Answers, CountOnce) {
  peer.introduce();
  peer.offer(address(kB));
  world.run_for(5ms);
  const Bytes answer = peer.answer_to(peer.heard.at(0));
  ASSERT_TRUE(world.run_until_state(State::Connected, {&a}));
  const auto dropped = a.agent.counters().answers_dropped;
  world.inject(address(kB), address(kA), answer);
  world.run_for(15ms);
  EXPECT_EQ(a.agent.counters().answers_dropped, dropped + 1);
}

TEST_F(Answers, TellAnAddressOfOursThatWeDidNotKnow) {
  peer.mapped = address("203.0.113.77:7777");
  peer.introduce();
  peer.offer(address(kB));
  ASSERT_TRUE(world.run_until_state(State::Connected, {&a}));
  EXPECT_EQ(a.paths.at(0).local_type, CandidateType::PeerReflexive);
  EXPECT_EQ(a.candidates.size(), 1U) << "it is not signalled";
}

TEST_F(Answers, ThatNeverArriveDoNotMakeAStormOfTriggeredChecks) {
  // The peer's checks come through, its answers don't: each of its checks asks for one of ours.
  peer.answers = false;
  peer.introduce();
  peer.offer(address(kB));
  for (int i = 0; i < 2000; ++i) {
    (void)peer.ask(peer.check());
  }
  EXPECT_LE(a.agent.counters().checks_sent, 60U) << "in " << world.now.time_since_epoch() / 1ms << " ms";
}

TEST(Bounds, NoMoreRemoteCandidatesThanAllowed) {
  World world;
  Settings settings;
  settings.max_remote_candidates = 3;
  Node& a = world.add("a", Role::Controlling, {kA}, settings);
  PeerByHand peer(world, a, address(kB));
  peer.role = Role::Controlled;
  peer.answers = false;
  peer.introduce();
  for (std::uint16_t port = 1; port <= 10; ++port) peer.offer({address(kB).ip, port});
  world.run_for(400ms);
  EXPECT_EQ(a.sent.size(), 3U);
  EXPECT_EQ(a.agent.counters().candidates_dropped, 7U);
}

TEST(Bounds, OfTooManyPairsTheBestAreChecked) {
  World world;
  Settings settings;
  settings.max_pairs = 4;
  Node& a = world.add("a", Role::Controlling, {kA}, settings);
  PeerByHand peer(world, a, address(kB));
  peer.role = Role::Controlled;
  peer.answers = false;
  peer.introduce();
  for (std::uint16_t port = 1; port <= 10; ++port) peer.offer({address(kB).ip, port}, 1000U * port);
  world.run_for(400ms);
  ASSERT_EQ(a.sent.size(), 4U);
  for (const Datagram& each : a.sent) EXPECT_GE(each.to.port, 7);
}

TEST(Bounds, APeerWhoseAddressChangesForEverKeepsBeingHeard) {
  World world;
  Settings settings;
  settings.max_pairs = 8;
  Node& a = world.add("a", Role::Controlled, {kA}, settings);
  PeerByHand peer(world, a, address(kB));
  peer.introduce();
  for (std::uint16_t port = 3000; port < 3100; ++port) {
    const Address from{address(kB).ip, port};
    (void)peer.ask(peer.check({.nominates = true, .from = from}));
    world.run_for(6s);
    EXPECT_TRUE(a.agent.is_validated({address(kA), from}));
  }
  EXPECT_EQ(a.agent.state(), State::Connected);
}

TEST(Bounds, CandidatesThatCantBeCheckedAreDroppedAndCounted) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  PeerByHand peer(world, a, address(kB));
  peer.role = Role::Controlled;
  peer.introduce();
  for (const char* line : {"1 1 tcp 5 192.0.2.2 9 typ host tcptype active", "1 1 udp 5 192.0.2.2 0 typ host",
                           "1 1 udp 5 0.0.0.0 9 typ host", "1 1 udp 5 224.0.0.1 9 typ host",
                           "1 1 udp 5 192.0.2.2 9 typ host ufrag stale", "1 1 udp 5 x.local 9 typ host"}) {
    a.agent.add_remote_candidate(world.now, parse_candidate(line).value());
  }
  // Of another family, or loopback where we are not: they stay candidates, but make no pair.
  peer.offer(address("[2001:db8::1]:9"));
  peer.offer(address("127.0.0.1:9"));
  world.run_for(1s);
  EXPECT_EQ(a.agent.counters().candidates_dropped, 6U);
  EXPECT_TRUE(a.sent.empty());
}

TEST(Bounds, CandidatesOfAStaleGenerationAreDroppedAlsoWhenTheyCameFirst) {
  World world;
  Node& a = world.add("a", Role::Controlling, {kA});
  a.agent.add_remote_candidate(world.now, parse_candidate("1 1 udp 5 192.0.2.2 9 typ host ufrag stale").value());
  EXPECT_EQ(a.agent.counters().candidates_dropped, 0U);
  a.agent.set_remote(world.now, {"peer", "a password of the peer's"}, std::nullopt, false);
  world.run_for(1s);
  EXPECT_EQ(a.agent.counters().candidates_dropped, 1U);
  EXPECT_TRUE(a.sent.empty());
}

}  // namespace
}  // namespace isotube::ice::testing
