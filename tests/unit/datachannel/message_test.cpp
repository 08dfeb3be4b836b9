#include "world.hpp"

namespace isotube::datachannel {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(Send, GoesOrderedUntilTheAcknowledgementThenAsTheChannelSays) {
  World world;
  ChannelConfig config;
  config.ordered = false;
  config.max_lifetime = std::chrono::milliseconds(50);
  const ChannelId id = world.open(config);
  ASSERT_TRUE(world.send(id, "before"));
  world.receive_ack(id);
  ASSERT_TRUE(world.send(id, "after"));
  ASSERT_THAT(world.wire().sent, SizeIs(3));
  EXPECT_TRUE(world.wire().sent[1].options.ordered);
  EXPECT_FALSE(world.wire().sent[2].options.ordered);
  EXPECT_EQ(world.wire().sent[2].options.lifetime, std::chrono::milliseconds(50));
}

TEST(Send, GoesUnorderedAtOnceOnAChannelThatThePeerOpened) {
  World world;
  ChannelConfig config;
  config.ordered = false;
  config.max_retransmissions = 3;
  world.receive_open(id_of(1), config);
  ASSERT_TRUE(world.send(id_of(1), "x"));
  EXPECT_FALSE(world.wire().sent.back().options.ordered);
  EXPECT_EQ(world.wire().sent.back().options.max_retransmissions, 3U);
}

TEST(Send, MarksTextBinaryAndEmptyMessages) {
  World world;
  const ChannelId id = world.open();
  ASSERT_TRUE(world.send(id, "t", MessageKind::Text));
  ASSERT_TRUE(world.send(id, "b", MessageKind::Binary));
  ASSERT_TRUE(world.send(id, "", MessageKind::Text));
  ASSERT_TRUE(world.send(id, "", MessageKind::Binary));
  ASSERT_THAT(world.wire().sent, SizeIs(5));
  const std::uint32_t expected[] = {51, 53, 56, 57};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(std::to_underlying(world.wire().sent[i + 1].options.ppid), expected[i]);
    EXPECT_THAT(world.wire().sent[i + 1].message, SizeIs(1));
  }
  EXPECT_EQ(world.wire().sent[3].message[0], std::byte{0});
}

TEST(Send, LeavesThePayloadAsItWasOnAnError) {
  World world;
  const ChannelId id = world.open();
  world.wire().refuse = sctp::SendError::TooLarge;
  Buffer payload = world.pool.copy_of(as_byte_view("large"));
  EXPECT_EQ(world.channels.send(world.now, id, MessageKind::Text, std::move(payload)).error(), SendError::TooLarge);
  EXPECT_EQ(as_text(payload.view()), "large");
  EXPECT_EQ(world.send(id_of(8), "x").error(), SendError::NoSuchChannel);
  world.wire().refuse = sctp::SendError::NotConnected;
  EXPECT_EQ(world.send(id, "x").error(), SendError::NotOpen);
}

TEST(Receive, DeliversTextBinaryAndEmptyMessages) {
  World world;
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  world.receive(id_of(1), sctp::Ppid{51}, as_byte_view("text"));
  world.receive(id_of(1), sctp::Ppid{53}, as_byte_view("binary"));
  world.receive(id_of(1), sctp::Ppid{56}, as_byte_view("ignored"));
  world.receive(id_of(1), sctp::Ppid{57}, as_byte_view("\x01"));
  Message message = world.expect<Message>();
  EXPECT_EQ(message.kind, MessageKind::Text);
  EXPECT_EQ(as_text(message.payload.view()), "text");
  message = world.expect<Message>();
  EXPECT_EQ(message.kind, MessageKind::Binary);
  EXPECT_EQ(as_text(message.payload.view()), "binary");
  message = world.expect<Message>();
  EXPECT_EQ(message.kind, MessageKind::Text);
  EXPECT_TRUE(message.payload.empty());
  message = world.expect<Message>();
  EXPECT_EQ(message.kind, MessageKind::Binary);
  EXPECT_TRUE(message.payload.empty());
}

TEST(Receive, DropsAndCountsWhatBelongsToNoChannel) {
  World world;
  world.receive_text(id_of(1), "who?");
  world.receive_ack(id_of(1));
  world.expect_nothing();
  EXPECT_EQ(world.channels.counters().unknown_messages, 2U);
  EXPECT_THAT(world.wire().resets, testing::IsEmpty());
}

TEST(Receive, ClosesAChannelThatSpeaksAnUnknownOrDeprecatedProtocol) {
  for (const std::uint32_t ppid : {0U, 52U, 54U, 55U, 99U}) {
    World world;
    world.receive_open(id_of(1));
    world.expect<OpenedByPeer>();
    world.receive(id_of(1), sctp::Ppid{ppid}, as_byte_view("x"));
    world.expect_nothing();
    EXPECT_EQ(world.channels.counters().unknown_messages, 1U);
    EXPECT_THAT(world.wire().resets, ElementsAre(World::stream(id_of(1)))) << ppid;
  }
}

TEST(Receive, ClosesAChannelWhoseControlMessagesCanNotBeRead) {
  World world;
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  world.receive(id_of(1), kControl, as_byte_view("\x07"));
  EXPECT_EQ(world.channels.counters().bad_dcep, 1U);
  EXPECT_THAT(world.wire().resets, ElementsAre(World::stream(id_of(1))));
}

TEST(BufferedAmount, FollowsTheStream) {
  World world;
  const ChannelId id = world.open();
  world.channels.set_buffered_amount_low_threshold(id, 100);
  EXPECT_EQ(world.wire().thresholds[World::stream(id)], 100U);
  world.wire().buffered[World::stream(id)] = 77;
  EXPECT_EQ(world.channels.buffered_amount(id), 77U);
  EXPECT_EQ(world.channels.buffered_amount(id_of(8)), 0U);
}

TEST(BufferedAmount, IsReportedLowOnceForWhatWasSent) {
  World world;
  const ChannelId id = world.open();
  world.drains(id);
  world.expect_nothing();
  ASSERT_TRUE(world.send(id, "x"));
  world.drains(id);
  EXPECT_EQ(world.expect<BufferedAmountLow>().channel, id);
  world.drains(id);
  world.expect_nothing();
}

TEST(BufferedAmount, WakesABlockedChannelWhenAnotherFreedTheRoom) {
  World world;
  const ChannelId busy = world.open();
  const ChannelId waiting = world.open();
  ASSERT_TRUE(world.send(busy, "much"));
  world.wire().refuse = sctp::SendError::WouldBlock;
  EXPECT_EQ(world.send(waiting, "x").error(), SendError::WouldBlock);
  world.drains(busy);
  EXPECT_EQ(world.expect<BufferedAmountLow>().channel, busy);
  EXPECT_EQ(world.expect<BufferedAmountLow>().channel, waiting);
  world.expect_nothing();
}

}  // namespace
}  // namespace isotube::datachannel
