// docs/protocol.md, Hello.
#include "unit/tunnel/lone.hpp"

namespace isotube::tunnel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kLargestPayload = frame::kDefaultMaxMessage - frame::kOverhead;
constexpr std::size_t kInitialCredit = 262'144;

TEST(Hello, GoesOutFirstWhenTheDataChannelOpensWithoutWaitingForThePeers) {
  Lone lone(Side::Offerer);
  EXPECT_THAT(lone.sent(), IsEmpty());
  lone.open_channel();
  ASSERT_TRUE(lone->open(lone.now, Target{"host", 80}).has_value());
  EXPECT_THAT(lone.sent(), ElementsAre("Hello 1 1 + Open 1 host:80"));
  EXPECT_EQ(lone->peer_hello(), PeerHello::Awaited);
}

TEST(Hello, IsTheExampleOfTheProtocolsDocument) {
  Lone lone(Side::Offerer);
  lone.open_channel();
  ASSERT_TRUE(lone->open(lone.now, Target{"localhost", 9000}).has_value());
  const std::uint8_t example[] = {0,    0,    0, 0, 0,   0,   0,   0,   0,    0,   0,   0,   0,   0,    0,    0x08,
                                  0x01, 0x92, 0, 1, 0,   0,   0,   1,   0x3B,  // Hello
                                  0,    0,    0, 0, 0,   0,   0,   0,   0,    0,   0,   0,   0,   0,    0,    0x15,
                                  0x00, 0x65, 0, 0, 0,   1,  // OpenConnection 1
                                  0,    0,    0, 9, 'l', 'o', 'c', 'a', 'l',  'h', 'o', 's', 't', 0x23, 0x28, 0x3B};
  const auto transmit = lone->poll_transmit();
  ASSERT_TRUE(transmit.has_value());
  EXPECT_EQ(to_bytes(transmit->message.view()), to_bytes(std::as_bytes(std::span(example))));
}

TEST(Hello, NeverGoesOnControl) {
  Lone lone(Side::Offerer);
  lone.open_control();
  EXPECT_THAT(lone.sent(), IsEmpty());
  lone.open_channel();
  EXPECT_THAT(lone.sent(), ElementsAre("Hello 1 1"));
}

TEST(Hello, GoesOutOncePerTube) {
  Lone lone(Side::Offerer);
  lone.open_channel();
  lone.open_channel(kOtherData);
  EXPECT_THAT(lone.sent(), ElementsAre("Hello 1 1"));
}

TEST(Hello, OfAHigherVersionIsTakenAndAnsweredWithOurOwn) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  lone.receive({hello(frame::kCapabilityCredit | 0x8000'0000, 7)});
  EXPECT_THAT(lone.sent(), ElementsAre("Hello 1 1"));
  EXPECT_THAT(lone.events(), IsEmpty());
  EXPECT_EQ(lone->peer_hello(), PeerHello::Spoken);
}

TEST(Hello, TwiceIsAProtocolError) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({hello()});
  EXPECT_THAT(lone.sent(), ElementsAre("Close 0 ProtocolError a second Hello"));
}

TEST(Hello, TwiceIsAProtocolErrorOnAnotherDataChannelToo) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.open_channel(kOtherData);
  lone.receive({hello()}, kOtherData);
  EXPECT_THAT(lone.sent(), ElementsAre("Close 0 ProtocolError a second Hello"));
}

TEST(Hello, AfterAnotherFrameIsAProtocolError) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  lone.receive({ping_frame(0, "x"), hello()});
  EXPECT_THAT(lone.sent(),
              ElementsAre("Hello 1 1 + Pong 0 x + Close 0 ProtocolError a Hello that is not the first frame"));
}

TEST(Hello, IsNotMissedWhenControlSpokeFirst) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  lone.open_control();
  lone.receive({ping_frame(0, "early")}, kControlChannel);
  EXPECT_EQ(lone->peer_hello(), PeerHello::Awaited);
  lone.receive({hello()});
  EXPECT_EQ(lone->peer_hello(), PeerHello::Spoken);
  EXPECT_THAT(lone.sent(), ElementsAre("control: Pong 0 early", "Hello 1 1"));
}

TEST(Hello, IsMissedWhenTheFirstFrameIsAnEmptyDataFrame) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  lone.receive({data_frame(9, "")});
  EXPECT_EQ(lone->peer_hello(), PeerHello::Absent);
  EXPECT_THAT(lone.events(), IsEmpty());
}

TEST(Hello, UntilThePeersFirstFrameTheInitialCreditHolds) {
  Lone lone(Side::Offerer);
  lone.open_channel();
  const ConnNo conn_no = lone->open(lone.now, std::nullopt).value();
  std::size_t written = 0;
  while (const std::size_t size = lone->writable(conn_no)) {
    EXPECT_LE(size, kLargestPayload);
    lone.write(1, std::string(size, 'x'));
    written += size;
  }
  EXPECT_EQ(written, kInitialCredit);
}

TEST(Hello, WithoutCreditLiftsTheInitialCredit) {
  Lone lone(Side::Offerer, {.initial_credit = 5});
  lone.open_channel();
  const ConnNo conn_no = lone->open(lone.now, std::nullopt).value();
  EXPECT_EQ(lone->writable(conn_no), 5u);
  lone.write(1, "12345");
  EXPECT_EQ(lone->writable(conn_no), 0u);
  lone.receive({hello(0)});
  EXPECT_THAT(lone.events(), ElementsAre("Writable 1"));
  EXPECT_EQ(lone->writable(conn_no), kLargestPayload);
  lone.write(1, "more than was ever granted");
  EXPECT_EQ(lone->writable(conn_no), kLargestPayload);
}

TEST(Hello, PeerWithoutHelloIsSpokenToWithoutCredit) {
  Lone lone(Side::Answerer, {.initial_credit = 5, .credit_grant = 5});
  lone.open_channel();
  lone.receive({open_frame(1), data_frame(1, "more than was ever granted")});
  EXPECT_EQ(lone->peer_hello(), PeerHello::Absent);
  EXPECT_THAT(lone.events(), ElementsAre("Requested 1 host:80", "Data 1 more than was ever granted"));
  lone->accept(lone.now, ConnNo{1});
  lone->consumed(lone.now, ConnNo{1}, 26);
  EXPECT_EQ(lone->writable(ConnNo{1}), kLargestPayload);
  EXPECT_THAT(lone.sent(), ElementsAre("Hello 1 1 + Opened 1"));
}

TEST(Hello, WithTheCreditBitMakesGrantsFlow) {
  Lone lone(Side::Answerer, {.initial_credit = 5, .credit_grant = 5});
  Lone::greet(lone);
  lone.receive({open_frame(1), data_frame(1, "12345")});
  lone->consumed(lone.now, ConnNo{1}, 5);
  EXPECT_THAT(lone.sent(), ElementsAre("Window 1 5"));
}

}  // namespace
}  // namespace isotube::tunnel
