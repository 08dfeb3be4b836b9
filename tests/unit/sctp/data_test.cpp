#include <gtest/gtest.h>

#include <unordered_set>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

Settings interleaving(bool on) { return {.offer_interleaving = on}; }

class SctpSizes : public testing::TestWithParam<std::tuple<std::size_t, bool, bool>> {};

TEST_P(SctpSizes, AMessageArrivesAsItWasSent) {
  const auto [size, ordered, interleave] = GetParam();
  Link link({.a = interleaving(interleave)});
  ASSERT_TRUE(link.connect());
  const Bytes bytes = random_bytes(size, size);
  ASSERT_TRUE(link.send(link.a, 7, bytes, {.ppid = Ppid{0xA1B2C3D4}, .ordered = ordered}));
  EXPECT_EQ(link.a->buffered_amount(), size);
  EXPECT_EQ(link.a->buffered_amount(StreamId{7}), size);
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty() && link.a->buffered_amount() == 0; }));
  const Message& message = link.z.messages[0];
  EXPECT_EQ(message.stream, StreamId{7});
  EXPECT_EQ(message.ppid, Ppid{0xA1B2C3D4});
  EXPECT_EQ(message.ordered, ordered);
  EXPECT_TRUE(message.bytes == bytes);
  EXPECT_EQ(link.a->counters().payload_bytes_sent, size);
  EXPECT_EQ(link.z->counters().payload_bytes_received, size);
  EXPECT_EQ(link.a->counters().chunks_retransmitted, 0U);
}

INSTANTIATE_TEST_SUITE_P(All, SctpSizes,
                         testing::Combine(testing::Values(1, 2, 3, 4, 5, 100, 1127, 1128, 1129, 1131, 1132, 1133, 1144,
                                                          1148, 1160, 2264, 2265, 65'535, 65'536, 262'143, 262'144),
                                          testing::Bool(), testing::Bool()));

TEST(SctpData, SmallMessagesShareAPacket) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.sent.clear();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(link.send(link.a, 1, as_byte_view("small")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 10; }));
  EXPECT_EQ(link.a.data_packets().size(), 1U);
}

TEST(SctpData, PacketsAreFilledToTheLastWord) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.sent.clear();
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(100'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  // 1160 less 12 of packet header and 20 of I-DATA header.
  EXPECT_EQ(link.a.data_packets().size(), (100'000U + 1127U) / 1128U);
}

TEST(SctpData, AnErrorLeavesTheMessageAsItWas) {
  Link link;
  ASSERT_TRUE(link.connect());
  Buffer message = link.a.pool.copy_of(as_byte_view("kept"));
  EXPECT_FALSE(link.a->send(link.now, StreamId{5000}, {}, std::move(message)));
  EXPECT_EQ(as_text(message.view()), "kept");
  EXPECT_TRUE(link.a->send(link.now, StreamId{0}, {}, std::move(message)));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "kept");
}

TEST(SctpData, UnorderedMessagesOvertakeALostOne) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [first = true](const wire::Packet& packet) mutable {
    return packet.has_data() && std::exchange(first, false);
  };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("first"), {.ordered = false}));
  link.drain();
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("second"), {.ordered = false}));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 2; }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "second");
  EXPECT_EQ(as_text(link.z.messages[1].bytes), "first");
}

TEST(SctpData, ALostMessageHoldsUpItsOwnStreamOnly) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [first = true](const wire::Packet& packet) mutable {
    return packet.has_data() && std::exchange(first, false);
  };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("1a")));
  link.drain();
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("1b")));
  ASSERT_TRUE(link.send(link.a, 2, as_byte_view("2a")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 3; }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "2a");
  EXPECT_EQ(as_text(link.z.messages[1].bytes), "1a");
  EXPECT_EQ(as_text(link.z.messages[2].bytes), "1b");
}

struct Weather {
  double loss;
  milliseconds jitter;
  double duplicates;
  bool interleave;
};

class SctpWeather : public testing::TestWithParam<std::tuple<Weather, std::uint64_t>> {};

TEST_P(SctpWeather, EveryByteArrivesOnceAndInOrder) {
  const auto& [weather, seed] = GetParam();
  Link link({.seed = seed,
             .network = {.jitter = weather.jitter, .loss = weather.loss, .duplicates = weather.duplicates},
             .a = interleaving(weather.interleave)});
  link.keep_nothing();
  BothWays traffic(link, seed);
  ASSERT_TRUE(link.connect());
  add_mixed(traffic.there, seed, 700'000);
  add_mixed(traffic.back, seed + 1, 300'000);
  link.on_step = [&] { traffic.pump(); };
  ASSERT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(20)));
  ASSERT_TRUE(
      link.run_until([&] { return link.a->buffered_amount() == 0 && link.z->buffered_amount() == 0; }, seconds(60)));
  EXPECT_FALSE(link.a.is_closed());
  EXPECT_FALSE(link.z.is_closed());
}

INSTANTIATE_TEST_SUITE_P(
    Weather, SctpWeather,
    testing::Combine(testing::Values(Weather{0, milliseconds(0), 0, true}, Weather{0, milliseconds(0), 0, false},
                                     Weather{0, milliseconds(40), 0, true}, Weather{0.01, milliseconds(0), 0, true},
                                     Weather{0.05, milliseconds(5), 0.02, true},
                                     Weather{0.05, milliseconds(5), 0.02, false},
                                     Weather{0.2, milliseconds(20), 0.1, true},
                                     Weather{0.2, milliseconds(20), 0.1, false}),
                     testing::Range<std::uint64_t>(1, 9)));

/// All bytes that both sides put on the wire, and when.
std::size_t fingerprint_of_run(std::uint64_t seed) {
  Link link({.seed = seed, .network = {.jitter = milliseconds(5), .loss = 0.05, .duplicates = 0.02}});
  BothWays traffic(link, 99);
  EXPECT_TRUE(link.connect());
  add_mixed(traffic.there, 5, 200'000);
  add_mixed(traffic.back, 6, 200'000);
  link.on_step = [&] { traffic.pump(); };
  EXPECT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(10)));
  std::size_t fingerprint = 0;
  for (const Side* side : {&link.a, &link.z}) {
    for (const Sent& sent : side->sent) {
      const std::size_t packet = std::hash<std::string_view>{}(as_text(sent.bytes));
      const auto time = static_cast<std::size_t>(sent.at.time_since_epoch().count());
      fingerprint = fingerprint * 0x9E3779B97F4A7C15 + packet + time;
    }
  }
  return fingerprint;
}

TEST(SctpData, TheSameSeedGivesTheSameBytesAtTheSameTimes) {
  std::unordered_set<std::size_t> different;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const std::size_t fingerprint = fingerprint_of_run(seed);
    EXPECT_EQ(fingerprint_of_run(seed), fingerprint);
    different.insert(fingerprint);
  }
  EXPECT_EQ(different.size(), 5U);
}

/// An association draws its first TSN from its seed: looks for a seed whose TSNs wrap within `count` messages.
std::uint64_t seed_that_wraps_within(std::uint32_t count) {
  const TimePoint start{};
  BufferPool pool;
  Bytes packet(Settings{}.max_packet);
  for (std::uint64_t seed = 1;; ++seed) {
    Association association({}, seeded(seed, 1), pool);
    association.connect(start);
    const std::size_t length = association.poll_transmit(start, packet);
    if (wire::u32_at(ByteView(packet).first(length), wire::kHeader + 4 + 12) > 0xFFFFFFFF - count) return seed;
  }
}

TEST(SctpData, TsnsAndStreamSequenceNumbersMayWrap) {
  constexpr std::uint32_t kMessages = 100'000;
  Link link({.seed = seed_that_wraps_within(kMessages - 10'000),
             .network = {.jitter = milliseconds(1), .loss = 0.01},
             .a = interleaving(false)});
  link.keep_nothing();
  BothWays traffic(link);
  ASSERT_TRUE(link.connect());
  for (std::uint32_t i = 0; i < kMessages; ++i) traffic.there.add({.stream = 1, .size = 1 + i % 7});
  link.on_step = [&] { traffic.there.pump(); };
  ASSERT_TRUE(link.run_until([&] { return traffic.done(); }, minutes(20)));
}

TEST(SctpData, DuplicatesAreCountedAndReported) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("once")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  const Bytes packet = link.a.data_packets().front()->bytes;
  link.z.sent.clear();
  link.inject_bytes(link.z, packet);
  link.run_for(seconds(1));
  EXPECT_EQ(link.z.messages.size(), 1U);
  EXPECT_EQ(link.z->counters().duplicates_received, 1U);
  ASSERT_FALSE(link.z.sent.empty());
  EXPECT_EQ(link.z.sent[0].packet.find(Type::Sack)->duplicates(), 1U);
}

TEST(SctpData, RoundTripIsMeasured) {
  Link link({.network = {.delay = milliseconds(35)}});
  ASSERT_TRUE(link.connect());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(link.send(link.a, 1, random_bytes(2400, 1)));  // three packets: the SACK does not wait
    link.run_for(milliseconds(200));
  }
  ASSERT_TRUE(link.a->round_trip().has_value());
  EXPECT_GE(*link.a->round_trip(), milliseconds(70));
  EXPECT_LE(*link.a->round_trip(), milliseconds(91));
}

TEST(SctpData, AHundredMegabytesASecondOfVirtualTimeAreNotHeldUpByTheWindow) {
  Link link({.network = {.delay = milliseconds(1)}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  Traffic traffic(link, link.a, link.z);
  for (int i = 0; i < 160; ++i) traffic.add({.stream = static_cast<std::uint16_t>(i % 4), .size = 65'536});
  link.on_step = [&] { traffic.pump(); };
  const TimePoint start = link.now;
  ASSERT_TRUE(link.run_until([&] { return traffic.done(); }));
  EXPECT_LT(link.now - start, milliseconds(100));
}

}  // namespace
}  // namespace isotube::sctp
