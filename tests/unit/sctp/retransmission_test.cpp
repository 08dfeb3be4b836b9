// RFC 9260 6.3 (timer T3) and 7.2.4 (fast retransmit).
#include <gtest/gtest.h>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

/// Loses the data packets with these numbers, counted from 0.
std::function<bool(const wire::Packet&)> lose_data_packets(std::vector<int> which) {
  return [which = std::move(which), count = 0](const wire::Packet& packet) mutable {
    return packet.has_data() && std::ranges::find(which, count++) != which.end();
  };
}

TEST(SctpRetransmission, OneLostPacketComesAgainBeforeTheTimer) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(50'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  link.a.drop_if = lose_data_packets({5});
  const TimePoint start = link.now;
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(50'000, 2)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 2; }));
  EXPECT_LE(link.now - start, milliseconds(120));
  EXPECT_EQ(link.a->counters().fast_retransmits, 1U);
  EXPECT_EQ(link.a->counters().chunks_retransmitted, 1U);
  EXPECT_EQ(link.a->counters().timeouts, 0U);
}

TEST(SctpRetransmission, SeveralLostPacketsOfAFlightComeAgainBeforeTheTimer) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(100'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  link.a.drop_if = lose_data_packets({3, 4, 9, 15});
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(100'000, 2)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 2; }));
  EXPECT_EQ(link.a->counters().chunks_retransmitted, 4U);
  EXPECT_EQ(link.a->counters().timeouts, 0U);
}

TEST(SctpRetransmission, ReorderingByTwoPacketsIsNotTakenForLoss) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(50'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  // Every 10th packet is overtaken by the next two of an evenly spaced flight.
  int count = 0;
  link.a.hold = [&](const wire::Packet& packet) {
    const int number = packet.has_data() ? count++ : 0;
    return Duration(microseconds(10 * number + (number % 10 == 5 ? 25 : 0)));
  };
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(50'000, 2)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 2; }));
  EXPECT_EQ(link.a->counters().chunks_retransmitted, 0U);
}

TEST(SctpRetransmission, ALostLastPacketComesAgainByTheTimer) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("for a round trip time")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  link.run_for(seconds(1));
  link.a.drop_if = lose_data_packets({0});
  const TimePoint start = link.now;
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("last")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 2; }));
  EXPECT_GE(link.now - start, link.a.settings.rto_min);
  EXPECT_LE(link.now - start, milliseconds(500));
  EXPECT_EQ(link.a->counters().timeouts, 1U);
}

TEST(SctpRetransmission, TheTimerBacksOffAndAtLastTheAssociationIsLost) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.sent.clear();
  link.a.drop_if = [](const wire::Packet&) { return true; };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("into the void")));
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed(); }, minutes(10)));
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::Lost);
  const auto sent = link.a.data_packets();
  ASSERT_EQ(sent.size(), 11U) << "the first and max_retransmissions";
  for (std::size_t i = 2; i < sent.size(); ++i) {
    const Duration before = sent[i - 1]->at - sent[i - 2]->at;
    EXPECT_EQ(sent[i]->at - sent[i - 1]->at, std::min(2 * before, link.a.settings.rto_max));
  }
}

TEST(SctpRetransmission, ProgressResetsTheErrorCount) {
  Link link;
  ASSERT_TRUE(link.connect());
  for (std::size_t round = 1; round <= 5; ++round) {
    int lost = 0;
    link.a.drop_if = [&](const wire::Packet& packet) { return packet.has_data() && lost++ < 7; };
    ASSERT_TRUE(link.send(link.a, 1, as_byte_view("after seven losses")));
    ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == round; }, minutes(5)));
    link.run_for(seconds(1));
  }
  EXPECT_FALSE(link.a.is_closed());
}

TEST(SctpRetransmission, AfterABlackoutEverythingArrives) {
  Link link;
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  Traffic traffic(link, link.a, link.z);
  for (int i = 0; i < 50; ++i) traffic.add({.stream = 1, .size = 65'536});
  link.on_step = [&] { traffic.pump(); };
  ASSERT_TRUE(link.run_until([&] { return traffic.ledger.arrived() >= 10; }));
  link.a.drop_if = link.z.drop_if = [](const wire::Packet&) { return true; };
  link.run_for(seconds(15));
  link.a.drop_if = link.z.drop_if = {};
  ASSERT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(1)));
  EXPECT_GE(link.a->counters().timeouts, 3U);
}

TEST(SctpRetransmission, LostAcknowledgementsCostNoMoreThanATimeout) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("once")));
  link.z.drop_if = drop_first(Type::Sack, 3);
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  EXPECT_EQ(link.z.messages.size(), 1U);
  EXPECT_EQ(link.z->counters().duplicates_received, 3U);
}

TEST(SctpRetransmission, LossOfRetransmissionsIsOvercomeToo) {
  Link link;
  ASSERT_TRUE(link.connect());
  std::map<std::uint32_t, int> seen;
  link.a.drop_if = [&](const wire::Packet& packet) {
    for (const wire::Chunk& chunk : packet.chunks) {
      if (chunk.is_data() && chunk.tsn() % 10 == 0 && ++seen[chunk.tsn()] <= 3) return true;
    }
    return false;
  };
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(100'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }, minutes(2)));
}

TEST(SctpRetransmission, SustainedLossLeavesMostOfTheThroughput) {
  Link link({.seed = 3, .network = {.loss = 0.01}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  Traffic traffic(link, link.a, link.z);
  for (int i = 0; i < 160; ++i) traffic.add({.stream = 1, .size = 65'536});
  link.on_step = [&] { traffic.pump(); };
  const TimePoint start = link.now;
  ASSERT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(5)));
  // The Reno rule gives about 1.2 / sqrt(loss) packets in a round trip of 20 ms: 0.7 MB/s at 1 %.
  EXPECT_LT(link.now - start, seconds(30));
  EXPECT_LT(link.a->counters().timeouts, 20U);
}

}  // namespace
}  // namespace isotube::sctp
