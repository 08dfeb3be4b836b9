// Whatever arrives: no crash, no change of state by what RFC 9260 8 has dropped, and it is counted.
#include <gtest/gtest.h>

#include <random>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

void expect_carries(Link& link) {
  link.a.messages.clear();
  link.z.messages.clear();
  ASSERT_TRUE(link.send(link.a, 9, as_byte_view("there")));
  ASSERT_TRUE(link.send(link.z, 9, as_byte_view("back")));
  ASSERT_TRUE(link.run_until([&] { return !link.a.messages.empty() && !link.z.messages.empty(); }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "there");
  EXPECT_EQ(as_text(link.a.messages[0].bytes), "back");
}

struct Recording {
  std::uint32_t tag_of_z = 0;
  std::vector<Bytes> packets;
};

/// Packets of every kind that an association sends, from A to Z, of a run with this seed. Z's tag is in them.
Recording record_all_kinds(const Link::Options& options) {
  Link link(options);
  EXPECT_TRUE(link.connect());
  link.a.drop_if = [count = 0](const wire::Packet& packet) mutable { return packet.has_data() && count++ % 3 == 2; };
  EXPECT_TRUE(link.send(link.a, 1, as_byte_view("small")));
  EXPECT_TRUE(link.send(link.a, 2, random_bytes(4'000, 1), {.ordered = false}));
  EXPECT_TRUE(link.send(link.a, 3, random_bytes(4'000, 2), {.max_retransmissions = 0}));
  EXPECT_TRUE(link.send(link.z, 3, random_bytes(9'000, 2)));
  link.run_for(seconds(5));
  link.a.drop_if = {};
  const StreamId stream{1};
  link.a->reset_streams(link.now, std::span(&stream, 1));
  link.z->reset_streams(link.now, std::span(&stream, 1));
  link.run_for(seconds(70));
  link.a->shutdown(link.now);
  link.run_for(seconds(5));
  Recording recording{.tag_of_z = link.z.tag, .packets = {}};
  for (const Sent& sent : link.a.sent) recording.packets.push_back(sent.bytes);
  for (const wire::Chunk& chunk :
       {wire::Chunk{.type = Type::ShutdownAck, .value = {}}, wire::Chunk{.type = Type::ShutdownComplete, .value = {}},
        wire::Chunk{.type = Type::Error, .value = wire::words({0x00010008, 0})},
        wire::Chunk{.type = Type::Abort, .value = wire::words({0x000C0008, 0})}}) {
    recording.packets.push_back(wire::write({.tag = link.z.tag, .chunks = {chunk}}));
  }
  return recording;
}

TEST(SctpBadPackets, AnyDamageIsDroppedByTheChecksumAndCounted) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(3'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  const std::vector<Sent> packets = link.a.sent;
  std::uint64_t spoiled = 0;
  const std::uint64_t before = link.z->counters().packets_dropped;
  for (const Sent& packet : packets) {
    for (std::size_t i = 0; i < packet.bytes.size(); ++i) {
      Bytes copy = packet.bytes;
      copy[i] ^= std::byte{0x10};
      link.inject_bytes(link.z, copy);
      ++spoiled;
    }
    for (std::size_t size = 0; size < packet.bytes.size(); ++size) {
      link.inject_bytes(link.z, ByteView(packet.bytes).first(size));
      ++spoiled;
    }
  }
  EXPECT_EQ(link.z->counters().packets_dropped - before, spoiled);
  expect_carries(link);
}

TEST(SctpBadPackets, AWrongTagOrPortIsDroppedAndCounted) {
  Link link({.a = {.local_port = 5001, .remote_port = 5002}, .z = {.local_port = 5002, .remote_port = 5001}});
  ASSERT_TRUE(link.connect());
  const wire::Chunk heartbeat{.type = Type::Heartbeat, .value = wire::words({0x00010008, 7})};
  const std::uint32_t tag = link.z.tag;
  link.z.sent.clear();
  link.inject(link.z, {.source = 5001, .destination = 5002, .tag = tag ^ 1, .chunks = {heartbeat}});
  link.inject(link.z, {.source = 5003, .destination = 5002, .tag = tag, .chunks = {heartbeat}});
  link.inject(link.z, {.source = 5001, .destination = 5003, .tag = tag, .chunks = {heartbeat}});
  EXPECT_EQ(link.z->counters().packets_dropped, 3U);
  EXPECT_TRUE(link.z.sent.empty());
  link.inject(link.z, {.source = 5001, .destination = 5002, .tag = tag, .chunks = {heartbeat}});
  EXPECT_EQ(link.z->counters().packets_dropped, 3U);
  EXPECT_EQ(link.z.sent_chunks(Type::HeartbeatAck), 1U);
}

/// The states in which damaged packets arrive.
enum class Stage : std::uint8_t { Fresh, Connecting, Open, ClosingDown };

class SctpDamage : public testing::TestWithParam<std::tuple<bool, Stage>> {
 protected:
  /// A link of the same seed as the packets come from, so that their tags and TSNs are right.
  [[nodiscard]] static Link::Options options() {
    return {.seed = 77, .a = {.offer_interleaving = std::get<0>(GetParam())}};
  }

  static void bring_to_stage(Link& link) {
    switch (std::get<1>(GetParam())) {
      case Stage::Fresh:
        return;
      case Stage::Connecting:
        link.z->connect(link.now);
        return link.drain();
      case Stage::Open:
        EXPECT_TRUE(link.connect());
        return;
      case Stage::ClosingDown:
        EXPECT_TRUE(link.connect());
        EXPECT_TRUE(link.send(link.z, 1, random_bytes(50'000, 1)));
        link.drain();
        link.z->shutdown(link.now);
        return link.drain();
    }
  }

  /// Nothing that comes may break the association's own rules; time goes on afterwards without livelock.
  static void survive(const std::vector<Bytes>& damaged) {
    auto link = std::make_unique<Link>(options());
    link->keep_nothing();
    bring_to_stage(*link);
    for (const Bytes& packet : damaged) {
      link->inject_bytes(link->z, packet);
      // A packet may be a rightful ABORT by now: go on with a fresh pair.
      if (!link->z.is_closed() && !link->a.is_closed()) continue;
      link = std::make_unique<Link>(options());
      link->keep_nothing();
      bring_to_stage(*link);
    }
    link->run_for(minutes(3));
    EXPECT_LE(link->z.closed.size(), 1U);
  }
};

TEST_P(SctpDamage, BitFlipsBehindARightChecksumCrashNothing) {
  std::vector<Bytes> damaged;
  for (const Bytes& packet : record_all_kinds(options()).packets) {
    // The first 160 bytes hold all headers; beyond is payload.
    for (std::size_t i = 0; i < std::min<std::size_t>(packet.size(), 160); ++i) {
      for (std::byte flip : {std::byte{0x01}, std::byte{0x80}, std::byte{0xFF}}) {
        Bytes copy = packet;
        copy[i] ^= flip;
        wire::fix_checksum(copy);
        damaged.push_back(std::move(copy));
      }
    }
  }
  survive(damaged);
}

TEST_P(SctpDamage, PacketsCutAtEveryByteCrashNothing) {
  std::vector<Bytes> damaged;
  for (const Bytes& packet : record_all_kinds(options()).packets) {
    for (std::size_t size = 0; size < std::min<std::size_t>(packet.size(), 160); ++size) {
      Bytes copy(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
      wire::fix_checksum(copy);
      damaged.push_back(std::move(copy));
    }
  }
  survive(damaged);
}

TEST_P(SctpDamage, LengthsThatLieCrashNothing) {
  std::vector<Bytes> damaged;
  for (const Bytes& packet : record_all_kinds(options()).packets) {
    for (std::size_t i = wire::kHeader; i + 1 < std::min<std::size_t>(packet.size(), 120); ++i) {
      for (std::uint16_t value : {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{3}, std::uint16_t{4},
                                  std::uint16_t{5}, std::uint16_t{16}, std::uint16_t{0x7FFF}, std::uint16_t{0xFFFF}}) {
        Bytes copy = packet;
        wire::put_u16(copy, i, value);
        wire::fix_checksum(copy);
        damaged.push_back(std::move(copy));
      }
    }
  }
  survive(damaged);
}

TEST_P(SctpDamage, RandomChunksCrashNothing) {
  const std::uint32_t tag = record_all_kinds(options()).tag_of_z;
  std::mt19937_64 dice(1);
  constexpr std::array<std::uint8_t, 20> kTypes{0,  1,  2,  3,  4,  5,   6,   7,   8,   9,
                                                10, 11, 14, 15, 64, 128, 130, 192, 194, 255};
  std::vector<Bytes> damaged;
  for (int i = 0; i < 20'000; ++i) {
    wire::Packet packet{.tag = tag, .chunks = {}};
    for (std::uint64_t count = 1 + dice() % 4; count > 0; --count) {
      packet.chunks.push_back({.type = static_cast<Type>(kTypes[dice() % kTypes.size()]),
                               .flags = static_cast<std::uint8_t>(dice() % 16),
                               .value = random_bytes(dice() % 60, dice())});
    }
    damaged.push_back(wire::write(packet));
  }
  survive(damaged);
}

INSTANTIATE_TEST_SUITE_P(States, SctpDamage,
                         testing::Combine(testing::Bool(), testing::Values(Stage::Fresh, Stage::Connecting, Stage::Open,
                                                                           Stage::ClosingDown)));

TEST(SctpBadPackets, RandomBytesAreDropped) {
  Link link;
  ASSERT_TRUE(link.connect());
  for (std::size_t i = 0; i < 3'000; ++i) link.inject_bytes(link.z, random_bytes(i % 1'300, i));
  EXPECT_EQ(link.z->counters().packets_dropped, 3'000U);
  expect_carries(link);
}

TEST(SctpBadPackets, RandomBytesBehindARightHeaderEndNothing) {
  Link link;
  ASSERT_TRUE(link.connect());
  std::mt19937_64 dice(3);
  for (std::size_t i = 0; i < 3'000; ++i) {
    Bytes bytes = random_bytes(wire::kHeader + i % 200, dice());
    wire::put_u16(bytes, 0, 5000);
    wire::put_u16(bytes, 2, 5000);
    wire::put_u32(bytes, 4, link.z.tag);
    // Chunk types that end an association rightfully are not garbage.
    if (bytes.size() > wire::kHeader && std::to_integer<int>(bytes[wire::kHeader]) < 0x80)
      bytes[wire::kHeader] |= std::byte{0xC5};
    wire::fix_checksum(bytes);
    link.inject_bytes(link.z, bytes);
  }
  EXPECT_LE(link.z.closed.size(), 1U);
}

TEST(SctpBadPackets, UnknownChunksFollowTheirUpperBits) {
  Link link;
  ASSERT_TRUE(link.connect());
  const wire::Chunk heartbeat{.type = Type::Heartbeat, .value = wire::words({0x00010008, 7})};
  struct Case {
    std::uint8_t type;
    bool goes_on;
    bool reported;
  };
  // RFC 9260 3.2: 00 stop, 01 stop and report, 10 skip, 11 skip and report.
  for (const Case each :
       {Case{0x3E, false, false}, Case{0x7E, false, true}, Case{0xBE, true, false}, Case{0xFE, true, true}}) {
    link.z.sent.clear();
    link.inject(link.z, {.chunks = {{.type = static_cast<Type>(each.type), .value = wire::words({1, 2})}, heartbeat}});
    EXPECT_EQ(link.z.sent_chunks(Type::HeartbeatAck), each.goes_on ? 1U : 0U) << int{each.type};
    EXPECT_EQ(link.z.sent_chunks(Type::Error), each.reported ? 1U : 0U) << int{each.type};
  }
  expect_carries(link);
}

TEST(SctpBadPackets, HugeCountsInASackAreHarmless) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(20'000, 1)));
  link.drain();
  const std::uint32_t first = link.a.data_packets()[0]->packet.chunks.back().tsn();
  for (std::uint32_t counts : {0xFFFFFFFFU, 0xFFFF0000U, 0x0000FFFFU, 0x00010000U, 0x00000001U}) {
    wire::Chunk lying = wire::sack(first - 1, 1 << 20);
    wire::put_u32(lying.value, 8, counts);
    link.inject(link.a, {.chunks = {lying}});
  }
  for (std::uint32_t gap : {0x00000000U, 0x0000FFFFU, 0xFFFF0001U, 0xFFFFFFFFU, 0x00050002U}) {
    wire::Chunk odd = wire::sack(first - 1, 1 << 20);
    wire::put_u32(odd.value, 8, 0x00010000);
    BytesWriter(odd.value).u32(gap);
    link.inject(link.a, {.chunks = {odd}});
  }
  EXPECT_LE(link.a.closed.size(), 1U);
  link.run_for(minutes(1));
}

TEST(SctpBadPackets, ForwardTsnsThatLieAreHarmless) {
  for (bool interleave : {true, false}) {
    Link link({.a = {.offer_interleaving = interleave}});
    ASSERT_TRUE(link.connect());
    ASSERT_TRUE(link.send(link.a, 1, as_byte_view("x")));
    ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
    const std::uint32_t tsn = link.a.data_packets()[0]->packet.chunks.back().tsn();
    for (std::uint32_t jump : {0U, 1U, 0xFFFFFFFFU, 0x7FFFFFFFU, 0x80000000U, 100'000U}) {
      for (std::size_t words : {0U, 1U, 2U, 3U, 250U}) {
        wire::Chunk forward{.type = interleave ? Type::InterleavedForwardTsn : Type::ForwardTsn,
                            .value = wire::words({tsn + jump})};
        for (std::size_t i = 0; i < words; ++i)
          BytesWriter(forward.value).u32(0xFFFFFFFF - static_cast<std::uint32_t>(i));
        link.inject(link.z, {.chunks = {forward}});
        if (link.z.is_closed()) break;
      }
      if (link.z.is_closed()) break;
    }
    link.run_for(minutes(3));
    EXPECT_LE(link.z.closed.size(), 1U);
  }
}

}  // namespace
}  // namespace isotube::sctp
