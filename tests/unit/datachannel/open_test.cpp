#include "world.hpp"

namespace isotube::datachannel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Open, TakesTheLowestFreeIdOfItsParity) {
  World client(Parity::Even);
  EXPECT_EQ(client.open(), id_of(0));
  EXPECT_EQ(client.open(), id_of(2));
  World server(Parity::Odd);
  EXPECT_EQ(server.open(), id_of(1));
  EXPECT_EQ(server.open(), id_of(3));
}

TEST(Open, SaysSoBeforeTheDtlsRoleIsKnown) {
  BufferPool pool;
  sctp::Association association(sctp::Settings{}, Random(Random::Seed{}), pool);
  Channels channels(Settings{}, association, pool);
  EXPECT_EQ(channels.open(TimePoint{}, {}).error(), OpenError::RoleUnknown);
  ChannelConfig negotiated;
  negotiated.negotiated = id_of(5);
  EXPECT_EQ(channels.open(TimePoint{}, negotiated), id_of(5));
}

TEST(Open, SendsItsOpenOrderedAndReliablyWhateverTheChannelIs) {
  World world;
  ChannelConfig config;
  config.ordered = false;
  config.max_retransmissions = 0;
  world.open(config);
  ASSERT_THAT(world.wire().sent, SizeIs(1));
  const sctp::Sent& sent = world.wire().sent[0];
  EXPECT_EQ(sent.options.ppid, kControl);
  EXPECT_TRUE(sent.options.ordered);
  EXPECT_FALSE(sent.options.max_retransmissions);
  EXPECT_EQ(sent.message, to_bytes(open_message(world.pool, config).view()));
}

TEST(Open, IsReportedOnceWhenItIsAcknowledged) {
  World world;
  const ChannelId id = world.open();
  world.expect_nothing();
  world.receive_ack(id);
  EXPECT_EQ(world.expect<Opened>().channel, id);
  world.receive_ack(id);
  world.expect_nothing();
}

TEST(Open, IsAcknowledgedByAnyMessageOfThePeer) {
  World world;
  const ChannelId id = world.open();
  world.receive_text(id, "early");
  EXPECT_EQ(world.expect<Opened>().channel, id);
  EXPECT_EQ(as_text(world.expect<Message>().payload.view()), "early");
  world.receive_ack(id);
  world.expect_nothing();
}

TEST(Open, RefusesWhatCanNotBe) {
  World world(Parity::Even, {.max_channels = 2, .max_label = 3});
  ChannelConfig both;
  both.max_retransmissions = 1;
  both.max_lifetime = std::chrono::seconds(1);
  EXPECT_EQ(world.channels.open(world.now, both).error(), OpenError::BothReliabilityLimits);
  EXPECT_EQ(world.channels.open(world.now, {.label = "long"}).error(), OpenError::LabelTooLong);
  EXPECT_EQ(world.channels.open(world.now, {.protocol = "long"}).error(), OpenError::LabelTooLong);
  ChannelConfig negotiated;
  negotiated.negotiated = id_of(0);
  world.open(negotiated);
  EXPECT_EQ(world.channels.open(world.now, negotiated).error(), OpenError::IdInUse);
  negotiated.negotiated = id_of(65535);
  EXPECT_EQ(world.channels.open(world.now, negotiated).error(), OpenError::NoFreeId);
  EXPECT_EQ(world.open(), id_of(2)) << "0 is negotiated";
  EXPECT_EQ(world.channels.open(world.now, {}).error(), OpenError::NoFreeId) << "max_channels";
}

TEST(Open, LeavesNothingBehindWhenTheAssociationTakesNoMore) {
  World world;
  world.wire().refuse = sctp::SendError::WouldBlock;
  EXPECT_EQ(world.channels.open(world.now, {}).error(), OpenError::WouldBlock);
  EXPECT_EQ(world.channels.count(), 0U);
  world.wire().refuse.reset();
  EXPECT_EQ(world.open(), id_of(0));
}

TEST(Open, StaysWithinTheStreamsOfTheAssociation) {
  World world;
  world.wire().streams = 3;
  EXPECT_EQ(world.open(), id_of(0));
  EXPECT_EQ(world.open(), id_of(2));
  EXPECT_EQ(world.channels.open(world.now, {}).error(), OpenError::NoFreeId);
}

TEST(Open, ClosesWhatThePeersStreamsHaveNoRoomForOnceTheyAreKnown) {
  BufferPool pool;
  sctp::Association association(sctp::Settings{}, Random(Random::Seed{}), pool);
  sctp::stand_in_of(association).state = sctp::State::CookieWait;
  Channels channels(Settings{}, association, pool);
  channels.set_parity(Parity::Even);
  ASSERT_TRUE(channels.open(TimePoint{}, {}));
  ASSERT_TRUE(channels.open(TimePoint{}, {}));
  sctp::stand_in_of(association).streams = 2;
  channels.handle_event(TimePoint{}, sctp::Connected{});
  const auto event = channels.poll_event();
  ASSERT_TRUE(event && std::holds_alternative<Closed>(*event));
  EXPECT_EQ(std::get<Closed>(*event).channel, id_of(2));
  EXPECT_EQ(channels.count(), 1U);
}

TEST(Open, ReportsANegotiatedChannelWhenTheAssociationIsUp) {
  BufferPool pool;
  sctp::Association association(sctp::Settings{}, Random(Random::Seed{}), pool);
  sctp::stand_in_of(association).state = sctp::State::CookieWait;
  Channels channels(Settings{}, association, pool);
  ChannelConfig config;
  config.negotiated = id_of(7);
  ASSERT_TRUE(channels.open(TimePoint{}, config));
  EXPECT_THAT(sctp::stand_in_of(association).sent, IsEmpty());
  EXPECT_FALSE(channels.poll_event());
  channels.handle_event(TimePoint{}, sctp::Connected{});
  const auto event = channels.poll_event();
  ASSERT_TRUE(event && std::holds_alternative<Opened>(*event));
  EXPECT_EQ(std::get<Opened>(*event).channel, id_of(7));
}

TEST(OpenByPeer, IsReportedWithItsConfigAndAcknowledged) {
  World world;
  ChannelConfig config;
  config.label = "chat";
  config.protocol = "isotube";
  config.ordered = false;
  config.max_lifetime = std::chrono::milliseconds(300);
  world.receive_open(id_of(1), config);
  const auto opened = world.expect<OpenedByPeer>();
  EXPECT_EQ(opened.channel, id_of(1));
  EXPECT_EQ(opened.config.label, "chat");
  EXPECT_EQ(opened.config.protocol, "isotube");
  EXPECT_FALSE(opened.config.ordered);
  EXPECT_EQ(opened.config.max_lifetime, std::chrono::milliseconds(300));
  ASSERT_THAT(world.wire().sent, SizeIs(1));
  EXPECT_EQ(world.wire().sent[0].message, to_bytes(ack_message(world.pool).view()));
  EXPECT_TRUE(world.wire().sent[0].options.ordered);
  EXPECT_FALSE(world.wire().sent[0].options.lifetime);
}

TEST(OpenByPeer, GetsItsLateAcknowledgementWhenTheAssociationHasRoomAgain) {
  World world;
  world.wire().refuse = sctp::SendError::WouldBlock;
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  EXPECT_EQ(world.send(id_of(1), "x").error(), SendError::WouldBlock);
  world.wire().refuse.reset();
  world.drains(id_of(9));
  ASSERT_THAT(world.wire().sent, SizeIs(1));
  EXPECT_EQ(world.wire().sent[0].options.ppid, kControl);
  EXPECT_EQ(world.expect<BufferedAmountLow>().channel, id_of(1)) << "its blocked send may be tried again";
}

TEST(OpenByPeer, IsAnsweredWithAResetWhereItIsWrong) {
  World world(Parity::Even, {.max_channels = 1, .max_label = 4});
  world.receive_open(id_of(2));
  world.receive_open(id_of(1), {.label = "12345"});
  world.receive(id_of(3), kControl, as_byte_view("\x03garbage"));
  EXPECT_THAT(world.wire().resets, ElementsAre(World::stream(id_of(2)), World::stream(id_of(1))))
      << "and no more streams at once than twice max_channels";
  EXPECT_THAT(world.wire().sent, IsEmpty()) << "no ACK";
  EXPECT_EQ(world.channels.counters().refused_opens, 2U);
  EXPECT_EQ(world.channels.counters().bad_dcep, 1U);
  world.expect_nothing();
  EXPECT_EQ(world.channels.count(), 0U);
}

TEST(OpenByPeer, OverTheLimitOfChannelsIsReset) {
  World world(Parity::Even, {.max_channels = 1});
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  world.receive_open(id_of(3));
  world.expect_nothing();
  EXPECT_THAT(world.wire().resets, ElementsAre(World::stream(id_of(3))));
}

TEST(OpenByPeer, OnAnIdInUseClosesThatChannel) {
  World world;
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  world.receive_open(id_of(1));
  EXPECT_THAT(world.wire().resets, ElementsAre(World::stream(id_of(1))));
  world.expect_nothing();
  world.peer_resets(id_of(1));
  world.reset_is_confirmed(id_of(1));
  world.expect<Closed>();
}

TEST(OpenByPeer, BeyondOurStreamsIsDroppedBecauseNotEvenAResetCouldAnswer) {
  World world;
  world.wire().streams = 10;
  world.receive_open(id_of(11));
  world.expect_nothing();
  EXPECT_THAT(world.wire().resets, IsEmpty());
  EXPECT_EQ(world.channels.counters().refused_opens, 1U);
}

TEST(OpenByPeer, RefusedKeepsItsIdFromUseUntilBothSidesAreReset) {
  World world;
  world.receive_open(id_of(0));
  EXPECT_EQ(world.open(), id_of(2)) << "the peer's wrong open still holds 0";
  world.reset_is_confirmed(id_of(0));
  EXPECT_EQ(world.open(), id_of(4));
  world.peer_resets(id_of(0));
  EXPECT_EQ(world.open(), id_of(0));
  world.expect_nothing();
}

}  // namespace
}  // namespace isotube::datachannel
