// RFC 8260: with interleaving a long message holds up nobody; without it (RFC 8831 6.6) messages at least take turns.
#include <gtest/gtest.h>

#include <map>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

Link::Options with(bool interleaving) { return {.a = {.offer_interleaving = interleaving}}; }

TEST(SctpInterleaving, ASmallMessageOvertakesALargeOneOnAnotherStream) {
  Link link(with(true));
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(262'144, 1)));
  ASSERT_TRUE(link.send(link.a, 2, as_byte_view("small")));
  const TimePoint start = link.now;
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "small");
  EXPECT_LE(link.now - start, milliseconds(11)) << "in the first flight";
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 2; }));
  EXPECT_EQ(link.a.sent_chunks(Type::Data), 0U);
}

TEST(SctpInterleaving, UnorderedAndOrderedLargeMessagesOfOneStreamDoNotMixUp) {
  Link link({.seed = 5, .network = {.jitter = milliseconds(5), .loss = 0.05}, .a = {.offer_interleaving = true}});
  ASSERT_TRUE(link.connect());
  Traffic traffic(link, link.a, link.z);
  for (int i = 0; i < 40; ++i) traffic.add({.stream = 1, .size = 30'000, .options = {.ordered = i % 2 == 0}});
  link.on_step = [&] { traffic.pump(); };
  ASSERT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(5)));
}

TEST(SctpInterleaving, StreamsShareTheWayFairly) {
  Link link(with(true));
  ASSERT_TRUE(link.connect());
  for (std::uint16_t stream = 0; stream < 10; ++stream) {
    ASSERT_TRUE(link.send(link.a, stream, random_bytes(100'000, stream)));
  }
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 10; }));
  // When the first stream is done, each other has at least half of its bytes behind it.
  std::map<std::uint16_t, std::size_t> sent;
  for (const Sent* packet : link.a.data_packets()) {
    for (const wire::Chunk& chunk : packet->packet.chunks) sent[chunk.stream()] += chunk.payload_size();
    if (std::ranges::any_of(sent, [](const auto& each) { return each.second >= 100'000; })) break;
  }
  EXPECT_EQ(sent.size(), 10U);
  for (const auto& [stream, bytes] : sent) EXPECT_GE(bytes, 50'000U) << "stream " << stream;
}

TEST(SctpWithoutInterleaving, MessagesTakeTurns) {
  Link link(with(false));
  ASSERT_TRUE(link.connect());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(65'536, 1)));
  ASSERT_TRUE(link.send(link.a, 2, as_byte_view("small")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 11; }));
  std::size_t place = 0;
  while (link.z.messages[place].stream != StreamId{2}) ++place;
  EXPECT_LE(place, 1U) << "after at most one long message";
}

TEST(SctpWithoutInterleaving, TheFragmentsOfAMessageStayTogether) {
  Link link(with(false));
  ASSERT_TRUE(link.connect());
  for (std::uint16_t i = 0; i < 30; ++i) {
    ASSERT_TRUE(link.send(link.a, i % 5, random_bytes(10'000, i), {.ordered = i % 3 != 0}));
  }
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 30; }));
  // RFC 9260 6.9: the TSNs of a message follow each other, so that B and E alone mark its ends.
  std::optional<std::uint16_t> open_on;
  for (const Sent* sent : link.a.data_packets()) {
    for (const wire::Chunk& chunk : sent->packet.chunks) {
      if (!chunk.is_data()) continue;
      EXPECT_EQ(chunk.type, Type::Data);
      EXPECT_EQ(chunk.has(wire::kBegin), !open_on.has_value());
      EXPECT_EQ(open_on.value_or(chunk.stream()), chunk.stream());
      open_on = chunk.has(wire::kEnd) ? std::nullopt : std::optional(chunk.stream());
    }
  }
}

TEST(SctpInterleaving, AManyStreamLoadDoesNotStarveASmallMessage) {
  Link link(with(true));
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  std::size_t large_arrived = 0;
  std::vector<Duration> waits;
  TimePoint asked{};
  link.z.on_message = [&](const MessageReceived& received) {
    if (received.stream == StreamId{0}) {
      waits.push_back(link.now - asked);
    } else {
      ++large_arrived;
    }
  };
  link.on_step = [&] {
    for (std::uint16_t stream = 1; stream <= 10; ++stream) {
      if (link.a->buffered_amount(StreamId{stream}) == 0) (void)link.send(link.a, stream, random_bytes(100'000, 1));
    }
    if (link.now - asked >= milliseconds(100)) {
      asked = link.now;
      (void)link.send(link.a, 0, as_byte_view("ping"));
    }
  };
  link.run_for(seconds(5));
  EXPECT_GT(large_arrived, 100U);
  ASSERT_GE(waits.size(), 40U);
  std::ranges::sort(waits);
  EXPECT_LE(waits[waits.size() / 2], milliseconds(60));
}

}  // namespace
}  // namespace isotube::sctp
