// Messages that may be given up: RFC 3758, RFC 7496, and RFC 8260's form of FORWARD-TSN.
#include <gtest/gtest.h>

#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;

/// With and without interleaving.
class SctpPartialReliability : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static Link::Options options() { return {.a = {.offer_interleaving = GetParam()}}; }
  [[nodiscard]] static Type forward() { return GetParam() ? Type::InterleavedForwardTsn : Type::ForwardTsn; }
};

INSTANTIATE_TEST_SUITE_P(Interleaving, SctpPartialReliability, testing::Bool());

std::function<bool(const wire::Packet&)> lose_data(int count) {
  return [count](const wire::Packet& packet) mutable { return packet.has_data() && count-- > 0; };
}

TEST_P(SctpPartialReliability, AMessageWithoutRetransmissionsIsGivenUpAndItsStreamGoesOn) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = lose_data(1);
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("lost"), {.max_retransmissions = 0}));
  link.run_for(milliseconds(5));
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("next")));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty() && link.a->buffered_amount() == 0; }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "next");
  EXPECT_EQ(link.a->counters().messages_abandoned, 1U);
  EXPECT_EQ(link.a->counters().chunks_retransmitted, 0U);
  EXPECT_GE(link.a.sent_chunks(forward()), 1U);
}

TEST_P(SctpPartialReliability, AloneAndLostItIsGivenUpToo) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = lose_data(1);
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("lost"), {.ordered = false, .max_retransmissions = 0}));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  link.run_for(seconds(10));
  EXPECT_TRUE(link.z.messages.empty());
  EXPECT_EQ(link.a->counters().messages_abandoned, 1U);
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("next"), {.ordered = false}));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
}

TEST_P(SctpPartialReliability, ALostForwardIsSentAgain) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  int forwards = 0;
  int data = 0;
  link.a.drop_if = [&](const wire::Packet& packet) {
    return (packet.has_data() && data++ < 1) || (packet.has(forward()) && forwards++ < 3);
  };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("lost"), {.max_retransmissions = 0}));
  link.run_for(seconds(30));
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("next")));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "next");
}

TEST_P(SctpPartialReliability, SoManyRetransmissionsAreMadeAndNoMore) {
  for (int losses = 0; losses <= 5; ++losses) {
    Link link(options());
    ASSERT_TRUE(link.connect());
    link.a.drop_if = lose_data(losses);
    ASSERT_TRUE(link.send(link.a, 1, as_byte_view("tried thrice again"), {.max_retransmissions = 3}));
    ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }, minutes(2)));
    link.run_for(seconds(10));
    EXPECT_EQ(link.z.messages.size(), losses <= 3 ? 1U : 0U) << losses;
    EXPECT_EQ(link.a->counters().messages_abandoned, losses <= 3 ? 0U : 1U);
    EXPECT_EQ(link.a->counters().chunks_retransmitted, static_cast<std::size_t>(std::min(losses, 3)));
  }
}

TEST_P(SctpPartialReliability, AMessageOverItsLifetimeIsGivenUp) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [](const wire::Packet& packet) { return packet.has_data(); };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("short-lived"), {.lifetime = milliseconds(50)}));
  link.run_for(seconds(3));
  link.a.drop_if = {};
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("next")));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  link.run_for(seconds(5));
  ASSERT_EQ(link.z.messages.size(), 1U);
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "next");
  EXPECT_EQ(link.a->counters().messages_abandoned, 1U);
}

TEST_P(SctpPartialReliability, AMessageThatArrivesWithinItsLifetimeIsNotGivenUp) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(30'000, 1), {.lifetime = seconds(5)}));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  link.run_for(seconds(10));
  EXPECT_EQ(link.z.messages.size(), 1U);
  EXPECT_EQ(link.a->counters().messages_abandoned, 0U);
}

TEST_P(SctpPartialReliability, AMessageThatAgesInTheQueueNeverLeavesIt) {
  Link::Options slow = options();
  slow.z.receive_window = 20'000;
  Link link(slow);
  ASSERT_TRUE(link.connect());
  link.z.reading = false;
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(10'000, 1)));
  link.run_for(seconds(1));
  ASSERT_TRUE(link.send(link.a, 2, as_byte_view("aged"), {.lifetime = milliseconds(100)}));
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("end")));
  link.run_for(seconds(5));
  link.z.reading = true;
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  link.run_for(seconds(1));
  for (const Message& message : link.z.messages) EXPECT_NE(as_text(message.bytes), "aged");
  EXPECT_EQ(as_text(link.z.messages.back().bytes), "end");
  EXPECT_EQ(link.a->counters().messages_abandoned, 1U);
}

TEST_P(SctpPartialReliability, OfALongMessageThePartThatArrivedIsForgotten) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [count = 0](const wire::Packet& packet) mutable { return packet.has_data() && count++ == 2; };
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(200'000, 1), {.max_retransmissions = 0}));
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("next")));
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  link.run_for(seconds(5));
  ASSERT_EQ(link.z.messages.size(), 1U);
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "next");
  EXPECT_EQ(link.a->counters().messages_abandoned, 1U);
  EXPECT_EQ(link.z.pool.stats().in_use_bytes, 0U);
  EXPECT_EQ(link.a.pool.stats().in_use_bytes, 0U);
}

/// The receiver has all that was sent of a message and waits for the rest. FORWARD-TSN up to a TSN that it has says
/// nothing to it: the sender has to skip one more, that it never sent.
TEST_P(SctpPartialReliability, OfALongMessageWhoseSentPartArrivedTheRestIsGivenUp) {
  for (bool ordered : {true, false}) {
    Link link(options());
    ASSERT_TRUE(link.connect());
    const SendOptions short_lived{.ordered = ordered, .lifetime = milliseconds(100)};
    ASSERT_TRUE(link.send(link.a, 1, random_bytes(200'000, 1), short_lived));
    link.z.drop_if = [](const wire::Packet&) { return true; };
    link.run_for(seconds(5));
    link.z.drop_if = {};
    EXPECT_EQ(link.a->counters().messages_abandoned, 1U);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(link.send(link.a, 1, random_bytes(3'000, static_cast<std::uint64_t>(i)), {.ordered = ordered}));
    }
    ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 5; }));
    link.run_for(seconds(5));
    EXPECT_EQ(link.z.pool.stats().in_use_bytes, 0U) << "the part that arrived is kept for ever";
    EXPECT_EQ(link.a->buffered_amount(), 0U);
  }
}

TEST_P(SctpPartialReliability, MessagesOfHundredsOfStreamsAreGivenUpAtOnce) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [](const wire::Packet& packet) { return packet.has_data(); };
  for (std::uint16_t stream = 0; stream < 600; ++stream) {
    ASSERT_TRUE(link.send(link.a, stream, as_byte_view("x"), {.max_retransmissions = 0}));
  }
  link.run_for(seconds(20));
  link.a.drop_if = {};
  for (std::uint16_t stream = 0; stream < 600; ++stream) {
    ASSERT_TRUE(link.send(link.a, stream, as_byte_view("next")));
  }
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 600; }));
  EXPECT_EQ(link.a->counters().messages_abandoned, 600U);
}

TEST_P(SctpPartialReliability, GivingUpAgainAndAgainIsNoSignOfADeadPeer) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [](const wire::Packet& packet) { return packet.has_data(); };
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(link.send(link.a, 1, as_byte_view("x"), {.max_retransmissions = 0})) << i;
    ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
    link.run_for(seconds(1));
  }
  EXPECT_FALSE(link.a.is_closed()) << "the peer answered each FORWARD-TSN";
}

TEST_P(SctpPartialReliability, GivenUpUnorderedMessagesLeaveNothingBehind) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [count = 0](const wire::Packet& packet) mutable { return packet.has_data() && count++ % 7 == 3; };
  for (int i = 0; i < 20; ++i) {
    const SendOptions unreliable{.ordered = false, .max_retransmissions = 0};
    ASSERT_TRUE(link.send(link.a, 1, random_bytes(20'000, 1), unreliable));
  }
  ASSERT_TRUE(link.run_until([&] { return link.a->buffered_amount() == 0; }));
  link.a.drop_if = {};
  link.run_for(seconds(5));
  EXPECT_LT(link.z.messages.size(), 20U);
  EXPECT_GE(link.z.messages.size() + link.a->counters().messages_abandoned, 20U);
  EXPECT_EQ(link.z.pool.stats().in_use_bytes, 0U);
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("next"), {.ordered = false}));
  link.run_for(seconds(1));
  EXPECT_EQ(as_text(link.z.messages.back().bytes), "next");
}

TEST_P(SctpPartialReliability, BufferedAmountLowComesForWhatIsGivenUp) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.a.drop_if = [](const wire::Packet& packet) { return packet.has_data(); };
  link.a->set_buffered_amount_low_threshold(StreamId{1}, 100);
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(5'000, 1), {.max_retransmissions = 0}));
  ASSERT_TRUE(link.run_until([&] { return !link.a.low.empty(); }));
  EXPECT_EQ(link.a->buffered_amount(), 0U);
}

class SctpPartialWeather : public testing::TestWithParam<std::tuple<bool, std::uint64_t>> {};

TEST_P(SctpPartialWeather, ReliableStreamsLoseNothingWhileUnreliableOnesGoOn) {
  const auto [interleave, seed] = GetParam();
  Link link({.seed = seed,
             .network = {.jitter = milliseconds(10), .loss = 0.1, .duplicates = 0.05},
             .a = {.offer_interleaving = interleave}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  Traffic traffic(link, link.a, link.z, seed);
  std::mt19937_64 dice(seed);
  for (std::uint16_t stream = 2; stream <= 5; ++stream) traffic.ledger.allow_missing(stream);
  int reliable = 0;
  for (int i = 0; i < 400; ++i) {
    Planned planned{.stream = static_cast<std::uint16_t>(dice() % 6), .size = 1 + dice() % 10'000};
    if (planned.stream == 2) planned.options.max_retransmissions = 0;
    if (planned.stream == 3) planned.options.max_retransmissions = 1;
    if (planned.stream == 4) planned.options.lifetime = milliseconds(100);
    if (planned.stream == 5) planned.options = {.ordered = false, .max_retransmissions = 0};
    if (planned.stream < 2) ++reliable;
    traffic.add(planned);
  }
  for (std::uint16_t stream = 0; stream < 6; ++stream) traffic.add({.stream = stream, .size = 13});
  link.on_step = [&] { traffic.pump(); };
  ASSERT_TRUE(link.run_until([&] { return traffic.all_sent() && link.a->buffered_amount() == 0; }, minutes(10)));
  link.run_for(seconds(10));
  EXPECT_GE(traffic.ledger.arrived(), static_cast<std::size_t>(reliable) + 6);
  EXPECT_LE(traffic.ledger.open(), link.a->counters().messages_abandoned);
  EXPECT_GT(link.a->counters().messages_abandoned, 0U);
  EXPECT_EQ(link.z.pool.stats().in_use_bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SctpPartialWeather,
                         testing::Combine(testing::Bool(), testing::Range<std::uint64_t>(1, 21)));

TEST(SctpPartialReliabilityOfAPeer, WithoutItEverythingIsReliable) {
  Link link({.a = {.offer_interleaving = false}});
  link.z.rewrite = [](wire::Packet& packet) {
    wire::Chunk* answer = packet.find(Type::InitAck);
    if (answer == nullptr) return;
    // RFC 3758 3.3.1: Forward-TSN-Supported is 0xC000; RFC 5061 4.2.7 lists chunk types in 0x8008.
    Bytes value(answer->value.begin(), answer->value.begin() + 16);
    for (wire::Parameter& parameter : wire::parameters(*answer, 16)) {
      if (parameter.type == 0xC000) continue;
      if (parameter.type == 0x8008) {
        std::erase(parameter.value, std::byte{192});
        std::erase(parameter.value, std::byte{194});
        std::erase(parameter.value, std::byte{64});
      }
      wire::append(value, parameter);
    }
    answer->value = value;
  };
  ASSERT_TRUE(link.connect());
  link.a.drop_if = lose_data(1);
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("lost once"), {.max_retransmissions = 0}));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 1; }));
  EXPECT_EQ(link.a.sent_chunks(Type::ForwardTsn), 0U);
  EXPECT_EQ(link.a.sent_chunks(Type::InterleavedForwardTsn), 0U);
}

}  // namespace
}  // namespace isotube::sctp
