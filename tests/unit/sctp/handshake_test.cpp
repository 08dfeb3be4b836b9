#include <gtest/gtest.h>

#include "unit/sctp/link.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

bool both_connected(const Link& link) { return link.a.connected == 1 && link.z.connected == 1; }

/// A connected pair is one that carries a message each way.
void expect_carries(Link& link) {
  const std::size_t a_had = link.a.messages.size();
  const std::size_t z_had = link.z.messages.size();
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("there")));
  ASSERT_TRUE(link.send(link.z, 1, as_byte_view("back")));
  EXPECT_TRUE(link.run_until([&] { return link.a.messages.size() > a_had && link.z.messages.size() > z_had; }));
}

TEST(SctpHandshake, OneSideConnectsAndBothAreConnected) {
  Link link;
  EXPECT_EQ(link.a->state(), State::Closed);
  link.a->connect(link.now);
  EXPECT_EQ(link.a->state(), State::CookieWait);
  ASSERT_TRUE(link.run_until([&] { return both_connected(link); }));
  EXPECT_EQ(link.a->state(), State::Established);
  EXPECT_EQ(link.z->state(), State::Established);
  EXPECT_EQ(link.a->outgoing_streams(), 1024);
  EXPECT_EQ(link.z->outgoing_streams(), 1024);
  EXPECT_TRUE(link.a->interleaving());
  EXPECT_TRUE(link.z->interleaving());
  expect_carries(link);
}

TEST(SctpHandshake, TakesTwoRoundTripsAndFourPackets) {
  Link link;
  const TimePoint start = link.now;
  ASSERT_TRUE(link.connect());
  EXPECT_EQ(link.now - start, milliseconds(40));
  EXPECT_EQ(link.a.sent.size(), 2U);
  EXPECT_EQ(link.z.sent.size(), 2U);
}

TEST(SctpHandshake, AMessageQueuedWhileConnectingArrivesFirst) {
  Link link;
  link.a->connect(link.now);
  ASSERT_TRUE(link.send(link.a, 3, as_byte_view("early")));
  EXPECT_EQ(link.a->buffered_amount(), 5U);
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "early");
  EXPECT_EQ(link.z.connected, 1);
}

TEST(SctpHandshake, BothConnectAtOnceAndGetOneAssociation) {
  Link link;
  link.a->connect(link.now);
  link.z->connect(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_connected(link); }));
  expect_carries(link);
  link.run_for(seconds(30));
  EXPECT_EQ(link.a.connected, 1);
  EXPECT_EQ(link.z.connected, 1);
}

class SctpCollision : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SctpCollision, BothConnectAroundTheSameTimeOverABadNetwork) {
  Link link({.seed = GetParam(), .network = {.jitter = milliseconds(30), .loss = 0.15, .duplicates = 0.1}});
  link.a->connect(link.now);
  link.run_for(milliseconds(static_cast<std::int64_t>(GetParam() % 50)));
  link.z->connect(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_connected(link); }));
  expect_carries(link);
  EXPECT_FALSE(link.a.is_closed());
  EXPECT_FALSE(link.z.is_closed());
}

INSTANTIATE_TEST_SUITE_P(Seeds, SctpCollision, testing::Range<std::uint64_t>(0, 200));

struct LostChunk {
  Type type;
  bool from_a;
};

class SctpLostInHandshake : public testing::TestWithParam<LostChunk> {};

TEST_P(SctpLostInHandshake, IsSentAgainAfterTheInitialTimeout) {
  Link link;
  (GetParam().from_a ? link.a : link.z).drop_if = drop_first(GetParam().type);
  const TimePoint start = link.now;
  ASSERT_TRUE(link.connect());
  EXPECT_GE(link.now - start, seconds(1));
  EXPECT_LE(link.now - start, milliseconds(1100));
  expect_carries(link);
}

TEST_P(SctpLostInHandshake, MayBeLostAgainAndAgain) {
  Link link;
  (GetParam().from_a ? link.a : link.z).drop_if = drop_first(GetParam().type, 5);
  ASSERT_TRUE(link.connect());
  expect_carries(link);
}

TEST_P(SctpLostInHandshake, WhenItNeverComesTheAssociationIsLost) {
  Link link;
  (GetParam().from_a ? link.a : link.z).drop_if = drop_first(GetParam().type, 1'000'000);
  link.a->connect(link.now);
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed(); }, minutes(5)));
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::Lost);
  EXPECT_EQ(link.a.connected, 0);
  EXPECT_EQ(link.a->state(), State::Closed);
}

INSTANTIATE_TEST_SUITE_P(Each, SctpLostInHandshake,
                         testing::Values(LostChunk{Type::Init, true}, LostChunk{Type::InitAck, false},
                                         LostChunk{Type::CookieEcho, true}, LostChunk{Type::CookieAck, false}));

TEST(SctpHandshake, NobodyAnswers) {
  Link link;
  link.a.drop_if = [](const wire::Packet&) { return true; };
  link.a->connect(link.now);
  ASSERT_TRUE(link.send(link.a, 0, as_byte_view("never")));
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed(); }, minutes(5)));
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::Lost);
  EXPECT_EQ(link.a.sent_chunks(Type::Init), 9U);  // the first and max_init_retransmissions
  EXPECT_EQ(link.a->next_timeout(), kNever);
  // RFC 9260 6.3.3: each wait is twice the last, up to rto_max.
  EXPECT_EQ(link.a.sent[1].at - link.a.sent[0].at, seconds(1));
  EXPECT_EQ(link.a.sent[2].at - link.a.sent[1].at, seconds(2));
  EXPECT_EQ(link.a.sent[8].at - link.a.sent[7].at, seconds(10));
}

TEST(SctpHandshake, TheSmallerNumberOfStreamsHolds) {
  Link link({.z = {.streams = 16}});
  ASSERT_TRUE(link.connect());
  EXPECT_EQ(link.a->outgoing_streams(), 16);
  EXPECT_EQ(link.z->outgoing_streams(), 16);
}

TEST(SctpHandshake, MessagesQueuedForStreamsThatThePeerDoesNotHaveEndNothing) {
  Link link({.z = {.streams = 16}});
  link.a->connect(link.now);
  (void)link.send(link.a, 500, as_byte_view("nowhere"));
  ASSERT_TRUE(link.run_until([&] { return both_connected(link); }));
  expect_carries(link);
  link.run_for(seconds(1));
  EXPECT_EQ(link.a->buffered_amount(), 0U);
}

TEST(SctpHandshake, InterleavingNeedsBoth) {
  Link link({.z = {.offer_interleaving = false}});
  ASSERT_TRUE(link.connect());
  EXPECT_FALSE(link.a->interleaving());
  EXPECT_FALSE(link.z->interleaving());
  expect_carries(link);
  EXPECT_EQ(link.a.sent_chunks(Type::InterleavedData), 0U);
}

TEST(SctpHandshake, RepeatsOfItsPacketsAreHarmlessAfterwards) {
  Link link;
  ASSERT_TRUE(link.connect());
  const std::vector<Sent> from_a = link.a.sent;
  const std::vector<Sent> from_z = link.z.sent;
  for (const Sent& packet : from_a) link.inject_bytes(link.z, packet.bytes);
  for (const Sent& packet : from_z) link.inject_bytes(link.a, packet.bytes);
  link.run_for(seconds(5));
  EXPECT_EQ(link.a->state(), State::Established);
  EXPECT_EQ(link.z->state(), State::Established);
  EXPECT_EQ(link.a.connected, 1);
  EXPECT_EQ(link.z.connected, 1);
  expect_carries(link);
}

TEST(SctpHandshake, RepeatsAreHarmlessAfterACollisionToo) {
  Link link;
  link.a->connect(link.now);
  link.z->connect(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_connected(link); }));
  expect_carries(link);
  const std::vector<Sent> from_a = link.a.sent;
  const std::vector<Sent> from_z = link.z.sent;
  for (const Sent& packet : from_a) link.inject_bytes(link.z, packet.bytes);
  for (const Sent& packet : from_z) link.inject_bytes(link.a, packet.bytes);
  link.run_for(seconds(5));
  EXPECT_FALSE(link.a.is_closed());
  EXPECT_FALSE(link.z.is_closed());
  expect_carries(link);
}

TEST(SctpHandshake, ANewInitOnAnOpenAssociationClosesIt) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.inject(link.z, {.chunks = {wire::init(/*tag=*/0x12345678, /*tsn=*/1)}});
  ASSERT_TRUE(link.z.is_closed());
  EXPECT_EQ(link.z.closed[0].reason, CloseReason::PeerRestarted);
  EXPECT_EQ(link.z->state(), State::Closed);
  EXPECT_EQ(link.z->next_timeout(), kNever);
}

TEST(SctpHandshake, AChangedCookieMakesNoAssociation) {
  Link link;
  bool spoil = true;
  link.a.rewrite = [&](wire::Packet& packet) {
    if (wire::Chunk* cookie = packet.find(Type::CookieEcho); cookie != nullptr && spoil)
      cookie->value[9] ^= std::byte{1};
  };
  link.a->connect(link.now);
  link.run_for(milliseconds(900));
  EXPECT_EQ(link.z.connected, 0);
  spoil = false;
  ASSERT_TRUE(link.run_until([&] { return both_connected(link); }));
  expect_carries(link);
}

TEST(SctpHandshake, AStaleCookieMakesNoAssociation) {
  Link link({.z = {.cookie_life = milliseconds(100)}});
  link.a.hold = [](const wire::Packet& packet) {
    return packet.has(Type::CookieEcho) ? Duration(milliseconds(200)) : Duration{};
  };
  link.a->connect(link.now);
  link.run_for(minutes(5));
  EXPECT_EQ(link.z.connected, 0);
  EXPECT_EQ(link.a.connected, 0);
  EXPECT_EQ(link.a.closed.size(), 1U);
}

TEST(SctpHandshake, InitsThatBreakTheRulesMakeNoAssociation) {
  Link link;
  const wire::Chunk right = wire::init(7, 7);
  wire::Chunk no_tag = wire::init(0, 7);
  wire::Chunk no_streams = wire::init(7, 7, 0);
  wire::Chunk cut = right;
  cut.value.resize(12);
  wire::Chunk tiny_window = right;
  wire::put_u32(tiny_window.value, 4, 100);  // RFC 9260 3.3.2: less than 1500 may be refused, and must not crash
  for (const wire::Chunk& bad : {no_tag, no_streams, cut, tiny_window}) {
    link.inject(link.z, {.chunks = {bad}});
    EXPECT_EQ(link.z.connected, 0);
  }
  link.inject(link.z, {.tag = 9, .chunks = {right}});          // RFC 9260 8.5.1: an INIT has no tag
  link.inject(link.z, {.chunks = {right, wire::sack(1, 1)}});  // and no company
  EXPECT_FALSE(link.z.is_closed());
  EXPECT_EQ(link.z->state(), State::Closed);
  ASSERT_TRUE(link.connect());
  expect_carries(link);
}

TEST(SctpHandshake, AFloodOfInitsLeavesNothingBehind) {
  Link link;
  for (std::uint32_t i = 1; i < 20'000; ++i) {
    const Bytes packet = wire::write({.chunks = {wire::init(i, i)}});
    link.z->handle_packet(link.now, packet);
  }
  EXPECT_EQ(link.z->state(), State::Closed);
  EXPECT_EQ(link.z.pool.stats().in_use_bytes, 0U);
  link.z.keep_sent = false;
  link.drain();
  EXPECT_LT(link.z.polled, 1'000U) << "the answers that wait to be sent are bounded";
  ASSERT_TRUE(link.connect());
  expect_carries(link);
}

TEST(SctpHandshake, UnknownParametersOfInitAreSkippedOrReported) {
  Link link;
  link.a.rewrite = [](wire::Packet& packet) {
    if (wire::Chunk* init = packet.find(Type::Init)) {
      // RFC 9260 3.2.1: the upper two bits say skip (10) or skip and report (11).
      wire::append(init->value, {.type = 0x8F01, .value = Bytes(5)});
      wire::append(init->value, {.type = 0xCF02, .value = Bytes(6)});
    }
  };
  ASSERT_TRUE(link.connect());
  const wire::Chunk* answer = link.z.sent[0].packet.find(Type::InitAck);
  ASSERT_NE(answer, nullptr);
  std::vector<std::uint16_t> reported;
  for (const wire::Parameter& parameter : wire::parameters(*answer, 16)) {
    if (parameter.type == 8) reported.push_back(wire::u16_at(parameter.value, 0));
  }
  EXPECT_EQ(reported, std::vector<std::uint16_t>{0xCF02});
  expect_carries(link);
}

TEST(SctpHandshake, AnAbortInAnswerToInitClosesAtOnce) {
  Link link;
  link.a->connect(link.now);
  link.drain();
  const std::uint32_t tag = *link.a.announced_tags.begin();
  // RFC 9260 8.4: whoever knows no association answers with the tag that came, which is A's only in the T = 0 form.
  link.inject(link.a, {.tag = tag, .chunks = {{.type = Type::Abort, .value = {}}}});
  ASSERT_TRUE(link.a.is_closed());
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::PeerAborted);
}

TEST(SctpHandshake, SurvivesBeingMovedAtAnyTime) {
  Link link;
  link.on_step = [&] {
    for (Side* side : {&link.a, &link.z}) *side->association = Association(std::move(*side->association));
  };
  ASSERT_TRUE(link.connect());
  expect_carries(link);
}

}  // namespace
}  // namespace isotube::sctp
