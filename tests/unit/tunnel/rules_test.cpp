// docs/protocol.md, A connection's life: each rule against a peer that keeps or breaks it by hand.
#include "unit/tunnel/lone.hpp"

namespace isotube::tunnel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr ConnNo kOne{1};

/// We are the answerer; the peer's connection 1 is open.
class Accepted : public testing::Test {
 protected:
  Accepted() : Accepted(Settings{}) {}
  explicit Accepted(Settings settings) : lone(Side::Answerer, std::move(settings)) {
    Lone::greet(lone);
    lone.receive({open_frame(1)});
    lone->accept(lone.now, kOne);
    EXPECT_THAT(lone.sent(), ElementsAre("Opened 1"));
    EXPECT_THAT(lone.events(), ElementsAre("Requested 1 host:80"));
  }

  Lone lone;
};

/// We are the offerer; our connection 1 has been asked for.
class Asked : public testing::Test {
 protected:
  Asked() {
    Lone::greet(lone);
    EXPECT_EQ(lone->open(lone.now, Target{"host", 80}), kOne);
    EXPECT_THAT(lone.sent(), ElementsAre("Open 1 host:80"));
  }

  Lone lone{Side::Offerer};
};

TEST(OpenConnection, WithoutATargetOnAnOpenTubeIsRefusedWith7) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1, std::nullopt)});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 InvalidInstruction the target is missing"));
  EXPECT_THAT(lone.events(), IsEmpty());
}

TEST(OpenConnection, WithATargetOnAFixedTubeIsRefusedWith7) {
  Lone lone(Side::Answerer, {.fixed_target = Target{"fixed", 22}});
  Lone::greet(lone);
  lone.receive({open_frame(1), open_frame(3, std::nullopt)});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 InvalidInstruction this tube has a fixed target"));
  EXPECT_THAT(lone.events(), ElementsAre("Requested 3 fixed:22"));
}

TEST(OpenConnection, IsRefusedWith4WherePeersMayNotOpen) {
  Lone lone(Side::Offerer, {.peer_may_open = false});
  Lone::greet(lone);
  lone.receive({open_frame(2), data_frame(2, "early"), close_frame(2, CloseReason::ServerRefuse)});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 2 ServerRefuse not allowed on this side"));
  EXPECT_THAT(lone.events(), IsEmpty());
  EXPECT_EQ(lone->counters().bytes_discarded, 5u);
  EXPECT_EQ(lone->numbers_in_use(), 0u);
}

TEST(OpenConnection, OverTheNumberOfConnectionsIsRefusedWith1) {
  Lone lone(Side::Answerer, {.max_connections = 1});
  Lone::greet(lone);
  lone.receive({open_frame(1), open_frame(3)});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 3 Error tube budget"));
  EXPECT_THAT(lone.events(), ElementsAre("Requested 1 host:80"));
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::TooManyConnections);
}

TEST(OpenConnection, OverTheTubesCreditIsRefusedWith1) {
  Lone lone(Side::Answerer, {.initial_credit = 100, .credit_budget = 250});
  Lone::greet(lone);
  lone.receive({open_frame(1), open_frame(3), open_frame(5)});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 5 Error tube budget"));
  lone->close(lone.now, kOne, CloseReason::Client);
  lone.receive({close_frame(5, CloseReason::Error), open_frame(5)});
  EXPECT_THAT(lone.events(),
              ElementsAre("Requested 1 host:80", "Requested 3 host:80", "Closed 1 Client", "Requested 5 host:80"));
}

TEST(OpenConnection, OfAPeerThatNeverAnswersCantFillTheMemory) {
  Lone lone(Side::Answerer, {.max_connections = 8});
  Lone::greet(lone);
  for (std::uint32_t number = 1; number < 20'000; number += 2) {
    lone.receive({open_frame(number)});
    lone->close(lone.now, ConnNo{number}, CloseReason::ConnectionFailed);
    EXPECT_THAT(lone.sent(), testing::SizeIs(1));
  }
  EXPECT_LE(lone->numbers_in_use(), 32u);
}

TEST(OpenConnection, IsSentWithoutATargetOnAFixedTube) {
  Lone lone(Side::Offerer);
  Lone::greet(lone);
  EXPECT_TRUE(lone->open(lone.now, std::nullopt).has_value());
  EXPECT_THAT(lone.sent(), ElementsAre("Open 1"));
}

TEST(OpenConnection, NeedsADataChannelAndAGoodName) {
  Lone lone(Side::Offerer);
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::NoChannel);
  lone.open_control();
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::NoChannel);
  lone.open_channel();
  EXPECT_EQ(lone->open(lone.now, Target{"", 1}).error(), OpenError::BadTarget);
  EXPECT_EQ(lone->open(lone.now, Target{std::string(256, 'a'), 1}).error(), OpenError::BadTarget);
  lone->close_tube(lone.now, CloseReason::Client);
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::Closing);
}

TEST(ConnectionOpened, GoesOutBeforeTheAcceptorMayWrite) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1)});
  EXPECT_EQ(lone->writable(kOne), 0u);
  lone->accept(lone.now, kOne);
  EXPECT_GT(lone->writable(kOne), 0u);
  lone.write(1, "x");
  EXPECT_THAT(lone.sent(), ElementsAre("Opened 1", "Data 1 x"));
}

TEST(ConnectionOpened, IsNotSentForARefusedConnection) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1)});
  lone->close(lone.now, kOne, CloseReason::ServerRefuse, "not allowed by this gateway");
  lone->accept(lone.now, kOne);
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 ServerRefuse not allowed by this gateway"));
}

TEST_F(Asked, OpenerMayWriteAtOnce) {
  lone.write(1, "early");
  lone->write_eof(lone.now, kOne);
  EXPECT_THAT(lone.sent(), ElementsAre("Data 1 early", "Eof 1"));
}

TEST_F(Asked, DataBeforeConnectionOpenedClosesThatConnectionWith19) {
  lone.receive({data_frame(1, "x"), data_frame(1, "y")});
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 ProtocolError data before ConnectionOpened"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 ProtocolError data before ConnectionOpened"));
}

TEST_F(Asked, ConnectionOpenedTwiceIsCountedAndIgnored) {
  lone.receive({opened_frame(1), opened_frame(1)});
  EXPECT_THAT(lone.events(), ElementsAre("Opened 1"));
  EXPECT_EQ(lone->counters().unexpected_frames, 1u);
}

TEST_F(Asked, RefusalIsAnsweredOnceWithTheSameReason) {
  lone.receive({close_frame(1, CloseReason::AddressResolutionFailed, "no such name"),
                close_frame(1, CloseReason::AddressResolutionFailed)});
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 AddressResolutionFailed no such name"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 AddressResolutionFailed"));
  EXPECT_EQ(lone->counters().unknown_connections, 1u);
}

TEST_F(Asked, RefusalWithNormalEndsItTooSinceNothingIsLeftToDeliver) {
  lone.receive({close_frame(1, CloseReason::Normal)});
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Normal"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Normal"));
}

TEST_F(Accepted, UnknownReasonReadsAsUnknown) {
  lone.receive({close_frame(1, static_cast<CloseReason>(3))});
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Unknown"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Unknown"));
}

TEST_F(Accepted, DataAfterSendEofClosesThatConnectionWith19) {
  lone.receive({open_frame(3), eof_frame(1), data_frame(1, "x"), data_frame(3, "y")});
  EXPECT_THAT(lone.events(), ElementsAre("Requested 3 host:80", "Eof 1",
                                         "Closed 1 ProtocolError something after SendEOF", "Data 3 y"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 ProtocolError something after SendEOF"));
  EXPECT_EQ(lone->connections(), 1u);
}

TEST_F(Accepted, SecondSendEofClosesThatConnectionWith19) {
  lone.receive({eof_frame(1), eof_frame(1)});
  EXPECT_THAT(lone.events(), ElementsAre("Eof 1", "Closed 1 ProtocolError something after SendEOF"));
}

TEST_F(Accepted, EmptyDataHasNoEffectEvenAfterSendEof) {
  lone.receive({data_frame(1, ""), eof_frame(1), data_frame(1, "")});
  EXPECT_THAT(lone.events(), ElementsAre("Eof 1"));
  EXPECT_THAT(lone.sent(), IsEmpty());
}

TEST_F(Accepted, NothingMayBeWrittenAfterSendEof) {
  lone->write_eof(lone.now, kOne);
  EXPECT_EQ(lone->writable(kOne), 0u);
  lone.write(1, "late");
  lone->write_eof(lone.now, kOne);
  EXPECT_THAT(lone.sent(), ElementsAre("Eof 1"));
}

TEST_F(Accepted, CloseNormalWaitsUntilEverythingIsDelivered) {
  lone->write_eof(lone.now, kOne);
  lone.receive({data_frame(1, "slow"), eof_frame(1), close_frame(1, CloseReason::Normal)});
  EXPECT_THAT(lone.sent(), ElementsAre("Eof 1"));
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 slow", "Eof 1"));
  lone->consumed(lone.now, kOne, 4);
  EXPECT_THAT(lone.sent(), IsEmpty());
  lone->delivered_eof(lone.now, kOne);
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Normal"));
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Normal"));
}

TEST_F(Accepted, CloseNormalWithoutSendEofStillDeliversWhatCame) {
  lone.receive({data_frame(1, "last words"), close_frame(1, CloseReason::Normal), data_frame(1, "ghost")});
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 last words", "Eof 1"));
  EXPECT_EQ(lone->writable(kOne), 0u);
  lone.write(1, "to nobody");
  EXPECT_THAT(lone.sent(), IsEmpty());
  lone->delivered_eof(lone.now, kOne);
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Normal"));
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Normal"));
  EXPECT_EQ(lone->numbers_in_use(), 0u);
}

TEST_F(Accepted, CloseNormalIsAnsweredWithNormalEvenIfDeliveryFails) {
  lone.receive({data_frame(1, "undeliverable"), close_frame(1, CloseReason::Normal)});
  lone->close(lone.now, kOne, CloseReason::ConnectionLost, "broken pipe");
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Normal"));
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 undeliverable", "Eof 1", "Closed 1 ConnectionLost broken pipe"));
}

TEST_F(Accepted, CloseNormalAfterAllWasDeliveredIsAnsweredAtOnce) {
  lone.receive({eof_frame(1)});
  lone->delivered_eof(lone.now, kOne);
  lone.receive({close_frame(1, CloseReason::Normal)});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Normal"));
  EXPECT_THAT(lone.events(), ElementsAre("Eof 1", "Closed 1 Normal"));
}

TEST_F(Accepted, SecondCloseWhileDeliveringIsCountedAndIgnored) {
  lone.receive({close_frame(1, CloseReason::Normal), close_frame(1, CloseReason::Error)});
  EXPECT_THAT(lone.events(), ElementsAre("Eof 1"));
  EXPECT_EQ(lone->counters().unknown_connections, 1u);
  lone->delivered_eof(lone.now, kOne);
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Normal"));
}

TEST_F(Accepted, ReasonOfTheAnswerToOurNormalCloseIsToldToTheDriver) {
  lone->write_eof(lone.now, kOne);
  lone.receive({eof_frame(1)});
  lone->delivered_eof(lone.now, kOne);
  EXPECT_THAT(lone.sent(), ElementsAre("Eof 1 + Close 1 Normal"));
  EXPECT_EQ(lone->connections(), 1u);
  lone.receive({close_frame(1, CloseReason::ConnectionLost, "target died before the last byte")});
  EXPECT_THAT(lone.events(), ElementsAre("Eof 1", "Closed 1 ConnectionLost target died before the last byte"));
  EXPECT_THAT(lone.sent(), IsEmpty());
}

TEST_F(Accepted, DataAfterOurCloseIsDiscardedAndCounted) {
  lone->close(lone.now, kOne, CloseReason::ConnectionLost);
  lone.receive({data_frame(1, "12345"), eof_frame(1), window_frame(1, 9), data_frame(1, "67")});
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 ConnectionLost"));
  EXPECT_EQ(lone->counters().bytes_discarded, 7u);
  EXPECT_EQ(lone->numbers_in_use(), 1u);
  lone.receive({close_frame(1, CloseReason::ConnectionLost)});
  EXPECT_EQ(lone->numbers_in_use(), 0u);
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 ConnectionLost"));
}

TEST_F(Accepted, CallsForAConnectionThatEndedDoNothing) {
  lone.receive({close_frame(1, CloseReason::Error)});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Error"));
  EXPECT_EQ(lone->writable(kOne), 0u);
  lone.write(1, "x");
  lone->write_eof(lone.now, kOne);
  lone->consumed(lone.now, kOne, 10);
  lone->delivered_eof(lone.now, kOne);
  lone->accept(lone.now, kOne);
  lone->close(lone.now, kOne, CloseReason::Client);
  EXPECT_THAT(lone.sent(), IsEmpty());
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Error"));
}

TEST_F(Accepted, ALongCloseMessageIsCutBetweenCodePoints) {
  lone->close(lone.now, kOne, CloseReason::Error, std::string(200'000, 'm'));
  const auto transmit = lone->poll_transmit();
  ASSERT_TRUE(transmit.has_value());
  EXPECT_EQ(transmit->message.size(), frame::kDefaultMaxMessage);
}

TEST_F(Accepted, ClosingTheChannelEndsItsConnections) {
  lone.open_channel(kOtherData);
  lone.receive({open_frame(3)}, kOtherData);
  lone->handle_channel_closed(lone.now, kOtherData);
  EXPECT_THAT(lone.events(), ElementsAre("Requested 3 host:80", "Closed 3 ConnectionLost the data channel closed"));
  EXPECT_EQ(lone->connections(), 1u);
  EXPECT_EQ(lone->channel_of(kOne), kData);
}

}  // namespace
}  // namespace isotube::tunnel
