// The ends of an association: in good order (RFC 9260 9.2), at once (9.1), and always exactly one Closed.
#include <gtest/gtest.h>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

void expect_closed(const Side& side, CloseReason reason) {
  ASSERT_EQ(side.closed.size(), 1U);
  EXPECT_EQ(side.closed[0].reason, reason) << side.closed[0].detail;
  EXPECT_EQ(side.association->state(), State::Closed);
}

/// After its Closed a side is silent for good.
void expect_silent(Link& link) {
  link.a.sent.clear();
  link.z.sent.clear();
  link.run_for(minutes(10));
  EXPECT_TRUE(link.a.sent.empty());
  EXPECT_TRUE(link.z.sent.empty());
  EXPECT_EQ(link.a->next_timeout(), kNever);
  EXPECT_EQ(link.z->next_timeout(), kNever);
  EXPECT_EQ(link.a->buffered_amount(), 0U);
  EXPECT_EQ(link.z->buffered_amount(), 0U);
}

bool both_closed(const Link& link) { return link.a.is_closed() && link.z.is_closed(); }

TEST(SctpShutdown, EndsBothSidesInGoodOrder) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->shutdown(link.now);
  EXPECT_EQ(link.a->state(), State::ShuttingDown);
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }));
  expect_closed(link.a, CloseReason::Shutdown);
  expect_closed(link.z, CloseReason::Shutdown);
  expect_silent(link);
}

TEST(SctpShutdown, WaitsForAllThatIsQueued) {
  Link link({.seed = 3, .network = {.jitter = milliseconds(5), .loss = 0.05}});
  ASSERT_TRUE(link.connect());
  for (std::uint16_t i = 0; i < 16; ++i) ASSERT_TRUE(link.send(link.a, i, random_bytes(65'536, i)));
  link.a->shutdown(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }, minutes(2)));
  EXPECT_EQ(link.z.messages.size(), 16U);
  expect_closed(link.a, CloseReason::Shutdown);
  expect_closed(link.z, CloseReason::Shutdown);
}

TEST(SctpShutdown, ThePeerMaySendWhatItHadQueued) {
  Link link;
  ASSERT_TRUE(link.connect());
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(link.send(link.z, 1, random_bytes(65'536, 1)));
  link.a->shutdown(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }));
  EXPECT_EQ(link.a.messages.size(), 16U);
  expect_closed(link.a, CloseReason::Shutdown);
  expect_closed(link.z, CloseReason::Shutdown);
}

TEST(SctpShutdown, BothAtOnceIsOneShutdown) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->shutdown(link.now);
  link.z->shutdown(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }));
  expect_closed(link.a, CloseReason::Shutdown);
  expect_closed(link.z, CloseReason::Shutdown);
  expect_silent(link);
}

class SctpShutdownWeather : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SctpShutdownWeather, BothAtOnceWithQueuedDataAndLoss) {
  Link link({.seed = GetParam(), .network = {.jitter = milliseconds(20), .loss = 0.15, .duplicates = 0.1}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  for (std::uint16_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(link.send(link.a, i, random_bytes(7'000, i)));
    ASSERT_TRUE(link.send(link.z, i, random_bytes(9'000, i)));
  }
  link.a->shutdown(link.now);
  link.run_for(milliseconds(static_cast<std::int64_t>(GetParam() % 100)));
  link.z->shutdown(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }, minutes(10)));
  EXPECT_EQ(link.a.messages.size(), 10U);
  EXPECT_EQ(link.z.messages.size(), 10U);
  // The last packet of all may be lost; then the other side has to find out by itself (RFC 9260 9.2).
  EXPECT_TRUE(link.a.closed[0].reason == CloseReason::Shutdown || link.z.closed[0].reason == CloseReason::Shutdown);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SctpShutdownWeather, testing::Range<std::uint64_t>(0, 60));

class SctpLostInShutdown : public testing::TestWithParam<std::tuple<Type, int>> {};

TEST_P(SctpLostInShutdown, IsSentAgain) {
  const auto [type, count] = GetParam();
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.drop_if = drop_first(type, count);
  link.z.drop_if = drop_first(type, count);
  link.a->shutdown(link.now);
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }, minutes(5)));
  expect_closed(link.a, CloseReason::Shutdown);
  expect_closed(link.z, CloseReason::Shutdown);
}

INSTANTIATE_TEST_SUITE_P(Each, SctpLostInShutdown,
                         testing::Combine(testing::Values(Type::Shutdown, Type::ShutdownAck, Type::ShutdownComplete),
                                          testing::Values(1, 3)));

TEST(SctpShutdown, APeerThatIsGoneEndsItToo) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [](const wire::Packet&) { return true; };
  link.a->shutdown(link.now);
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed(); }, minutes(10)));
  expect_closed(link.a, CloseReason::Lost);
}

TEST(SctpShutdown, WhileConnectingEnds) {
  Link link;
  link.a->connect(link.now);
  link.drain();
  link.a->shutdown(link.now);
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed(); }, minutes(5)));
  link.run_for(minutes(1));
  EXPECT_LE(link.z.closed.size(), 1U);
}

TEST(SctpShutdown, OfWhatNeverConnectedEnds) {
  Link link;
  link.a->shutdown(link.now);
  link.run_for(seconds(1));
  EXPECT_EQ(link.a->state(), State::Closed);
  EXPECT_EQ(link.a->next_timeout(), kNever);
  EXPECT_LE(link.a.closed.size(), 1U);
}

TEST(SctpShutdown, ADeafPeerThatSendsOnIsNotWaitedForForever) {
  Link link;
  ASSERT_TRUE(link.connect());
  // Z never learns of the shutdown, and sends for ever.
  link.a.drop_if = [](const wire::Packet& packet) { return packet.has(Type::Shutdown); };
  link.a->shutdown(link.now);
  link.keep_nothing();
  link.on_step = [&] {
    if (!link.z.is_closed() && link.z->buffered_amount() == 0) (void)link.send(link.z, 1, as_byte_view("more"));
  };
  EXPECT_TRUE(link.run_until([&] { return link.a.is_closed(); }, minutes(30)));
}

TEST(SctpAbort, EndsBothAtOnce) {
  Link link;
  ASSERT_TRUE(link.connect());
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(100'000, 1)));
  link.a->abort(link.now, "enough");
  EXPECT_EQ(link.a->state(), State::Closed);
  EXPECT_EQ(link.a->buffered_amount(), 0U);
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }));
  expect_closed(link.a, CloseReason::Aborted);
  expect_closed(link.z, CloseReason::PeerAborted);
  EXPECT_NE(link.z.closed[0].detail.find("enough"), std::string::npos);
  EXPECT_EQ(link.a.sent_chunks(Type::Abort), 1U);
  EXPECT_EQ(link.a.pool.stats().in_use_bytes, 0U);
  expect_silent(link);
}

TEST(SctpAbort, TwiceIsOnce) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->abort(link.now, "one");
  link.a->abort(link.now, "two");
  link.a->shutdown(link.now);
  link.run_for(seconds(1));
  EXPECT_EQ(link.a.closed.size(), 1U);
  EXPECT_EQ(link.a.sent_chunks(Type::Abort), 1U);
}

TEST(SctpAbort, WhileConnectingClosesAtOnce) {
  for (int packets : {0, 1, 2, 3}) {
    Link link;
    link.a->connect(link.now);
    link.drain();
    link.run_for(milliseconds(10 * packets));
    link.a->abort(link.now, "never mind");
    link.run_for(minutes(2));
    ASSERT_EQ(link.a.closed.size(), 1U) << packets;
    EXPECT_EQ(link.a.closed[0].reason, CloseReason::Aborted);
    EXPECT_LE(link.z.closed.size(), 1U);
  }
}

TEST(SctpAbort, AReasonOfAnyLengthFitsAPacket) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->abort(link.now, std::string(5000, 'x'));
  ASSERT_TRUE(link.run_until([&] { return both_closed(link); }));
  expect_closed(link.z, CloseReason::PeerAborted);
}

TEST(SctpAbort, WithAnotherTagIsIgnored) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.inject(link.z, {.tag = link.z.tag ^ 1, .chunks = {{.type = Type::Abort, .value = {}}}});
  EXPECT_FALSE(link.z.is_closed());
  // RFC 9260 8.5.1: with the T bit it carries the tag that the peer chose, reflected.
  link.inject(link.z, {.tag = link.z.tag, .chunks = {{.type = Type::Abort, .flags = 1, .value = {}}}});
  EXPECT_FALSE(link.z.is_closed());
  link.inject(link.z, {.tag = link.a.tag, .chunks = {{.type = Type::Abort, .flags = 1, .value = {}}}});
  EXPECT_TRUE(link.z.is_closed());
}

TEST(SctpAbort, WhatArrivesAfterwardsChangesNothing) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(50'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  const std::vector<Sent> packets = link.a.sent;
  link.z->abort(link.now, "over");
  link.drain();
  link.z.sent.clear();
  for (const Sent& packet : packets) link.inject_bytes(link.z, packet.bytes);
  link.run_for(seconds(10));
  EXPECT_EQ(link.z.closed.size(), 1U);
  EXPECT_EQ(link.z.connected, 1);
  EXPECT_EQ(link.z->next_timeout(), kNever);
}

TEST(SctpAbort, CommandsAfterTheEndDoNothing) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->abort(link.now, "over");
  link.drain();
  link.a.sent.clear();
  const StreamId stream{1};
  link.a->connect(link.now);
  link.a->reset_streams(link.now, std::span(&stream, 1));
  link.a->shutdown(link.now);
  link.a->set_buffered_amount_low_threshold(stream, 7);
  link.a->handle_timeout(link.now);
  link.drain();
  EXPECT_TRUE(link.a.sent.empty());
  EXPECT_EQ(link.a.closed.size(), 1U);
  EXPECT_EQ(link.a->state(), State::Closed);
}

}  // namespace
}  // namespace isotube::sctp
