// HEARTBEAT (RFC 9260 8.3): an idle association knows that its peer is there, and costs next to nothing.
#include <gtest/gtest.h>

#include "unit/sctp/link.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

TEST(SctpIdle, StaysUpForTenMinutesWithFewPackets) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.sent.clear();
  link.z.sent.clear();
  link.run_for(minutes(10));
  EXPECT_EQ(link.a->state(), State::Established);
  EXPECT_EQ(link.z->state(), State::Established);
  // Each side asks every 30 s at most, and answers as often.
  EXPECT_LE(link.a.sent.size() + link.z.sent.size(), 90U);
  EXPECT_GE(link.a.sent_chunks(Type::Heartbeat), 10U);
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("still there")));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
}

TEST(SctpIdle, StaysUpWhenSomeHeartbeatsAreLost) {
  Link link({.seed = 2, .network = {.loss = 0.1}});
  ASSERT_TRUE(link.connect());
  link.run_for(std::chrono::hours(5));
  EXPECT_FALSE(link.a.is_closed());
  EXPECT_FALSE(link.z.is_closed());
}

TEST(SctpIdle, APeerThatIsGoneIsNoticed) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.drop_if = link.z.drop_if = [](const wire::Packet&) { return true; };
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed() && link.z.is_closed(); }, minutes(30)));
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::Lost);
  EXPECT_EQ(link.z.closed[0].reason, CloseReason::Lost);
}

TEST(SctpIdle, AHeartbeatIsAnsweredWithItsOwnWords) {
  Link link;
  ASSERT_TRUE(link.connect());
  for (std::size_t size : {0U, 1U, 40U, 500U, 1100U}) {
    link.z.sent.clear();
    Bytes info;
    wire::append(info, {.type = 1, .value = random_bytes(size, size)});
    if (size == 0) info.clear();
    link.inject(link.z, {.chunks = {{.type = Type::Heartbeat, .value = info}}});
    ASSERT_EQ(link.z.sent.size(), 1U) << size;
    const wire::Chunk* answer = link.z.sent[0].packet.find(Type::HeartbeatAck);
    ASSERT_NE(answer, nullptr);
    EXPECT_TRUE(answer->value == info);
  }
}

TEST(SctpIdle, AnswersToHeartbeatsThatWereNotSentAreIgnored) {
  Link link;
  ASSERT_TRUE(link.connect());
  for (std::size_t size : {0U, 3U, 4U, 8U, 12U, 24U, 900U}) {
    Bytes info;
    wire::append(info, {.type = 1, .value = random_bytes(size, 1)});
    link.inject(link.a, {.chunks = {{.type = Type::HeartbeatAck, .value = info}}});
  }
  EXPECT_FALSE(link.a.is_closed());
  EXPECT_LT(link.a->round_trip().value_or(Duration{}), seconds(1));
}

TEST(SctpIdle, AHeartbeatThatIsLongerThanOurPacketsBlocksNothing) {
  Link link;
  ASSERT_TRUE(link.connect());
  Bytes info;
  wire::append(info, {.type = 1, .value = random_bytes(1'400, 1)});
  for (int i = 0; i < 3; ++i) link.inject(link.z, {.chunks = {{.type = Type::Heartbeat, .value = info}}});
  link.z.sent.clear();
  link.inject(link.z, {.chunks = {{.type = Type::Heartbeat, .value = wire::words({0x00010008, 7})}}});
  EXPECT_EQ(link.z.sent_chunks(Type::HeartbeatAck), 1U);
}

TEST(SctpIdle, AnAnswerThatLiesAboutTheTimeIsHarmless) {
  for (std::size_t from_end : {1U, 4U, 8U}) {
    Link link;
    ASSERT_TRUE(link.connect());
    link.z.rewrite = [from_end](wire::Packet& packet) {
      if (wire::Chunk* answer = packet.find(Type::HeartbeatAck))
        answer->value.end()[-static_cast<int>(from_end)] ^= std::byte{0xFF};
    };
    link.run_for(minutes(3));
    EXPECT_FALSE(link.a.is_closed());
    EXPECT_LT(link.a->round_trip().value_or(Duration{}), seconds(1));
    EXPECT_GE(link.a->round_trip().value_or(Duration{}), Duration{});
  }
}

TEST(SctpIdle, AFloodOfHeartbeatsIsAnsweredInBounds) {
  Link link;
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  Bytes info;
  wire::append(info, {.type = 1, .value = random_bytes(1000, 1)});
  const Bytes packet = wire::write({.tag = link.z.tag, .chunks = {{.type = Type::Heartbeat, .value = info}}});
  const std::uint64_t before = link.z.polled;
  for (int i = 0; i < 50'000; ++i) link.z->handle_packet(link.now, packet);
  link.drain();
  EXPECT_LE(link.z.polled - before, 1'000U) << "what waits to be sent is bounded";
  EXPECT_FALSE(link.z.is_closed());
}

}  // namespace
}  // namespace isotube::sctp
