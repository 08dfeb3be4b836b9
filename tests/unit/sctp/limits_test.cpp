// What send() refuses, and what a peer may not do.
#include <gtest/gtest.h>

#include "unit/sctp/link.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

TEST(SctpLimits, AMessageOverThePeersLimitIsRefused) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->set_peer_max_message(65'536);
  EXPECT_EQ(link.send(link.a, 0, random_bytes(65'537, 1)).error(), SendError::TooLarge);
  EXPECT_TRUE(link.send(link.a, 0, random_bytes(65'536, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
}

TEST(SctpLimits, AMessageOverOurOwnLimitIsRefused) {
  Link link({.a = {.max_message = 1000}});
  ASSERT_TRUE(link.connect());
  link.a->set_peer_max_message(0);
  EXPECT_EQ(link.send(link.a, 0, random_bytes(1001, 1)).error(), SendError::TooLarge);
  EXPECT_TRUE(link.send(link.a, 0, random_bytes(1000, 1)));
}

TEST(SctpLimits, AnEmptyMessageIsRefused) {
  Link link;
  ASSERT_TRUE(link.connect());
  EXPECT_EQ(link.send(link.a, 0, {}).error(), SendError::Empty);
}

TEST(SctpLimits, AStreamThatThePeerDoesNotHaveIsRefused) {
  Link link({.z = {.streams = 10}});
  ASSERT_TRUE(link.connect());
  EXPECT_TRUE(link.send(link.a, 9, as_byte_view("last")));
  EXPECT_EQ(link.send(link.a, 10, as_byte_view("one more")).error(), SendError::NoSuchStream);
  EXPECT_EQ(link.send(link.a, 65'535, as_byte_view("far out")).error(), SendError::NoSuchStream);
}

TEST(SctpLimits, NothingIsSentAfterTheEnd) {
  Link link;
  ASSERT_TRUE(link.connect());
  link.a->shutdown(link.now);
  EXPECT_EQ(link.send(link.a, 0, as_byte_view("late")).error(), SendError::NotConnected);
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed() && link.z.is_closed(); }));
  EXPECT_EQ(link.send(link.a, 0, as_byte_view("late")).error(), SendError::NotConnected);
  EXPECT_EQ(link.send(link.z, 0, as_byte_view("late")).error(), SendError::NotConnected);
}

class SctpOverLimit : public testing::TestWithParam<bool> {};

TEST_P(SctpOverLimit, APeerThatIgnoresOurLimitEndsTheAssociation) {
  Link link({.a = {.offer_interleaving = GetParam()}, .z = {.max_message = 10'000}});
  ASSERT_TRUE(link.connect());
  link.a->set_peer_max_message(0);
  ASSERT_TRUE(link.send(link.a, 0, random_bytes(10'000, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  ASSERT_TRUE(link.send(link.a, 0, random_bytes(10'001, 1)));
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed() && link.z.is_closed(); }));
  EXPECT_EQ(link.z.closed[0].reason, CloseReason::ProtocolViolation);
  EXPECT_FALSE(link.z.closed[0].detail.empty());
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::PeerAborted);
  EXPECT_EQ(link.z.messages.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Interleaving, SctpOverLimit, testing::Bool());

/// The first TSN that the peer of `side` has not sent.
std::uint32_t next_tsn_from(const Side& side) {
  std::uint32_t tsn = 0;
  for (const Sent& sent : side.sent) {
    for (const wire::Chunk& chunk : sent.packet.chunks) {
      if (chunk.type == Type::Init || chunk.type == Type::InitAck) tsn = wire::u32_at(chunk.value, 12);
      if (chunk.is_data()) tsn = chunk.tsn() + 1;
    }
  }
  return tsn;
}

TEST(SctpLimits, AMessageThatNeverEndsEndsTheAssociation) {
  Link link({.a = {.offer_interleaving = false}});
  ASSERT_TRUE(link.connect());
  std::uint32_t tsn = next_tsn_from(link.a);
  const Bytes payload(1000);
  for (int i = 0; i < 300 && !link.z.is_closed(); ++i) {
    link.inject(link.z, {.chunks = {wire::data(tsn++, 0, 0, payload, i == 0 ? wire::kBegin : std::uint8_t{0})}});
  }
  ASSERT_TRUE(link.z.is_closed());
  EXPECT_EQ(link.z.closed[0].reason, CloseReason::ProtocolViolation);
}

TEST(SctpLimits, DataForAStreamThatWeDoNotHaveIsAnsweredWithAnErrorAndForgotten) {
  Link link({.a = {.offer_interleaving = false}, .z = {.streams = 10}});
  ASSERT_TRUE(link.connect());
  const std::uint32_t tsn = next_tsn_from(link.a);
  link.inject(link.z, {.chunks = {wire::data(tsn, 10, 0, as_byte_view("nowhere"))}});
  link.run_for(seconds(1));
  EXPECT_FALSE(link.z.is_closed());
  EXPECT_TRUE(link.z.messages.empty());
  ASSERT_EQ(link.z.sent_chunks(Type::Error), 1U);  // RFC 9260 3.3.10.1: Invalid Stream Identifier
  for (const Sent& sent : link.z.sent) {
    const wire::Chunk* error = sent.packet.find(Type::Error);
    EXPECT_TRUE(error == nullptr || wire::u16_at(error->value, 0) == 1);
  }
  EXPECT_EQ(link.z.pool.stats().in_use_bytes, 0U);
}

TEST(SctpLimits, DataFarAheadOfTheWindowIsNotKept) {
  Link link({.a = {.offer_interleaving = false}, .z = {.receive_window = 65'536}});
  ASSERT_TRUE(link.connect());
  const std::uint32_t tsn = next_tsn_from(link.a);
  const Bytes payload(1000);
  for (std::uint32_t i = 1; i < 2000; ++i) {
    link.inject(link.z, {.chunks = {wire::data(tsn + i, 0, static_cast<std::uint16_t>(i), payload)}});
  }
  EXPECT_LE(link.z.pool.stats().in_use_bytes, 4U * 65'536U);
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    link.inject(link.z, {.chunks = {wire::data(tsn + i * 100'003, 0, 9, payload)}});
  }
  EXPECT_LE(link.z.pool.stats().in_use_bytes, 4U * 65'536U);
}

/// One byte of payload pins far more memory than it is worth: bounds that count payload alone do not bound memory.
TEST(SctpLimits, TinyChunksOutOfOrderAreBoundedToo) {
  Link link({.a = {.offer_interleaving = false}});
  link.z.keep_sent = false;
  ASSERT_TRUE(link.connect());
  const std::uint32_t tsn = next_tsn_from(link.a);
  for (std::uint32_t i = 1; i < 60'000 && !link.z.is_closed(); ++i) {
    link.z->handle_packet(link.now,
                          wire::write({.tag = link.z.tag, .chunks = {wire::data(tsn + i, 0, 1, as_byte_view("x"))}}));
    if (i % 100 == 0) link.drain();
  }
  link.drain();
  EXPECT_LE(link.z.pool.stats().in_use_bytes, 4 * link.z.settings.receive_window);
}

TEST(SctpLimits, TinyMessagesThatWaitForOneThatNeverComesAreBoundedToo) {
  Link link({.a = {.offer_interleaving = false}, .z = {.receive_window = std::size_t{1} << 20}});
  link.z.keep_sent = false;
  ASSERT_TRUE(link.connect());
  const std::uint32_t tsn = next_tsn_from(link.a);
  std::size_t most = 0;
  for (std::uint32_t i = 0; i < 30'000 && !link.z.is_closed(); ++i) {
    // Each fills the hole at the cumulative TSN, and none is stream sequence number 0.
    const auto ssn = static_cast<std::uint16_t>(1 + i % 30'000);
    link.z->handle_packet(link.now,
                          wire::write({.tag = link.z.tag, .chunks = {wire::data(tsn + i, 0, ssn, as_byte_view("x"))}}));
    most = std::max(most, link.z.pool.stats().in_use_bytes);
    if (i % 100 == 0) link.drain();
  }
  link.drain();
  EXPECT_LE(most, 5 * link.z.settings.receive_window);
}

/// A first fragment is a small thing to send, and must be a small thing to keep.
TEST(SctpLimits, MessagesThatOnlyBeginAreBoundedToo) {
  Link link({.a = {.offer_interleaving = true}, .z = {.receive_window = std::size_t{1} << 20}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  // Each stream shows that its messages are long.
  std::size_t most = 0;
  link.z.on_message = [](const MessageReceived&) {};
  for (std::uint16_t stream = 0; stream < 200; ++stream) {
    ASSERT_TRUE(link.send(link.a, stream, random_bytes(262'144, 1)));
    ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  }
  // Then all begin one and send no more than its first fragment.
  link.a.rewrite = [](wire::Packet& packet) {
    for (wire::Chunk& chunk : packet.chunks)
      chunk.flags &= static_cast<std::uint8_t>(chunk.is_data() ? ~wire::kEnd : 0xFF);
  };
  for (std::uint16_t stream = 0; stream < 200; ++stream) {
    ASSERT_TRUE(link.send(link.a, stream, as_byte_view("begins")));
    link.run_for(milliseconds(50));
    most = std::max(most, link.z.pool.stats().in_use_bytes);
  }
  EXPECT_LE(most, 5 * link.z.settings.receive_window);
}

TEST(SctpLimits, ADataChunkWithoutDataEndsTheAssociation) {
  Link link({.a = {.offer_interleaving = false}});
  ASSERT_TRUE(link.connect());
  // RFC 9260 6.2: ABORT with No User Data.
  link.inject(link.z, {.chunks = {wire::data(next_tsn_from(link.a), 0, 0, {})}});
  ASSERT_TRUE(link.z.is_closed());
  EXPECT_EQ(link.z.closed[0].reason, CloseReason::ProtocolViolation);
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed(); }));
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::PeerAborted);
}

TEST(SctpLimits, AcknowledgingWhatWasNeverSentDoesNotCrash) {
  Link link;
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 0, random_bytes(5000, 1)));
  link.drain();
  const std::uint32_t next = next_tsn_from(link.a);
  for (std::uint32_t cumulative : {next, next + 1, next + 1000, next + 0x7FFFFFFF, next - 1000, next - 0x7FFFFFFF}) {
    link.inject(link.a, {.chunks = {wire::sack(cumulative, 1 << 20)}});
  }
  link.run_for(seconds(30));
  EXPECT_LE(link.a.closed.size(), 1U);
  EXPECT_EQ(link.a->buffered_amount(), 0U);
}

}  // namespace
}  // namespace isotube::sctp
