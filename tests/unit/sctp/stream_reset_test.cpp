// RFC 6525 as data channels use it (RFC 8831 6.7): each side resets its outgoing streams.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/sctp/live_allocations.hpp"
#include "unit/sctp/traffic.hpp"

namespace isotube::sctp {
namespace {

using wire::Type;
using Numbers = std::vector<std::uint16_t>;

// Parameters of RE-CONFIG (RFC 6525 4) and results of its responses (4.4).
constexpr std::uint16_t kOutgoingReset = 13;
constexpr std::uint16_t kIncomingReset = 14;
constexpr std::uint16_t kResponse = 16;
constexpr std::uint32_t kNothingToDo = 0;
constexpr std::uint32_t kPerformed = 1;
constexpr std::uint32_t kDenied = 2;
constexpr std::uint32_t kBadSequenceNumber = 5;
constexpr std::uint32_t kInProgress = 6;

void reset(Link& link, Side& side, std::vector<StreamId> streams) { side->reset_streams(link.now, streams); }

/// With and without interleaving.
class SctpReset : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static Link::Options options() { return {.a = {.offer_interleaving = GetParam()}}; }
};

INSTANTIATE_TEST_SUITE_P(Interleaving, SctpReset, testing::Bool());

TEST_P(SctpReset, ComesAfterAllThatWasQueued) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(link.send(link.a, 1, random_bytes(50'000, 1)));
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty() && !link.z.incoming_reset.empty(); }));
  EXPECT_EQ(link.z.messages.size(), 10U);
  EXPECT_EQ(link.z.messages_before_reset, 10U);
  EXPECT_EQ(numbers(link.a.outgoing_reset), Numbers{1});
  EXPECT_EQ(numbers(link.z.incoming_reset), Numbers{1});
  EXPECT_TRUE(link.a.incoming_reset.empty());
  EXPECT_TRUE(link.z.outgoing_reset.empty());
}

TEST_P(SctpReset, TheStreamStartsAgainAtZero) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(link.send(link.a, 1, as_byte_view("before")));
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  link.a.sent.clear();
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("after")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 6; }));
  EXPECT_EQ(link.a.data_packets()[0]->packet.chunks.back().sequence(), 0U);
}

TEST_P(SctpReset, OtherStreamsGoOnMeanwhile) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(link.send(link.a, 1, random_bytes(30'000, 1)));
    ASSERT_TRUE(link.send(link.a, 2, random_bytes(30'000, 1)));
  }
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.send(link.a, 2, as_byte_view("more")));
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  ASSERT_TRUE(link.send(link.a, 2, as_byte_view("still in order")));
  ASSERT_TRUE(link.run_until([&] { return link.z.messages.size() == 12; }));
  EXPECT_EQ(as_text(link.z.messages.back().bytes), "still in order");
}

TEST_P(SctpReset, WhileItIsUnderWayTheStreamTakesNothing) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("before")));
  reset(link, link.a, {StreamId{1}});
  EXPECT_EQ(link.send(link.a, 1, as_byte_view("during")).error(), SendError::NoSuchStream);
  link.run_for(milliseconds(15));
  EXPECT_EQ(link.send(link.a, 1, as_byte_view("during")).error(), SendError::NoSuchStream);
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  EXPECT_TRUE(link.send(link.a, 1, as_byte_view("after")));
}

TEST_P(SctpReset, BothSidesMayResetTheSameStreamAtOnce) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  ASSERT_TRUE(link.send(link.a, 1, random_bytes(20'000, 1)));
  ASSERT_TRUE(link.send(link.z, 1, random_bytes(20'000, 1)));
  reset(link, link.a, {StreamId{1}});
  reset(link, link.z, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty() && !link.z.outgoing_reset.empty(); }));
  EXPECT_EQ(numbers(link.a.incoming_reset), Numbers{1});
  EXPECT_EQ(numbers(link.z.incoming_reset), Numbers{1});
}

TEST_P(SctpReset, OfAStreamThatWasNeverUsedWorks) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  reset(link, link.a, {StreamId{7}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  EXPECT_EQ(numbers(link.z.incoming_reset), Numbers{7});
}

TEST_P(SctpReset, OfManyStreamsAtOnceWorks) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  std::vector<StreamId> all;
  for (std::uint16_t i = 0; i < 1024; ++i) all.push_back(StreamId{i});
  reset(link, link.a, all);
  ASSERT_TRUE(link.run_until([&] { return link.a.outgoing_reset.size() == 1024; }));
  Numbers incoming = numbers(link.z.incoming_reset);
  std::ranges::sort(incoming);
  EXPECT_EQ(incoming, numbers(all));
}

TEST_P(SctpReset, OfSomeStreamsWhileOthersAreBeingResetFollows) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  reset(link, link.a, {StreamId{1}});
  link.drain();
  reset(link, link.a, {StreamId{2}, StreamId{3}});
  link.drain();
  reset(link, link.a, {StreamId{1}, StreamId{2}});  // under way already: no second time
  ASSERT_TRUE(link.run_until([&] { return link.a.outgoing_reset.size() >= 3; }));
  link.run_for(seconds(10));
  EXPECT_EQ(numbers(link.a.outgoing_reset), (Numbers{1, 2, 3}));
  EXPECT_EQ(numbers(link.z.incoming_reset), (Numbers{1, 2, 3}));
}

TEST_P(SctpReset, BeforeTheAssociationIsOpenWaitsForIt) {
  Link link(options());
  link.a->connect(link.now);
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("early")));
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  EXPECT_EQ(link.z.messages.size(), 1U);
}

TEST_P(SctpReset, OfAStreamThatDoesNotExistChangesNothing) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  reset(link, link.a, {StreamId{60'000}});
  link.run_for(seconds(5));
  EXPECT_FALSE(link.a.is_closed());
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.z.incoming_reset.empty(); }));
}

TEST_P(SctpReset, ALostRequestAndALostResponseAreMadeUpFor) {
  for (bool request : {true, false}) {
    Link link(options());
    ASSERT_TRUE(link.connect());
    ASSERT_TRUE(link.send(link.a, 1, as_byte_view("before")));
    (request ? link.a : link.z).drop_if = drop_first(Type::Reconfig, 2);
    reset(link, link.a, {StreamId{1}});
    ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
    link.run_for(seconds(10));
    EXPECT_EQ(numbers(link.a.outgoing_reset), Numbers{1});
    EXPECT_EQ(numbers(link.z.incoming_reset), Numbers{1});
  }
}

/// Changes the result in the first `count` responses that Z sends.
void change_result(Link& link, std::uint32_t result, int count) {
  link.z.rewrite = [result, count](wire::Packet& packet) mutable {
    for (wire::Chunk& chunk : packet.chunks) {
      if (chunk.type != Type::Reconfig || wire::u16_at(chunk.value, 0) != kResponse || count-- <= 0) continue;
      wire::put_u32(chunk.value, 8, result);
    }
  };
}

TEST_P(SctpReset, APeerThatIsNotReadyIsAskedAgain) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  change_result(link, kInProgress, 2);
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  link.run_for(seconds(10));
  EXPECT_EQ(numbers(link.a.outgoing_reset), Numbers{1});
  EXPECT_TRUE(link.a.reset_refused.empty());
  EXPECT_EQ(numbers(link.z.incoming_reset), Numbers{1});
}

TEST_P(SctpReset, APeerThatGivesTheOldAnswerForEverIsAskedUnderANewNumber) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  std::set<std::uint32_t> asked;
  link.z.rewrite = [&](wire::Packet& packet) {
    for (wire::Chunk& chunk : packet.chunks) {
      if (chunk.type != Type::Reconfig || wire::u16_at(chunk.value, 0) != kResponse) continue;
      asked.insert(wire::u32_at(chunk.value, 4));
      if (asked.size() == 1) wire::put_u32(chunk.value, 8, kInProgress);
    }
  };
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  EXPECT_EQ(asked.size(), 2U);
  EXPECT_TRUE(link.a.reset_refused.empty());
}

TEST_P(SctpReset, APeerThatIsNeverReadyDoesNotMakeUsAskInALoop) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  change_result(link, kInProgress, 1'000'000);
  reset(link, link.a, {StreamId{1}});
  link.run_for(minutes(1));
  EXPECT_LE(link.a.sent_chunks(Type::Reconfig), 400U);
  EXPECT_FALSE(link.a.is_closed());
}

TEST_P(SctpReset, ARefusedStreamStaysUnusable) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  change_result(link, kDenied, 1);
  reset(link, link.a, {StreamId{1}, StreamId{2}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.reset_refused.empty(); }));
  EXPECT_EQ(numbers(link.a.reset_refused), (Numbers{1, 2}));
  EXPECT_TRUE(link.a.outgoing_reset.empty());
  EXPECT_EQ(link.send(link.a, 1, as_byte_view("no")).error(), SendError::NoSuchStream);
  EXPECT_TRUE(link.send(link.a, 3, as_byte_view("yes")));
  reset(link, link.a, {StreamId{3}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  EXPECT_EQ(numbers(link.a.outgoing_reset), Numbers{3});
}

TEST_P(SctpReset, APeerThatNeverAnswersIsLost) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  link.z.drop_if = [](const wire::Packet&) { return true; };
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return link.a.is_closed(); }, minutes(30)));
  EXPECT_EQ(link.a.closed[0].reason, CloseReason::Lost);
}

TEST_P(SctpReset, UnreliableMessagesDoNotHoldItUp) {
  Link link(options());
  ASSERT_TRUE(link.connect());
  int lost = 0;
  link.a.drop_if = [&](const wire::Packet& packet) { return packet.has_data() && lost++ < 1; };
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("given up"), {.max_retransmissions = 0}));
  reset(link, link.a, {StreamId{1}});
  ASSERT_TRUE(link.run_until([&] { return !link.a.outgoing_reset.empty(); }));
  ASSERT_TRUE(link.send(link.a, 1, as_byte_view("after")));
  ASSERT_TRUE(link.run_until([&] { return !link.z.messages.empty(); }));
  EXPECT_EQ(as_text(link.z.messages[0].bytes), "after");
}

class SctpResetWeather : public testing::TestWithParam<std::tuple<bool, std::uint64_t>> {};

TEST_P(SctpResetWeather, StreamsAreUsedAndResetAgainAndAgain) {
  const auto [interleave, seed] = GetParam();
  Link link({.seed = seed,
             .network = {.jitter = milliseconds(15), .loss = 0.1, .duplicates = 0.05},
             .a = {.offer_interleaving = interleave}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  BothWays traffic(link, seed);
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    for (Side* side : {&link.a, &link.z}) side->outgoing_reset.clear();
    for (std::uint16_t stream = 0; stream < 6; ++stream) {
      for (Traffic* each : {&traffic.there, &traffic.back}) {
        for (int i = 0; i < 4; ++i) each->add({.stream = stream, .size = 1 + (seed * 7919 + stream * 977) % 9'000});
      }
    }
    traffic.pump();
    ASSERT_TRUE(traffic.there.all_sent() && traffic.back.all_sent());
    const std::vector<StreamId> streams{StreamId{0}, StreamId{1}, StreamId{2}, StreamId{3}, StreamId{4}, StreamId{5}};
    link.a->reset_streams(link.now, streams);
    link.z->reset_streams(link.now, streams);
    ASSERT_TRUE(link.run_until([&] { return link.a.outgoing_reset.size() == 6 && link.z.outgoing_reset.size() == 6; },
                               minutes(5)));
    ASSERT_TRUE(traffic.done());
  }
  link.run_for(seconds(30));
  EXPECT_EQ(link.a.incoming_reset.size(), 6U * kRounds);
  EXPECT_EQ(link.z.incoming_reset.size(), 6U * kRounds);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SctpResetWeather,
                         testing::Combine(testing::Bool(), testing::Range<std::uint64_t>(1, 21)));

/// Row S4 of the fault matrix: ids are used again and again, for as long as a tube lives.
TEST(SctpResetForEver, SeventyThousandCyclesStayFlat) {
  Link link({.network = {.delay = milliseconds(1)}});
  link.keep_nothing();
  ASSERT_TRUE(link.connect());
  constexpr std::uint16_t kStreams = 100;
  std::vector<StreamId> streams;
  for (std::uint16_t i = 0; i < kStreams; ++i) streams.push_back(StreamId{i});
  std::size_t messages = 0;
  link.z.on_message = [&](const MessageReceived&) { ++messages; };
  const auto cycle = [&] {
    for (std::uint16_t i = 0; i < kStreams; ++i) ASSERT_TRUE(link.send(link.a, i, as_byte_view("open")));
    link.a->reset_streams(link.now, streams);
    ASSERT_TRUE(link.run_until([&] { return link.a.outgoing_reset.size() == kStreams; }));
    link.z->reset_streams(link.now, streams);
    ASSERT_TRUE(link.run_until([&] { return link.z.outgoing_reset.size() == kStreams; }));
    for (Side* side : {&link.a, &link.z}) {
      ASSERT_EQ(side->incoming_reset.size(), kStreams);
      side->incoming_reset.clear();
      side->outgoing_reset.clear();
      side->low.clear();
    }
  };
  for (int i = 0; i < 20; ++i) cycle();
  const std::size_t warm = live_allocations();
  for (int i = 20; i < 70'000 / kStreams; ++i) {
    cycle();
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(messages, 70'000U);
  EXPECT_LE(live_allocations(), warm + 64);
  EXPECT_EQ(link.z.pool.stats().in_use_bytes, 0U);
}

// From here on the requests are written by hand, as another stack may send them.

struct Handmade {
  explicit Handmade(const Link::Options& options) : link(options) {
    EXPECT_TRUE(link.connect());
    const wire::Chunk& init = link.a.sent[0].packet.chunks[0];
    next_tsn = next_request = wire::u32_at(init.value, 12);  // RFC 6525 3.1: requests count from the first TSN
    link.z.sent.clear();
  }

  /// A request of A to reset its outgoing `streams` after `last_tsn`.
  void request(std::uint32_t number, std::uint32_t last_tsn, const Numbers& streams) {
    Bytes body = wire::words({number, /*response number*/ 0, last_tsn});
    for (std::uint16_t stream : streams) BytesWriter(body).u16(stream);
    send({{.type = kOutgoingReset, .value = std::move(body)}});
  }

  void send(const std::vector<wire::Parameter>& parameters) {
    wire::Chunk chunk{.type = Type::Reconfig, .value = {}};
    for (const wire::Parameter& parameter : parameters) wire::append(chunk.value, parameter);
    // RFC 6525 3.1: the last parameter's padding is not part of the chunk's length.
    chunk.value.resize(chunk.value.size() - (4 - parameters.back().value.size() % 4) % 4);
    link.inject(link.z, {.chunks = {chunk}});
  }

  /// The result of Z's last response.
  [[nodiscard]] std::optional<std::uint32_t> result() const {
    std::optional<std::uint32_t> last;
    for (const Sent& sent : link.z.sent) {
      const wire::Chunk* chunk = sent.packet.find(Type::Reconfig);
      if (chunk == nullptr) continue;
      for (const wire::Parameter& parameter : wire::parameters(*chunk, 0)) {
        if (parameter.type == kResponse) last = wire::u32_at(parameter.value, 4);
      }
    }
    return last;
  }

  Link link;
  std::uint32_t next_tsn = 0;
  std::uint32_t next_request = 0;
};

Link::Options plain() { return {.a = {.offer_interleaving = false}, .z = {.streams = 100}}; }

TEST(SctpResetByHand, IsPerformedAndAnswered) {
  Handmade hand(plain());
  hand.request(hand.next_request, hand.next_tsn - 1, {3, 4});
  EXPECT_EQ(hand.result(), kPerformed);
  EXPECT_EQ(numbers(hand.link.z.incoming_reset), (Numbers{3, 4}));
}

TEST(SctpResetByHand, BeforeItsDataArrivedIsInProgress) {
  Handmade hand(plain());
  hand.request(hand.next_request, hand.next_tsn, {3});
  EXPECT_EQ(hand.result(), kInProgress);
  EXPECT_TRUE(hand.link.z.incoming_reset.empty());
  hand.link.inject(hand.link.z, {.chunks = {wire::data(hand.next_tsn, 3, 0, as_byte_view("late"))}});
  // RFC 6525 5.2.1: the same request comes again, with the same number.
  hand.request(hand.next_request, hand.next_tsn, {3});
  EXPECT_EQ(hand.result(), kPerformed);
  ASSERT_EQ(hand.link.z.messages.size(), 1U);
  EXPECT_EQ(numbers(hand.link.z.incoming_reset), Numbers{3});
}

TEST(SctpResetByHand, AskedForAgainUnderANewNumberItIsDoneOnce) {
  for (bool while_it_waits : {true, false}) {
    Handmade hand(plain());
    hand.request(hand.next_request, hand.next_tsn, {3});
    if (while_it_waits) hand.request(hand.next_request + 1, hand.next_tsn, {3});
    EXPECT_EQ(hand.result(), kInProgress);
    hand.link.inject(hand.link.z, {.chunks = {wire::data(hand.next_tsn, 3, 0, as_byte_view("late"))}});
    if (!while_it_waits) hand.request(hand.next_request + 1, hand.next_tsn, {3});
    EXPECT_EQ(hand.result(), kPerformed);
    EXPECT_EQ(numbers(hand.link.z.incoming_reset), Numbers{3});
  }
}

TEST(SctpResetByHand, ARepeatedRequestIsAnsweredAndDoneOnce) {
  Handmade hand(plain());
  for (int i = 0; i < 3; ++i) hand.request(hand.next_request, hand.next_tsn - 1, {3});
  EXPECT_TRUE(hand.result() == kPerformed || hand.result() == kNothingToDo);
  EXPECT_EQ(numbers(hand.link.z.incoming_reset), Numbers{3});
}

TEST(SctpResetByHand, ANumberOutOfTurnIsRefused) {
  Handmade hand(plain());
  hand.request(hand.next_request + 5, hand.next_tsn - 1, {3});
  EXPECT_EQ(hand.result(), kBadSequenceNumber);
  EXPECT_TRUE(hand.link.z.incoming_reset.empty());
  hand.request(hand.next_request, hand.next_tsn - 1, {3});
  EXPECT_EQ(hand.result(), kPerformed);
}

TEST(SctpResetByHand, AStreamOutOfRangeIsRefused) {
  Handmade hand(plain());
  hand.request(hand.next_request, hand.next_tsn - 1, {100});
  ASSERT_TRUE(hand.result().has_value());
  EXPECT_GE(*hand.result(), kDenied);
  EXPECT_TRUE(hand.link.z.incoming_reset.empty());
}

TEST(SctpResetByHand, AnEmptyListMeansAllStreams) {
  Handmade hand(plain());
  hand.link.inject(hand.link.z, {.chunks = {wire::data(hand.next_tsn, 7, 0, as_byte_view("used"))}});
  hand.request(hand.next_request, hand.next_tsn, {});
  EXPECT_EQ(hand.result(), kPerformed);
  EXPECT_TRUE(std::ranges::find(hand.link.z.incoming_reset, StreamId{7}) != hand.link.z.incoming_reset.end());
  hand.link.inject(hand.link.z, {.chunks = {wire::data(hand.next_tsn + 1, 7, 0, as_byte_view("again"))}});
  EXPECT_EQ(hand.link.z.messages.size(), 2U);
}

TEST(SctpResetByHand, OtherRequestsGetAnAnswerAndHurtNothing) {
  Handmade hand(plain());
  std::uint32_t number = hand.next_request;
  for (std::uint16_t type : {kIncomingReset, std::uint16_t{15}, std::uint16_t{17}, std::uint16_t{18}}) {
    Bytes body = wire::words({number++});
    BytesWriter(body).u32(0x00010000);
    hand.link.z.sent.clear();
    hand.send({{.type = type, .value = body}});
    EXPECT_TRUE(hand.result().has_value()) << type;
    EXPECT_FALSE(hand.link.z.is_closed()) << type;
  }
  hand.link.run_for(seconds(10));
  EXPECT_FALSE(hand.link.z.is_closed());
  EXPECT_FALSE(hand.link.a.is_closed());
}

TEST(SctpResetByHand, AnswersToNoRequestAreIgnored) {
  Handmade hand(plain());
  for (std::uint32_t number : {0U, hand.next_request, hand.next_request - 1, 0xFFFFFFFFU}) {
    for (std::uint32_t result : {0U, 1U, 2U, 6U, 77U}) {
      hand.send({{.type = kResponse, .value = wire::words({number, result})}});
    }
  }
  hand.link.run_for(seconds(10));
  EXPECT_FALSE(hand.link.z.is_closed());
  EXPECT_TRUE(hand.link.z.outgoing_reset.empty());
  EXPECT_TRUE(hand.link.z.reset_refused.empty());
}

TEST(SctpResetByHand, ForgottenDataOfAResetStreamIsNotDelivered) {
  Handmade hand(plain());
  // SSN 5 waits for 0 to 4, which never come: the reset ends the waiting.
  hand.link.inject(hand.link.z, {.chunks = {wire::data(hand.next_tsn, 3, 5, as_byte_view("orphan"))}});
  hand.request(hand.next_request, hand.next_tsn, {3});
  EXPECT_EQ(hand.result(), kPerformed);
  hand.link.inject(hand.link.z, {.chunks = {wire::data(hand.next_tsn + 1, 3, 0, as_byte_view("new"))}});
  ASSERT_FALSE(hand.link.z.messages.empty());
  EXPECT_EQ(as_text(hand.link.z.messages.back().bytes), "new");
  EXPECT_EQ(hand.link.z.pool.stats().in_use_bytes, 0U);
}

}  // namespace
}  // namespace isotube::sctp
