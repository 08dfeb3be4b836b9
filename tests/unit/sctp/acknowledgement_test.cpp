// When a SACK is sent, and what it says (RFC 9260 6.2).
#include <gtest/gtest.h>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

const Sent* last_sack(const Side& side) {
  for (auto sent = side.sent.rbegin(); sent != side.sent.rend(); ++sent) {
    if (sent->packet.has(Type::Sack)) return &*sent;
  }
  return nullptr;
}

TEST(SctpAcknowledgement, OfOnePacketAloneWaitsALittle) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.run_for(seconds(1));
  link.z.sent.clear();
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("alone")));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  const TimePoint arrived = link.now;
  EXPECT_TRUE(link.z.sent.empty());
  link.run_for(seconds(1));
  ASSERT_EQ(link.z.sent.size(), 1U);
  EXPECT_GT(link.z.sent[0].at, arrived);
  EXPECT_LE(link.z.sent[0].at - arrived, link.z.settings.delayed_sack);
}

TEST(SctpAcknowledgement, OfTwoPacketsDoesNotWait) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.run_for(seconds(1));
  link.z.sent.clear();
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(2000, 1)));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  ASSERT_EQ(link.z.sent.size(), 1U);
  EXPECT_EQ(link.z.sent[0].at, link.now);
}

TEST(SctpAcknowledgement, CountsPacketsAndNotChunks) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.run_for(seconds(1));
  link.z.sent.clear();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(link.send(link.a, 1, as_byte_view("in one packet")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 5; }));
  EXPECT_TRUE(link.z.sent.empty()) << "one packet: its acknowledgement waits";
  link.run_for(seconds(1));
  EXPECT_EQ(link.z.sent.size(), 1U);
}

TEST(SctpAcknowledgement, IsSentForEverySecondPacketAtMost) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.z.sent.clear();
  // Spaced, so that packets do not come in one batch.
  link.a.hold = [count = 0](const wire::Packet&) mutable { return Duration(microseconds(10 * count++)); };
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(250'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  const std::size_t packets = link.a.data_packets().size();
  EXPECT_LE(link.z.sent_chunks(Type::Sack), packets / 2 + 5);
  EXPECT_GE(link.z.sent_chunks(Type::Sack), packets / 4) << "RFC 9260 6.2: at least every second packet";
}

TEST(SctpAcknowledgement, TravelsWithDataThatGoesTheOtherWay) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.run_for(seconds(1));
  link.z.sent.clear();
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("question")));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  ASSERT_TRUE(link.send(link.z, 1, as_byte_view("answer")));
  link.run_for(seconds(1));
  ASSERT_EQ(link.z.sent_chunks(Type::Sack), 1U);
  EXPECT_TRUE(link.z.sent[0].packet.has(Type::Sack));
  EXPECT_TRUE(link.z.sent[0].packet.has_data());
}

TEST(SctpAcknowledgement, OfAGapIsSentAtOnceAndNamesIt) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.run_for(seconds(1));
  link.z.sent.clear();
  link.a.drop_if = [first = true](const wire::Packet& packet) mutable {
    return packet.has_data() && std::exchange(first, false);
  };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("lost")));
  link.drain();
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("arrives")));
  link.run_for(milliseconds(10));
  ASSERT_EQ(link.z.sent.size(), 1U);
  const wire::Chunk* sack = link.z.sent[0].packet.find(Type::Sack);
  ASSERT_NE(sack, nullptr);
  ASSERT_EQ(sack->gaps(), 1U);
  EXPECT_EQ(wire::u16_at(sack->value, 12), 2);  // the second TSN after the cumulative one, and only it
  EXPECT_EQ(wire::u16_at(sack->value, 14), 2);
}

TEST(SctpAcknowledgement, IsAtOnceAsLongAsThereIsAGap) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.run_for(seconds(1));
  link.z.sent.clear();
  link.a.drop_if = [first = true](const wire::Packet& packet) mutable {
    return packet.has_data() && std::exchange(first, false);
  };
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(link.send(link.a, 1, as_byte_view("one packet each")));
    link.run_for(milliseconds(1));
  }
  link.run_for(milliseconds(12));
  EXPECT_EQ(link.z.sent_chunks(Type::Sack), 2U) << "one for each packet after the lost one";
}

TEST(SctpAcknowledgement, IsAtOnceWhenTheSenderAsksForIt) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.run_for(seconds(1));
  link.z.sent.clear();
  link.a.rewrite = [](wire::Packet& packet) {
    for (wire::Chunk& chunk : packet.chunks) {
      if (chunk.is_data()) chunk.flags |= wire::kImmediate;  // RFC 7053
    }
  };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("now")));
  link.run_for(milliseconds(10));
  EXPECT_EQ(link.z.sent_chunks(Type::Sack), 1U);
}

TEST(SctpAcknowledgement, CumulativeReachesTheLastTsnWhenAllArrived) {
  Link link({.seed = 4, .network = {.jitter = milliseconds(10), .loss = 0.1}});
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(200'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  std::uint32_t last = 0;
  for (const Sent* sent : link.a.data_packets()) {
    for (const wire::Chunk& chunk : sent->packet.chunks) {
      if (chunk.is_data() && chunk.has(wire::kEnd)) last = chunk.tsn();
    }
  }
  EXPECT_EQ(last_sack(link.z)->packet.find(Type::Sack)->tsn(), last);
  EXPECT_EQ(last_sack(link.z)->packet.find(Type::Sack)->gaps(), 0U);
}

TEST(SctpAcknowledgement, WithMoreGapsThanFitStaysWithinAPacket) {
  Link link;
  ASSERT_TRUE(link.connect());
  // Every second packet of a long flight is lost: hundreds of gaps.
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(200'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  link.a.drop_if = [count = 0](const wire::Packet& packet) mutable { return packet.has_data() && count++ % 2 == 0; };
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(200'000, 1)));
  link.run_for(milliseconds(100));
  link.a.drop_if = {};
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 30; }, minutes(2)));
}

}  // namespace
}  // namespace isotube::sctp
