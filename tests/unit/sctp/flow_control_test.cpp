// The receiver's window (RFC 9260 6.1 and 6.2), and what the sender may queue.
#include <gtest/gtest.h>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

constexpr std::size_t kWindow = 64 * 1024;

/// Payload bytes that left A for the first time.
std::size_t first_bytes(const Side& side) {
  std::map<std::uint32_t, std::size_t> by_tsn;
  for (const Sent* sent : side.data_packets()) {
    for (const wire::Chunk& chunk : sent->packet.chunks) {
      if (chunk.is_data()) by_tsn[chunk.tsn()] = chunk.payload_size();
    }
  }
  std::size_t total = 0;
  for (const auto& [tsn, size] : by_tsn) total += size;
  return total;
}

std::uint32_t last_window(const Side& side) {
  for (auto sent = side.sent.rbegin(); sent != side.sent.rend(); ++sent) {
    if (const wire::Chunk* sack = sent->packet.find(Type::Sack)) return sack->window();
  }
  return 0xFFFFFFFF;
}

TEST(SctpFlowControl, TheWindowIsAnnouncedInTheHandshake) {
  Link link({.z = {.receive_window = kWindow}});
  ASSERT_TRUE(link.connect());
  EXPECT_EQ(wire::u32_at(link.z.sent[0].packet.chunks[0].value, 4), kWindow);
}

TEST(SctpFlowControl, AReaderThatStopsStopsTheSender) {
  Link link({.z = {.receive_window = kWindow}});
  ASSERT_TRUE(link.connect());
  link.z.reading = false;
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(16 * 1024, 1)));
  link.run_for(seconds(30));
  EXPECT_GE(first_bytes(link.a), kWindow - 16 * 1024);
  EXPECT_LE(first_bytes(link.a), kWindow + 3 * 1160) << "the window and a few probes";
  EXPECT_LE(link.z.pool.stats().in_use_bytes, 4 * kWindow);
}

TEST(SctpFlowControl, AClosedWindowIsProbedAndTheAssociationStaysUp) {
  Link link({.z = {.receive_window = kWindow}});
  ASSERT_TRUE(link.connect());
  link.z.reading = false;
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(16 * 1024, 1)));
  link.run_for(seconds(30));
  link.a.sent.clear();
  link.run_for(minutes(10));
  EXPECT_GE(link.a.data_packets().size(), 10U);
  EXPECT_LE(link.a.data_packets().size(), 1000U);
  EXPECT_FALSE(link.a.is_closed());
  EXPECT_FALSE(link.z.is_closed());
  link.z.reading = true;
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 64; }));
}

TEST(SctpFlowControl, AReaderThatReadsAgainIsHeardOfAtOnce) {
  Link link({.z = {.receive_window = kWindow}});
  ASSERT_TRUE(link.connect());
  link.z.reading = false;
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(16 * 1024, 1)));
  link.run_for(seconds(30));
  EXPECT_LT(last_window(link.z), 1500U);
  link.z.reading = true;
  const TimePoint start = link.now;
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 64; }));
  EXPECT_LT(link.now - start, seconds(1)) << "no probe timer was needed";
}

TEST(SctpFlowControl, ALostWindowUpdateIsMadeUpForByAProbe) {
  Link link({.z = {.receive_window = kWindow}});
  ASSERT_TRUE(link.connect());
  link.z.reading = false;
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(16 * 1024, 1)));
  link.run_for(seconds(30));
  link.z.drop_if = [](const wire::Packet&) { return true; };
  link.z.reading = true;
  link.run_for(milliseconds(100));
  link.z.drop_if = {};
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 64; }, seconds(60)));
}

class SctpSlowReader : public testing::TestWithParam<std::tuple<bool, std::uint64_t>> {};

TEST_P(SctpSlowReader, EverythingArrivesHoweverSlowlyItIsRead) {
  const auto [interleave, seed] = GetParam();
  Link link({.seed = seed,
             .network = {.jitter = milliseconds(3), .loss = 0.03},
             .a = {.offer_interleaving = interleave},
             .z = {.receive_window = kWindow}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  Traffic traffic(link, link.a, link.z, seed);
  for (std::uint16_t i = 0; i < 200; ++i) {
    traffic.add({.stream = static_cast<std::uint16_t>(i % 5), .size = std::size_t{1} + (i * 977U) % 12'000U});
  }
  TimePoint next_read = link.now;
  link.on_step = [&] {
    traffic.pump();
    link.z.reading = link.now >= next_read;
    if (link.z.reading) next_read = link.now + milliseconds(500);
  };
  ASSERT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(30)));
}

INSTANTIATE_TEST_SUITE_P(Seeds, SctpSlowReader, testing::Combine(testing::Bool(), testing::Range<std::uint64_t>(1, 6)));

class SctpManyLarge : public testing::TestWithParam<std::tuple<std::size_t, bool>> {};

/// Parts of messages wait for the rest of theirs: when parts of many messages fill the window, none can be finished.
TEST_P(SctpManyLarge, MessagesOnManyStreamsDoNotDeadlockTheWindow) {
  const auto [window, interleave] = GetParam();
  Link link({.network = {.delay = milliseconds(2), .loss = 0.01},
             .a = {.offer_interleaving = interleave},
             .z = {.receive_window = window}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  Traffic traffic(link, link.a, link.z);
  for (std::uint16_t i = 0; i < 100; ++i) traffic.add({.stream = i, .size = 262'144});
  link.on_step = [&] { traffic.pump(); };
  EXPECT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(30)))
      << traffic.ledger.arrived() << " of 100 messages arrived";
  EXPECT_FALSE(link.a.is_closed());
}

INSTANTIATE_TEST_SUITE_P(Windows, SctpManyLarge,
                         testing::Combine(testing::Values(std::size_t{4} << 20, std::size_t{1} << 20,
                                                          std::size_t{300'000}),
                                          testing::Bool()));

TEST(SctpFlowControl, SendIsRefusedOverTheLimitAndTakenAgainBelowIt) {
  Link link({.a = {.send_limit = 100'000}});
  ASSERT_TRUE(link.connect());
  const Bytes bytes = random_bytes(10'000, 1);
  int sent = 0;
  std::expected<void, SendError> result;
  while ((result = link.send(link.a, 1, bytes)) && sent < 1000) ++sent;
  EXPECT_EQ(result.error(), SendError::WouldBlock);
  EXPECT_EQ(sent, 10);
  EXPECT_EQ(link.a->buffered_amount(), 100'000U);
  EXPECT_EQ(link.send(link.a, 2, bytes).error(), SendError::WouldBlock) << "the limit is for all streams";
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  EXPECT_TRUE(link.send(link.a, 1, bytes));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 11; }));
}

TEST(SctpFlowControl, BufferedAmountLowComesOnceWhenTheThresholdIsCrossed) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->set_buffered_amount_low_threshold(StreamId{1}, 50'000);
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(10'000, 1)));
    bool low_seen_above = false;
    link.on_step = [&] {
      low_seen_above |=
          link.a.low.size() == static_cast<std::size_t>(round) && link.a->buffered_amount(StreamId{1}) > 50'000;
    };
    ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
    EXPECT_FALSE(low_seen_above);
    ASSERT_EQ(link.a.low.size(), static_cast<std::size_t>(round));
    EXPECT_EQ(link.a.low.back(), StreamId{1});
  }
}

TEST(SctpFlowControl, BufferedAmountLowDoesNotComeForWhatWasNeverAbove) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->set_buffered_amount_low_threshold(StreamId{1}, 50'000);
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(10'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  EXPECT_TRUE(link.a.low.empty());
}

TEST(SctpFlowControl, WithoutAThresholdLowMeansEmpty) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(10'000, 1)));
  ASSERT_TRUE(link.send(link.a, 2, random_bytes(100'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  EXPECT_EQ(numbers(link.a.low), (std::vector<std::uint16_t>{1, 2}));
}

TEST(SctpFlowControl, BufferedAmountCountsEachStreamAlone) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(300'0, 1)));
  ASSERT_TRUE(link.send(link.a, 2, random_bytes(70, 1)));
  EXPECT_EQ(link.a->buffered_amount(StreamId{1}), 3000U);
  EXPECT_EQ(link.a->buffered_amount(StreamId{2}), 70U);
  EXPECT_EQ(link.a->buffered_amount(StreamId{3}), 0U);
  EXPECT_EQ(link.a->buffered_amount(), 3070U);
  link.drain();
  EXPECT_EQ(link.a->buffered_amount(), 3070U) << "sent is not acknowledged";
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  EXPECT_EQ(link.a->buffered_amount(StreamId{1}), 0U);
}

}  // namespace
}  // namespace isotube::sctp
