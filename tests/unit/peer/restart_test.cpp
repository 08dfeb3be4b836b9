// ICE restarts of a whole tube: what is above ICE does not notice. Rows I1, I5 and I6 of the fault matrix.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pair.hpp"
#include "stun/message.hpp"

namespace isotube::peer {
namespace {

using datachannel::MessageKind;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kMessages = 50;

struct Restart : ::testing::Test {
  Pair pair;
  Peer& offerer = pair.offerer.peer;
  Peer& answerer = pair.answerer.peer;
  datachannel::ChannelId channel{};

  void SetUp() override {
    ASSERT_TRUE(pair.connect());
    const auto opened = offerer.open_channel(pair.now, {.label = "data", .protocol = "isotube"});
    ASSERT_TRUE(opened);
    channel = *opened;
    ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<datachannel::Opened>().empty(); }));
    for (Side* side : {&pair.offerer, &pair.answerer}) side->events.clear();
  }

  void run_for(Duration time) {
    (void)pair.run_until([] { return false; }, time);
  }

  void send_messages() {
    for (std::size_t i = 0; i < kMessages; ++i) {
      Buffer message = pair.offerer.pool.acquire(0, 16'384);
      message.append(16'384);
      ASSERT_TRUE(offerer.send(pair.now, channel, MessageKind::Binary, std::move(message)));
    }
  }
  [[nodiscard]] bool all_arrived() const { return pair.answerer.all<datachannel::Message>().size() == kMessages; }

  /// `one` begins, and both hear of each other at once.
  void restart(Peer& one, Peer& other) {
    const auto offer = one.restart_offer(pair.now);
    ASSERT_TRUE(offer);
    const auto answer = other.accept_restart(pair.now, *offer);
    ASSERT_TRUE(answer);
    ASSERT_TRUE(one.set_restart_answer(pair.now, *answer));
  }

  [[nodiscard]] bool both_are_done() const {
    return pair.offerer.all<RestartDone>().size() == 1 && pair.answerer.all<RestartDone>().size() == 1;
  }

  [[nodiscard]] static std::size_t handshakes(const Side& side) {
    return static_cast<std::size_t>(
        std::ranges::count_if(side.sent, [](const Bytes& each) { return !each.empty() && each[0] == std::byte{22}; }));
  }

  void expect_untouched() {
    for (const Side* side : {&pair.offerer, &pair.answerer}) {
      EXPECT_THAT(side->all<StateChanged>(), IsEmpty());
      EXPECT_THAT(side->all<Closed>(), IsEmpty());
      EXPECT_THAT(side->all<datachannel::Closed>(), IsEmpty());
    }
    ASSERT_NO_FATAL_FAILURE(send_messages());
    EXPECT_TRUE(pair.run_until([&] { return all_arrived(); }));
  }
};

TEST_F(Restart, ByEitherSideLeavesDtlsSctpAndChannelsAsTheyWere) {
  for (const bool by_offerer : {true, false}) {
    for (Side* side : {&pair.offerer, &pair.answerer}) {
      side->events.clear();
      side->sent.clear();
    }
    const Path before = offerer.selected_path().value();
    ASSERT_NO_FATAL_FAILURE(restart(by_offerer ? offerer : answerer, by_offerer ? answerer : offerer));
    ASSERT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(1)));
    EXPECT_EQ(offerer.selected_path(), before) << "there is only one way";
    expect_untouched();
    EXPECT_EQ(handshakes(pair.offerer) + handshakes(pair.answerer), 0U) << "no second DTLS start";
  }
}

TEST_F(Restart, FragmentsHaveNewCredentialsAndTheCandidates) {
  const ice::Credentials before = offerer.local_ice_credentials();
  const auto offer = offerer.restart_offer(pair.now);
  ASSERT_TRUE(offer);
  EXPECT_NE(offer->ice, before);
  EXPECT_EQ(offer->ice, offerer.local_ice_credentials());
  EXPECT_EQ(offer->mid, "0");
  ASSERT_THAT(offer->candidates, SizeIs(1));
  EXPECT_EQ(offer->candidates[0].address, pair.offerer.own_address);
  EXPECT_EQ(offer->candidates[0].ufrag, offer->ice.ufrag);
  EXPECT_TRUE(offer->end_of_candidates);
  EXPECT_EQ(sdp::parse_fragment(sdp::to_string(*offer)), *offer);
  EXPECT_EQ(offerer.local_fragment(), *offer);
  const ice::Credentials peers = answerer.local_ice_credentials();
  const auto answer = answerer.accept_restart(pair.now, *offer);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->ice, peers);
  EXPECT_EQ(answerer.remote_ice_credentials(), offer->ice);
  EXPECT_THAT(answer->candidates, SizeIs(1));
}

TEST_F(Restart, CarriesATransferToANewAddress) {
  ASSERT_NO_FATAL_FAILURE(send_messages());
  pair.cut = true;
  const Address old = pair.offerer.own_address;
  const Address moved = *Address::parse("198.51.100.1:3000");
  pair.offerer.own_address = moved;
  offerer.add_local_address(pair.now, moved);
  offerer.remove_local_address(pair.now, old);
  EXPECT_EQ(offerer.selected_path(), std::nullopt);
  run_for(seconds(2));
  EXPECT_FALSE(all_arrived());
  pair.cut = false;
  ASSERT_NO_FATAL_FAILURE(restart(offerer, answerer));
  ASSERT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(1)));
  EXPECT_EQ(offerer.selected_path()->local, moved);
  EXPECT_EQ(answerer.selected_path()->remote, moved);
  EXPECT_EQ(offerer.state(), State::Connected);
  EXPECT_TRUE(pair.run_until([&] { return all_arrived(); }));
}

TEST_F(Restart, AnswersAnOfferThatWasAnsweredAlreadyWithTheSameCredentials) {
  const auto offer = offerer.restart_offer(pair.now);
  const auto lost = answerer.accept_restart(pair.now, *offer);
  const auto again = answerer.accept_restart(pair.now, *offer);
  ASSERT_TRUE(lost && again);
  EXPECT_EQ(lost->ice, again->ice);
  ASSERT_TRUE(offerer.set_restart_answer(pair.now, *again));
  EXPECT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(1)));
}

TEST_F(Restart, WithoutAnAnswerFailsAfterThirtySecondsAndLeavesEverythingAsItWas) {
  const ice::Credentials before = offerer.local_ice_credentials();
  const sdp::Fragment described = offerer.local_fragment();
  ASSERT_TRUE(offerer.restart_offer(pair.now));
  const TimePoint begun = pair.now;
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<RestartFailed>().empty(); }, minutes(1)));
  EXPECT_EQ(pair.now - begun, seconds(30));
  EXPECT_EQ(pair.offerer.all<RestartFailed>()[0]->cause, RestartFailed::Cause::NoAnswer);
  EXPECT_EQ(offerer.local_ice_credentials(), before);
  EXPECT_EQ(offerer.local_fragment(), described);
  run_for(minutes(2));
  expect_untouched();
  for (Side* side : {&pair.offerer, &pair.answerer}) side->events.clear();
  ASSERT_NO_FATAL_FAILURE(restart(offerer, answerer));
  EXPECT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(1)));
}

TEST_F(Restart, ThatIsTakenBackLeavesEverythingAsItWas) {
  const ice::Credentials before = offerer.local_ice_credentials();
  ASSERT_TRUE(offerer.restart_offer(pair.now));
  offerer.cancel_restart(pair.now);
  EXPECT_EQ(offerer.local_ice_credentials(), before);
  run_for(minutes(2));
  EXPECT_THAT(pair.offerer.all<RestartFailed>(), IsEmpty());
  expect_untouched();
}

TEST_F(Restart, ThatFindsNoPathFailsAndLeavesEverythingAsItWas) {
  const auto offer = offerer.restart_offer(pair.now);
  const auto answer = answerer.accept_restart(pair.now, *offer);
  ASSERT_TRUE(answer);
  pair.lose = [&](const Path&, ByteView datagram) {
    const auto message = stun::MessageView::parse(datagram);
    if (!message) return false;
    const auto username = message->text(stun::AttributeType::Username).value_or("");
    return username.starts_with(offer->ice.ufrag) || username.starts_with(answer->ice.ufrag);
  };
  ASSERT_TRUE(offerer.set_restart_answer(pair.now, *answer));
  ASSERT_TRUE(pair.run_until(
      [&] { return !pair.offerer.all<RestartFailed>().empty() && !pair.answerer.all<RestartFailed>().empty(); },
      minutes(2)));
  EXPECT_EQ(pair.offerer.all<RestartFailed>()[0]->cause, RestartFailed::Cause::NoPath);
  EXPECT_EQ(offerer.remote_ice_credentials(), answerer.local_ice_credentials());
  EXPECT_EQ(answerer.remote_ice_credentials(), offerer.local_ice_credentials());
  EXPECT_NE(offerer.local_ice_credentials(), offer->ice);
  run_for(minutes(2));
  expect_untouched();
}

TEST_F(Restart, WhoseAnswerIsLostLeavesBothSidesAsTheyWere) {
  const auto offer = offerer.restart_offer(pair.now);
  ASSERT_TRUE(answerer.accept_restart(pair.now, *offer));
  run_for(minutes(5));
  EXPECT_THAT(pair.offerer.all<RestartFailed>(), SizeIs(1));
  EXPECT_THAT(pair.answerer.all<RestartFailed>(), SizeIs(1));
  expect_untouched();
}

TEST_F(Restart, OutlivesTheConsentOfTheOldPath) {
  pair.cut = true;
  ASSERT_TRUE(pair.run_until([&] { return offerer.state() == State::Disconnected; }));
  const auto offer = offerer.restart_offer(pair.now);
  ASSERT_TRUE(offer);
  const auto answer = answerer.accept_restart(pair.now, *offer);
  ASSERT_TRUE(answer);
  run_for(seconds(25));
  EXPECT_EQ(offerer.state(), State::Disconnected);
  EXPECT_EQ(answerer.state(), State::Disconnected);
  pair.cut = false;
  ASSERT_TRUE(offerer.set_restart_answer(pair.now, *answer));
  ASSERT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(10)));
  EXPECT_EQ(offerer.state(), State::Connected);
  ASSERT_NO_FATAL_FAILURE(send_messages());
  EXPECT_TRUE(pair.run_until([&] { return all_arrived(); }));
}

TEST_F(Restart, ThatFailsWithoutAnOldPathEndsTheTube) {
  pair.cut = true;
  ASSERT_TRUE(pair.run_until([&] { return offerer.state() == State::Disconnected; }));
  ASSERT_TRUE(offerer.restart_offer(pair.now));
  ASSERT_TRUE(pair.run_until([&] { return !pair.offerer.all<Closed>().empty(); }, minutes(2)));
  EXPECT_THAT(pair.offerer.all<RestartFailed>(), SizeIs(1));
  EXPECT_EQ(pair.offerer.all<Closed>()[0]->reason, CloseReason::IceFailed);
  EXPECT_EQ(offerer.next_timeout(), kNever);
}

TEST_F(Restart, I5OfBothSidesAtOnceThatOfTheTubesOffererHolds) {
  const auto ours = offerer.restart_offer(pair.now);
  const auto theirs = answerer.restart_offer(pair.now);
  ASSERT_TRUE(ours && theirs);
  EXPECT_EQ(offerer.accept_restart(pair.now, *theirs).error(), DescriptionError::Glare);
  const auto answer = answerer.accept_restart(pair.now, *ours);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->ice, theirs->ice) << "its own is taken back";
  ASSERT_TRUE(offerer.set_restart_answer(pair.now, *answer));
  EXPECT_EQ(answerer.set_restart_answer(pair.now, *ours).error(), DescriptionError::WrongState);
  ASSERT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(1)));
  run_for(minutes(2));
  EXPECT_THAT(pair.answerer.all<RestartFailed>(), IsEmpty());
  expect_untouched();
}

TEST_F(Restart, I6LateCandidatesOfTheOlderGenerationAreDroppedAndStartNothing) {
  const ice::Credentials old = answerer.local_ice_credentials();
  ASSERT_NO_FATAL_FAILURE(restart(offerer, answerer));
  ASSERT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(1)));
  for (Side* side : {&pair.offerer, &pair.answerer}) side->sent.clear();
  const std::uint64_t dropped = offerer.ice_counters().candidates_dropped;
  sdp::Fragment late;
  late.ice.ufrag = old.ufrag;
  late.end_of_candidates = true;
  ice::Candidate candidate;
  candidate.foundation = "7";
  candidate.priority = 2'130'706'431;
  candidate.address = *Address::parse("203.0.113.5:5");
  late.candidates = {candidate};
  offerer.add_remote_candidates(pair.now, late);
  EXPECT_EQ(offerer.ice_counters().candidates_dropped, dropped + 1);
  run_for(seconds(1));
  EXPECT_EQ(handshakes(pair.offerer) + handshakes(pair.answerer), 0U);
  expect_untouched();
}

TEST_F(Restart, RefusesWhatIsNoRestart) {
  Pair fresh;
  EXPECT_EQ(fresh.offerer.peer.restart_offer(fresh.now).error(), DescriptionError::WrongState);
  EXPECT_EQ(fresh.offerer.peer.accept_restart(fresh.now, {}).error(), DescriptionError::WrongState);
  EXPECT_EQ(offerer.accept_restart(pair.now, {}).error(), DescriptionError::NoCredentials);
  sdp::Fragment named;
  named.ice.ufrag = "name";
  EXPECT_EQ(offerer.accept_restart(pair.now, named).error(), DescriptionError::NoCredentials);
  EXPECT_EQ(offerer.set_restart_answer(pair.now, named).error(), DescriptionError::WrongState);
  const ice::Credentials peers = answerer.local_ice_credentials();
  ASSERT_TRUE(offerer.restart_offer(pair.now));
  EXPECT_EQ(offerer.set_restart_answer(pair.now, named).error(), DescriptionError::NoCredentials);
  sdp::Fragment old;
  old.ice = peers;
  EXPECT_EQ(offerer.set_restart_answer(pair.now, old).error(), DescriptionError::NoCredentials);
  offerer.close(pair.now);
  EXPECT_EQ(offerer.restart_offer(pair.now).error(), DescriptionError::WrongState);
  EXPECT_EQ(offerer.accept_restart(pair.now, old).error(), DescriptionError::WrongState);
}

TEST_F(Restart, ReplacesOneThatIsUnderWay) {
  const auto replaced = offerer.restart_offer(pair.now);
  ASSERT_TRUE(replaced);
  const auto stale = answerer.accept_restart(pair.now, *replaced);
  ASSERT_TRUE(stale);
  ASSERT_NO_FATAL_FAILURE(restart(offerer, answerer));
  ASSERT_TRUE(pair.run_until([&] { return both_are_done(); }, seconds(1)));
  EXPECT_EQ(offerer.set_restart_answer(pair.now, *stale).error(), DescriptionError::WrongState);
  run_for(minutes(2));
  expect_untouched();
}

TEST_F(Restart, TellsOfAConsentCheckThatWentUnanswered) {
  run_for(minutes(1));
  EXPECT_THAT(pair.offerer.all<ConsentUnanswered>(), IsEmpty());
  pair.cut = true;
  run_for(seconds(8));
  ASSERT_THAT(pair.offerer.all<ConsentUnanswered>(), SizeIs(1));
  EXPECT_EQ(pair.offerer.all<ConsentUnanswered>()[0]->path, offerer.selected_path());
}

}  // namespace
}  // namespace isotube::peer
