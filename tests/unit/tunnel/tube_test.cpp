// docs/protocol.md, Protocol errors, Data channels, Closing the tube.
#include "unit/tunnel/lone.hpp"

namespace isotube::tunnel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr ConnNo kOne{1};

/// We are the answerer; the peer's connection 1 is open, and its opening out of the way.
class Tube : public testing::Test {
 protected:
  Tube() : Tube(Settings{}) {}
  explicit Tube(Settings settings) : lone(Side::Answerer, std::move(settings)) {
    Lone::greet(lone);
    lone.receive({open_frame(1)});
    lone->accept(lone.now, kOne);
    (void)lone.sent();
    (void)lone.events();
  }

  /// The message closed the tube with 19 for `why`; what came before was processed.
  void expect_protocol_error(const std::string& why) {
    EXPECT_THAT(lone.events(), ElementsAre("Data 1 before", "Closed 1 ProtocolError " + why));
    EXPECT_THAT(lone.sent(), ElementsAre("Close 0 ProtocolError " + why));
    lone.receive({data_frame(1, "after")});
    EXPECT_THAT(lone.events(), IsEmpty());
    lone->handle_timeout(lone->next_timeout());
    EXPECT_THAT(lone.events(), ElementsAre("TubeClosed ProtocolError " + why));
  }

  Lone lone;
};

class SmallTube : public Tube {
 protected:
  SmallTube() : Tube(Settings{.max_message = 100}) {}
};

TEST_F(Tube, ClosesWith19OnAWrongTerminator) {
  Bytes bad = data_frame(1, "bad");
  bad.back() = std::byte{'.'};
  lone.receive({data_frame(1, "before"), bad, data_frame(1, "after")});
  expect_protocol_error("a frame has a wrong terminator");
}

TEST_F(Tube, ClosesWith19OnAnIncompleteFrame) {
  Bytes bad = data_frame(1, "bad");
  bad.pop_back();
  lone.receive({data_frame(1, "before"), bad});
  expect_protocol_error("a frame is cut off");
}

TEST_F(SmallTube, ClosesWith19OnALengthOverTheLimit) {
  lone.receive({data_frame(1, "before"), data_frame(1, std::string(84, 'x'))});
  expect_protocol_error("a frame is over the limit");
}

TEST_F(SmallTube, ClosesWith19OnAMessageOverTheLimitAfterTheFramesWithinIt) {
  // 23 + 77 bytes are within the limit of 100, the third frame is not.
  lone.receive({data_frame(1, "before"), data_frame(9, std::string(60, 'x')), data_frame(1, "over")});
  expect_protocol_error("a message is over the limit");
}

TEST_F(Tube, ClosesWith19OnAControlFrameTooShortForItsFields) {
  Bytes bad;
  BytesWriter writer(bad);
  writer.u32(0);
  writer.u64(0);
  writer.u32(5);
  writer.u16(104);
  writer.zeros(3);
  writer.u8(0x3B);
  lone.receive({data_frame(1, "before"), bad});
  expect_protocol_error("a control frame is too short");
}

TEST_F(Tube, ClosesWith19OnAHostThatIsNoName) {
  lone.receive({data_frame(1, "before"), open_frame(3, Target{"\xFF", 1})});
  expect_protocol_error("a target host is no name");
}

TEST_F(Tube, ClosesWith19OnAnEmptyMessage) {
  lone.receive({data_frame(1, "before")});
  lone.receive({});
  expect_protocol_error("an empty message");
}

TEST_F(Tube, ClosesWith19OnATextMessage) {
  lone.receive({data_frame(1, "before")});
  lone->handle_text_message(lone.now, kData);
  expect_protocol_error("a text message");
}

TEST_F(Tube, ClosesWith19OnAFrameOfAConnectionOnAnotherDataChannel) {
  lone.open_channel(kOtherData);
  lone.receive({data_frame(1, "before")});
  lone.receive({data_frame(1, "astray")}, kOtherData);
  expect_protocol_error("a frame on another channel than its connection's");
}

TEST_F(Tube, UnknownCodesAreCountedAndIgnored) {
  lone.receive({control_frame(frame::UnknownControl{999}), data_frame(1, "goes on")});
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 goes on"));
  EXPECT_EQ(lone->counters().unknown_codes, 1u);
}

TEST_F(Tube, MessagesOnUnknownChannelsAreIgnored) {
  lone.receive({data_frame(1, "x")}, kOtherData);
  lone->handle_text_message(lone.now, kOtherData);
  EXPECT_THAT(lone.events(), IsEmpty());
  EXPECT_THAT(lone.sent(), IsEmpty());
}

TEST_F(Tube, PongReturnsThePingOnTheSameChannelAlsoForUnknownNumbers) {
  lone.open_control();
  lone.open_channel(kOtherData);
  lone.receive({ping_frame(1, "one"), ping_frame(4711, "unknown"), ping_frame(0, "")});
  lone.receive({ping_frame(1, "one")}, kOtherData);
  lone.receive({ping_frame(1, "one")}, kControlChannel);
  EXPECT_THAT(lone.sent(),
              ElementsAre("control: Pong 1 one", "Pong 1 one + Pong 4711 unknown + Pong 0", "other: Pong 1 one"));
}

TEST_F(Tube, PongOverThePeersLimitIsDroppedAndCounted) {
  lone.receive({ping_frame(0, std::string(frame::kDefaultMaxMessage - 23, 'x'))});
  EXPECT_THAT(lone.sent(), ElementsAre("Pong 0 [65513]"));
  lone.receive({ping_frame(0, std::string(frame::kDefaultMaxMessage - 22, 'x'))});
  EXPECT_THAT(lone.sent(), IsEmpty());
  EXPECT_EQ(lone->counters().pongs_dropped, 1u);
}

TEST_F(Tube, PongsThatNobodyFetchesAreBounded) {
  for (int i = 0; i < 100; ++i) lone.receive({ping_frame(0, std::string(60'000, 'x'))});
  EXPECT_GT(lone->counters().pongs_dropped, 0u);
  std::size_t waiting = 0;
  while (auto transmit = lone->poll_transmit()) waiting += transmit->message.size();
  EXPECT_LE(waiting, std::size_t{1} << 19);
  EXPECT_EQ(lone->connections(), 1u);
}

TEST_F(Tube, PeerThatAsksAndNeverReadsEndsTheTube) {
  for (std::uint32_t number = 3; number < 200'000 && lone->connections() > 0; number += 2) {
    lone.receive({open_frame(number, std::nullopt)});
  }
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Error the peer does not read what it asks for"));
  EXPECT_NE(lone->next_timeout(), kNever);
}

TEST(TubeLimits, HoldForTheAnswersToOneMessage) {
  Lone lone(Side::Answerer, {.max_queued_control = 4096});
  Lone::greet(lone);
  Bytes message;
  for (std::uint32_t number = 1; number < 4000; number += 2) {
    const Bytes open = open_frame(number, std::nullopt);
    message.insert(message.end(), open.begin(), open.end());
  }
  lone.receive({message});
  std::size_t waiting = 0;
  while (auto transmit = lone->poll_transmit()) waiting += transmit->message.size();
  EXPECT_LE(waiting, 4096u + 200u);
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::Closing);
}

TEST_F(Tube, PongsThatNobodyAskedForAreCountedAndIgnored) {
  lone.receive({pong_frame(0, "x")});
  lone->ping(lone.now, frame::kControl, as_byte_view("y"));
  lone.receive({pong_frame(0, "y"), pong_frame(0, "y")});
  EXPECT_THAT(lone.events(), ElementsAre("Pong 0 y"));
  EXPECT_EQ(lone->counters().unexpected_frames, 2u);
}

TEST_F(Tube, PingOfAConnectionGoesOnItsChannelAndTheTubesOwnOnControl) {
  lone->ping(lone.now, frame::kControl, as_byte_view("data"));
  lone.open_control();
  lone->ping(lone.now, frame::kControl, as_byte_view("control"));
  lone->ping(lone.now, kOne, as_byte_view("one"));
  EXPECT_THAT(lone.sent(), ElementsAre("control: Ping 0 control", "Ping 0 data + Ping 1 one"));
}

TEST_F(Tube, RestartNeededReachesTheDriver) {
  lone.receive({control_frame(frame::RestartNeeded{})});
  EXPECT_THAT(lone.events(), ElementsAre("RestartNeeded"));
  lone->request_restart(lone.now);
  EXPECT_THAT(lone.sent(), ElementsAre("RestartNeeded"));
}

TEST_F(Tube, ControlCarriesGrantsAndAbortsAheadOfData) {
  lone.open_control();
  lone.receive({data_frame(1, std::string(131'072, 'x'))});
  lone.write(1, "bulk");
  lone->consumed(lone.now, kOne, 131'072);
  lone->request_restart(lone.now);
  lone->close(lone.now, kOne, CloseReason::ConnectionLost);
  EXPECT_THAT(lone.sent(),
              ElementsAre("control: Window 1 131072 + RestartNeeded + Close 1 ConnectionLost", "Data 1 bulk"));
}

TEST_F(Tube, ControlNeverCarriesANormalCloseNorAnEofNorTheTubesEnd) {
  lone.open_control();
  lone.receive({eof_frame(1)});
  lone->write_eof(lone.now, kOne);
  lone->delivered_eof(lone.now, kOne);
  lone->close_tube(lone.now, CloseReason::AdminClosed);
  EXPECT_THAT(lone.sent(), ElementsAre("Eof 1 + Close 1 Normal + Close 0 AdminClosed"));
}

TEST(ControlChannel, OpenerAbortsOnItOnlyAfterAFrameForThatConnectionCameBack) {
  Lone lone(Side::Offerer);
  Lone::greet(lone);
  lone.open_control();
  ASSERT_EQ(lone->open(lone.now, std::nullopt), kOne);
  ASSERT_EQ(lone->open(lone.now, std::nullopt), ConnNo{3});
  lone.receive({opened_frame(3)});
  lone->close(lone.now, kOne, CloseReason::Client);
  lone->close(lone.now, ConnNo{3}, CloseReason::Client);
  EXPECT_THAT(lone.sent(), ElementsAre("control: Close 3 Client", "Open 1 + Open 3 + Close 1 Client"));
}

TEST(ControlChannel, AbortOnItIsAnsweredOnItAndLateDataIsIgnored) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.open_control();
  lone.receive({open_frame(1)});
  lone.receive({close_frame(1, CloseReason::Client)}, kControlChannel);
  lone.receive({data_frame(1, "overtaken")});
  EXPECT_THAT(lone.sent(), ElementsAre("control: Close 1 Client"));
  EXPECT_THAT(lone.events(), ElementsAre("Requested 1 host:80", "Closed 1 Client"));
  EXPECT_EQ(lone->counters().unknown_connections, 1u);
  EXPECT_EQ(lone->numbers_in_use(), 0u);
}

TEST(ControlChannel, GrantsOnItCountBeforeThePeersHelloCame) {
  Lone lone(Side::Offerer, {.initial_credit = 5});
  lone.open_channel();
  lone.open_control();
  ASSERT_EQ(lone->open(lone.now, std::nullopt), kOne);
  lone.write(1, "12345");
  lone.receive({window_frame(1, 7)}, kControlChannel);
  EXPECT_EQ(lone->writable(kOne), 7u);
  EXPECT_THAT(lone.events(), ElementsAre("Writable 1"));
}

class OnControl : public Tube, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Frames, OnControl, testing::Range(0, 7));

TEST_P(OnControl, WhatBelongsToDataChannelsIsAProtocolError) {
  const Bytes forbidden[] = {data_frame(1, "x"),
                             open_frame(3),
                             opened_frame(1),
                             eof_frame(1),
                             hello(),
                             close_frame(1, CloseReason::Normal),
                             close_frame(0, CloseReason::AdminClosed)};
  lone.open_control();
  lone.receive({forbidden[GetParam()]}, kControlChannel);
  EXPECT_THAT(lone.sent(), ElementsAre(testing::StartsWith("Close 0 ProtocolError")));
}

TEST_F(Tube, ThatThePeerClosesEndsAtOnceAndIsNotAnswered) {
  lone.receive({data_frame(1, "before"), close_frame(0, CloseReason::AdminClosed, "by an admin"),
                data_frame(1, "after"), ping_frame(0, "after")});
  EXPECT_THAT(lone.events(),
              ElementsAre("Data 1 before", "Closed 1 AdminClosed by an admin", "TubeClosed AdminClosed by an admin"));
  EXPECT_THAT(lone.sent(), IsEmpty());
  EXPECT_EQ(lone->next_timeout(), kNever);
  EXPECT_EQ(lone->numbers_in_use(), 0u);
}

TEST_F(Tube, ThatWeCloseSendsOneCloseAndDrainsForItsTime) {
  lone.write(1, "last words");
  lone->close_tube(lone.now, CloseReason::TunnelClosed, "draining");
  EXPECT_THAT(lone.sent(), ElementsAre("Data 1 last words", "Close 0 TunnelClosed draining"));
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 TunnelClosed draining"));
  EXPECT_EQ(lone->next_timeout(), lone.now + 1s);
  lone->handle_timeout(lone.now + 999ms);
  EXPECT_THAT(lone.events(), IsEmpty());
  lone->handle_timeout(lone.now + 1s);
  EXPECT_THAT(lone.events(), ElementsAre("TubeClosed TunnelClosed draining"));
  lone->handle_timeout(lone.now + 5s);
  EXPECT_THAT(lone.events(), IsEmpty());
}

TEST_F(Tube, ThatDrainsEndsEarlyWhenThePeerClosesItsChannel) {
  lone->close_tube(lone.now, CloseReason::Client);
  lone->handle_channel_closed(lone.now, kData);
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Client", "TubeClosed Client"));
  EXPECT_EQ(lone->next_timeout(), kNever);
}

TEST_F(Tube, ThatDrainsIgnoresWhatComesAndWhatIsAsked) {
  lone->close_tube(lone.now, CloseReason::Client);
  (void)lone.sent();
  (void)lone.events();
  lone.receive({open_frame(3), data_frame(1, "x"), ping_frame(0, "x")});
  lone.receive({hello()});
  lone->close_tube(lone.now, CloseReason::Error);
  lone->ping(lone.now, frame::kControl, {});
  lone->request_restart(lone.now);
  EXPECT_THAT(lone.sent(), IsEmpty());
  EXPECT_THAT(lone.events(), IsEmpty());
}

TEST_F(Tube, LosesItsLastDataChannelAndEnds) {
  lone.open_control();
  lone->handle_channel_closed(lone.now, kData);
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 ConnectionLost the data channel closed",
                                         "TubeClosed ConnectionLost the data channel closed"));
}

TEST(TubeLimits, AreThePeersForWhatWeWrite) {
  Lone lone(Side::Offerer, {.peer_max_message = 1000});
  Lone::greet(lone);
  ASSERT_EQ(lone->open(lone.now, std::nullopt), kOne);
  EXPECT_EQ(lone->writable(kOne), 1000 - frame::kOverhead);
}

TEST(TubeLimits, AreTheProtocolsForAPeerWithoutLimit) {
  Lone lone(Side::Offerer, {.peer_max_message = 0, .initial_credit = 1'000'000});
  Lone::greet(lone);
  ASSERT_EQ(lone->open(lone.now, std::nullopt), kOne);
  EXPECT_EQ(lone->writable(kOne), frame::kMaxFrame - frame::kOverhead);
}

TEST(TubeLimits, BelowTheLongestControlFrameEndTheTube) {
  Lone lone(Side::Offerer, {.peer_max_message = 100});
  lone.open_channel();
  EXPECT_THAT(lone.events(), ElementsAre("TubeClosed ConfigurationError the peer's largest message is too small"));
  EXPECT_THAT(lone.sent(), IsEmpty());
}

TEST(Bundling, PutsWaitingControlFramesOfAChannelInOneMessageInOrder) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1), open_frame(3), open_frame(5)});
  lone->accept(lone.now, ConnNo{5});
  lone->accept(lone.now, ConnNo{1});
  lone.write(1, "x");
  lone->close(lone.now, ConnNo{3}, CloseReason::Timeout);
  lone->write_eof(lone.now, ConnNo{1});
  EXPECT_THAT(lone.sent(), ElementsAre("Opened 5 + Opened 1", "Data 1 x", "Close 3 Timeout + Eof 1"));
}

TEST(Bundling, KeepsWithinThePeersLimit) {
  Lone lone(Side::Offerer, {.peer_max_message = 300});
  lone.open_channel();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(lone->open(lone.now, Target{"some.host.example", 80}).has_value());
  std::size_t messages = 0;
  while (auto transmit = lone->poll_transmit()) {
    EXPECT_LE(transmit->message.size(), 300u);
    ++messages;
  }
  EXPECT_LT(messages, 15u);
}

TEST(Delivery, TakesTheMessagesOwnBufferWhenItsFrameIsTheLast) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1)});
  (void)lone.events();
  const Bytes message = data_frame(1, std::string(5000, 'x'));
  Buffer buffer = lone.pool().copy_of(message);
  const std::byte* payload = &buffer.view()[frame::kHeaderSize];
  lone->handle_message(lone.now, kData, std::move(buffer));
  const auto event = lone->poll_event();
  ASSERT_TRUE(event && std::holds_alternative<Data>(*event));
  EXPECT_EQ(std::get<Data>(*event).payload.view().data(), payload);
}

TEST(Delivery, DoesNotPinALongMessageForAShortPayload) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1)});
  (void)lone.events();
  lone.receive({ping_frame(0, std::string(60'000, 'x')), data_frame(1, "x")});
  const auto event = lone->poll_event();
  ASSERT_TRUE(event && std::holds_alternative<Data>(*event));
  EXPECT_LE(std::get<Data>(*event).payload.capacity(), 512u);
}

TEST(Delivery, JoinsTinyFramesOfOneConnection) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1), open_frame(3)});
  (void)lone.events();
  lone.receive({data_frame(1, "a"), data_frame(1, "b"), data_frame(3, "c"), data_frame(1, "d"), data_frame(1, "e")});
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 ab", "Data 3 c", "Data 1 de"));
}

TEST(Frames, CarryTheTimeThatWasSet) {
  Lone lone(Side::Offerer);
  lone->set_unix_ms(1'700'000'000'123);
  lone.open_channel();
  const auto transmit = lone->poll_transmit();
  ByteView rest = transmit->message.view();
  EXPECT_EQ(frame::take_frame(rest, frame::kMaxFrame)->timestamp_ms, 1'700'000'000'123u);
}

}  // namespace
}  // namespace isotube::tunnel
