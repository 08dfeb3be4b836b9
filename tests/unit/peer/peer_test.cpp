#include "peer/peer.hpp"

#include <gtest/gtest.h>

#include <array>

#include "pair.hpp"

namespace isotube::peer {
namespace {

using datachannel::MessageKind;
using std::chrono::seconds;

datachannel::ChannelId open_channel(Pair& pair, Side& side) {
  const auto channel = side.peer.open_channel(pair.now, {.label = "data", .protocol = "isotube"});
  EXPECT_TRUE(channel);
  EXPECT_TRUE(pair.run_until([&] { return !side.all<datachannel::Opened>().empty(); }));
  return *channel;
}

TEST(Peer, ConnectsAndCarriesMessagesBothWays) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const auto channel = open_channel(pair, pair.offerer);
  ASSERT_TRUE(
      pair.offerer.peer.send(pair.now, channel, MessageKind::Binary, pair.offerer.pool.copy_of(as_byte_view("there"))));
  ASSERT_TRUE(pair.run_until([&] { return !pair.answerer.all<datachannel::Message>().empty(); }));
  EXPECT_EQ(as_text(pair.answerer.all<datachannel::Message>()[0]->payload.view()), "there");
  ASSERT_TRUE(
      pair.answerer.peer.send(pair.now, channel, MessageKind::Text, pair.answerer.pool.copy_of(as_byte_view("back"))));
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<datachannel::Message>().empty(); }));
  EXPECT_EQ(as_text(pair.offerer.all<datachannel::Message>()[0]->payload.view()), "back");
}

TEST(Peer, ConnectsWithinMillisecondsWhenBothSidesAreOurs) {
  Pair pair;
  const TimePoint begun = pair.now;
  ASSERT_TRUE(pair.connect());
  // Pacing of 5 ms for the checks is all that is waited for.
  EXPECT_LE(pair.now - begun, std::chrono::milliseconds(30));
}

TEST(Peer, StaysConnectedThroughTenIdleMinutesAndCarriesMessagesAfterwards) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const auto channel = open_channel(pair, pair.offerer);
  EXPECT_FALSE(pair.run_until([] { return false; }, std::chrono::minutes(10)));
  for (const Side* side : {&pair.offerer, &pair.answerer}) {
    EXPECT_EQ(side->peer.state(), State::Connected);
    EXPECT_EQ(side->all<StateChanged>().size(), 2U) << "Connecting and Connected, and nothing since";
  }
  ASSERT_TRUE(pair.answerer.peer.send(pair.now, channel, MessageKind::Binary,
                                      pair.answerer.pool.copy_of(as_byte_view("still"))));
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<datachannel::Message>().empty(); }));
  EXPECT_EQ(as_text(pair.offerer.all<datachannel::Message>()[0]->payload.view()), "still");
}

TEST(Peer, OfferCarriesWhatWasGatheredBefore) {
  Pair pair;
  pair.offerer.peer.add_local_address(pair.now, pair.offerer.own_address);
  pair.offerer.peer.end_of_local_addresses(pair.now);
  const sdp::Description offer = pair.offerer.peer.create_offer(pair.now);
  ASSERT_EQ(offer.candidates.size(), 1U);
  EXPECT_EQ(offer.candidates[0].address, pair.offerer.own_address);
  EXPECT_TRUE(offer.end_of_candidates);
  EXPECT_EQ(offer.setup, sdp::Setup::ActPass);
}

TEST(Peer, AnswersWithTheMidAndTheRejectedMediaOfTheOffer) {
  Pair pair;
  sdp::Description offer = pair.offerer.peer.create_offer(pair.now);
  offer.mid = "data";
  offer.bundle = false;
  offer.rejected_before = {{"audio", "UDP/TLS/RTP/SAVPF", "111", "a"}};
  const auto answer = pair.answerer.peer.accept_offer(pair.now, offer);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, sdp::Type::Answer);
  EXPECT_EQ(answer->setup, sdp::Setup::Active);
  EXPECT_EQ(answer->mid, "data");
  EXPECT_FALSE(answer->bundle);
  EXPECT_EQ(answer->rejected_before, offer.rejected_before);
  EXPECT_EQ(answer->ice, pair.answerer.peer.local_ice_credentials());
}

TEST(Peer, SignalsCandidatesThatItFoundAfterItsDescription) {
  Pair pair;
  const sdp::Description offer = pair.offerer.peer.create_offer(pair.now);
  EXPECT_TRUE(offer.candidates.empty());
  pair.offerer.peer.add_local_address(pair.now, pair.offerer.own_address);
  const auto event = pair.offerer.peer.poll_event();
  ASSERT_TRUE(event);
  ASSERT_TRUE(std::holds_alternative<LocalCandidate>(*event));
  EXPECT_EQ(std::get<LocalCandidate>(*event).candidate.address, pair.offerer.own_address);
}

TEST(Peer, RefusesDescriptionsThatCannotWork) {
  Pair pair;
  sdp::Description offer = pair.offerer.peer.create_offer(pair.now);
  const auto fingerprints = std::exchange(offer.fingerprints, {});
  EXPECT_EQ(pair.answerer.peer.accept_offer(pair.now, offer).error(), DescriptionError::NoFingerprint);
  offer.fingerprints = fingerprints;
  offer.ice.pwd.clear();
  EXPECT_EQ(pair.answerer.peer.accept_offer(pair.now, offer).error(), DescriptionError::NoCredentials);
  offer.ice.pwd = "0123456789012345678901";
  auto answer = pair.answerer.peer.accept_offer(pair.now, offer);
  ASSERT_TRUE(answer);
  EXPECT_EQ(pair.answerer.peer.accept_offer(pair.now, offer).error(), DescriptionError::WrongState);
  answer->setup = sdp::Setup::ActPass;
  EXPECT_EQ(pair.offerer.peer.set_answer(pair.now, *answer).error(), DescriptionError::BadSetup);
}

TEST(Peer, ClosesBothSidesWhenOneCloses) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  (void)open_channel(pair, pair.offerer);
  pair.offerer.peer.close(pair.now);
  ASSERT_TRUE(pair.run_until([&] { return pair.answerer.peer.state() == State::Closed; }, seconds(1)));
  ASSERT_TRUE(pair.run_until([&] { return !pair.answerer.all<Closed>().empty(); }, seconds(1)));
  EXPECT_EQ(pair.offerer.all<Closed>().at(0)->reason, CloseReason::Local);
  EXPECT_EQ(pair.answerer.all<Closed>().at(0)->reason, CloseReason::Remote);
  EXPECT_EQ(pair.answerer.all<datachannel::Closed>().size(), 1U);
  EXPECT_EQ(pair.answerer.peer.next_timeout(), kNever);
}

TEST(Peer, SaysClosedOnceAndLast) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.offerer.peer.close(pair.now);
  pair.offerer.peer.close(pair.now);
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<Closed>().empty(); }, seconds(1)));
  EXPECT_EQ(pair.offerer.all<Closed>().size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Closed>(pair.offerer.events.back()));
}

TEST(Peer, FailsWhenTheCertificateIsNotTheAnnouncedOne) {
  Pair pair;
  pair.negotiate([](sdp::Description& answer) { answer.fingerprints[0].digest[0] ^= std::byte{1}; });
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<Closed>().empty(); }));
  EXPECT_EQ(pair.offerer.all<Closed>()[0]->reason, CloseReason::DtlsFailed);
}

TEST(Peer, FailsWhenNothingAnswers) {
  Pair pair;
  pair.cut = true;
  pair.negotiate();
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<Closed>().empty(); }, seconds(120)));
  EXPECT_EQ(pair.offerer.all<Closed>()[0]->reason, CloseReason::IceFailed);
}

TEST(Peer, SendsNothingButChecksOnceConsentIsGone) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const auto channel = open_channel(pair, pair.offerer);
  pair.cut = true;
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<Closed>().empty(); }, seconds(60)));
  EXPECT_EQ(pair.offerer.all<Closed>()[0]->reason, CloseReason::IceFailed);
  EXPECT_FALSE(pair.offerer.peer.send(pair.now, channel, MessageKind::Binary, Buffer()));
}

TEST(Peer, LooksAtNoDtlsFromAnAddressWithoutAValidatedPair) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const std::uint64_t dropped = pair.answerer.peer.counters().datagrams_dropped;
  const Path stranger{pair.answerer.own_address, *Address::parse("203.0.113.9:9")};
  pair.answerer.peer.handle_datagram(pair.now, stranger, Bytes(100, std::byte{22}));
  EXPECT_EQ(pair.answerer.peer.counters().datagrams_dropped, dropped + 1);
  EXPECT_EQ(pair.answerer.peer.state(), State::Connected);
}

TEST(Peer, DropsDatagramsOfNoKnownProtocol) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const std::uint64_t dropped = pair.answerer.peer.counters().datagrams_dropped;
  const Path path{pair.answerer.own_address, pair.offerer.own_address};
  for (const std::uint8_t first : std::array<std::uint8_t, 5>{4, 19, 64, 128, 255}) {
    pair.answerer.peer.handle_datagram(pair.now, path, Bytes(50, std::byte{first}));
  }
  pair.answerer.peer.handle_datagram(pair.now, path, {});
  EXPECT_EQ(pair.answerer.peer.counters().datagrams_dropped, dropped + 6);
}

TEST(Peer, LeavesNoBufferBehind) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const auto channel = open_channel(pair, pair.offerer);
  for (int i = 0; i < 100; ++i) {
    Buffer message = pair.offerer.pool.acquire(0, 16'384);
    message.append(16'384);
    ASSERT_TRUE(pair.offerer.peer.send(pair.now, channel, MessageKind::Binary, std::move(message)));
  }
  ASSERT_TRUE(pair.run_until([&] { return pair.answerer.all<datachannel::Message>().size() == 100; }));
  ASSERT_TRUE(pair.run_until([&] { return pair.offerer.peer.buffered_amount(channel) == 0; }));
  pair.answerer.events.clear();
  EXPECT_EQ(pair.offerer.pool.stats().in_use_bytes, 0U);
  EXPECT_EQ(pair.answerer.pool.stats().in_use_bytes, 0U);
}

}  // namespace
}  // namespace isotube::peer
