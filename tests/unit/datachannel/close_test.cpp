#include "world.hpp"

namespace isotube::datachannel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Close, EndsWhenBothDirectionsAreReset) {
  for (const bool peer_first : {false, true}) {
    World world;
    const ChannelId id = world.open();
    world.receive_ack(id);
    world.expect<Opened>();
    world.channels.close(world.now, id);
    EXPECT_THAT(world.wire().resets, ElementsAre(World::stream(id)));
    peer_first ? world.peer_resets(id) : world.reset_is_confirmed(id);
    world.expect_nothing();
    EXPECT_EQ(world.channels.count(), 1U);
    peer_first ? world.reset_is_confirmed(id) : world.peer_resets(id);
    EXPECT_EQ(world.expect<Closed>().channel, id);
    EXPECT_EQ(world.channels.count(), 0U);
  }
}

TEST(Close, ByThePeerIsAnsweredWithOurReset) {
  World world;
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  world.peer_resets(id_of(1));
  EXPECT_THAT(world.wire().resets, ElementsAre(World::stream(id_of(1))));
  EXPECT_EQ(world.send(id_of(1), "x").error(), SendError::NotOpen);
  world.expect_nothing();
  world.reset_is_confirmed(id_of(1));
  EXPECT_EQ(world.expect<Closed>().channel, id_of(1));
}

TEST(Close, TwiceAsksForOneReset) {
  World world;
  const ChannelId id = world.open();
  world.channels.close(world.now, id);
  world.channels.close(world.now, id);
  world.channels.close(world.now, id_of(40));
  EXPECT_THAT(world.wire().resets, SizeIs(1));
}

TEST(Close, DropsWhatThePeerSendsBeforeItHears) {
  World world;
  const ChannelId id = world.open();
  world.channels.close(world.now, id);
  world.receive_ack(id);
  world.receive_text(id, "too late");
  world.expect_nothing();
}

TEST(Close, OfAChannelThatThePeerRefusedEndsInClosed) {
  World world;
  const ChannelId id = world.open();
  world.peer_resets(id);
  world.reset_is_confirmed(id);
  EXPECT_EQ(world.expect<Closed>().channel, id);
}

TEST(Close, FreesTheIdForTheNextChannelOnlyAfterBothResets) {
  World world;
  const ChannelId id = world.open();
  world.channels.close(world.now, id);
  world.reset_is_confirmed(id);
  EXPECT_EQ(world.open(), id_of(2));
  world.peer_resets(id);
  EXPECT_EQ(world.open(), id);
}

TEST(Close, ReusesIdsForMoreChannelsThanThereAreIds) {
  World world;
  for (int i = 0; i < 33'000; ++i) {
    const ChannelId id = world.open();
    ASSERT_EQ(id, id_of(0));
    world.channels.close(world.now, id);
    world.peer_resets(id);
    world.reset_is_confirmed(id);
    world.expect<Closed>();
    world.wire().sent.clear();
    world.wire().resets.clear();
  }
}

TEST(Close, TakesAPeersOpenThatOvertookTheAnswerToOurReset) {
  World world;
  world.receive_open(id_of(1), {.label = "first"});
  world.expect<OpenedByPeer>();
  world.peer_resets(id_of(1));
  world.receive_open(id_of(1), {.label = "second"});
  world.expect<Closed>();
  EXPECT_EQ(world.expect<OpenedByPeer>().config.label, "second");
  EXPECT_THAT(world.wire().sent, SizeIs(1)) << "the second ACK can't be sent on a stream whose reset is under way";
  EXPECT_EQ(world.send(id_of(1), "x").error(), SendError::WouldBlock);
  world.receive_text(id_of(1), "hello");
  EXPECT_EQ(as_text(world.expect<Message>().payload.view()), "hello");
  world.reset_is_confirmed(id_of(1));
  EXPECT_THAT(world.wire().sent, SizeIs(2));
  world.expect<BufferedAmountLow>();
  EXPECT_TRUE(world.send(id_of(1), "x"));
}

TEST(Close, OfSuchAChannelWaitsForTheOldResetBeforeItAsksForItsOwn) {
  World world;
  world.receive_open(id_of(1));
  world.peer_resets(id_of(1));
  world.receive_open(id_of(1));
  world.channels.close(world.now, id_of(1));
  EXPECT_THAT(world.wire().resets, SizeIs(1));
  world.reset_is_confirmed(id_of(1));
  EXPECT_THAT(world.wire().resets, SizeIs(2));
  world.peer_resets(id_of(1));
  world.expect<OpenedByPeer>();
  world.expect<Closed>();
  world.expect<OpenedByPeer>();
  world.expect_nothing();
  world.reset_is_confirmed(id_of(1));
  world.expect<Closed>();
  EXPECT_EQ(world.channels.count(), 0U);
}

TEST(Close, IgnoresAnOpenOnAStreamThatThePeerHasNotReset) {
  World world;
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  world.channels.close(world.now, id_of(1));
  world.receive_open(id_of(1));
  world.expect_nothing();
  EXPECT_EQ(world.channels.counters().refused_opens, 1U);
}

TEST(Close, GivesUpAnIdWhoseResetThePeerRefuses) {
  World world;
  const ChannelId id = world.open();
  world.channels.close(world.now, id);
  world.reset_is_refused(id);
  EXPECT_EQ(world.expect<Closed>().channel, id);
  EXPECT_EQ(world.channels.count(), 0U);
  EXPECT_EQ(world.send(id, "x").error(), SendError::NoSuchChannel);
  EXPECT_EQ(world.open(), id_of(2));
  world.receive_text(id, "stray");
  world.peer_resets(id);
  world.expect_nothing();
}

TEST(Close, OfTheAssociationClosesEveryChannelInOrderOfIds) {
  World world;
  world.open();
  world.receive_open(id_of(1));
  world.expect<OpenedByPeer>();
  world.receive_open(id_of(4));  // refused: nobody hears of it
  world.channels.handle_event(world.now, sctp::Closed{sctp::CloseReason::Lost, ""});
  EXPECT_EQ(world.expect<Closed>().channel, id_of(0));
  EXPECT_EQ(world.expect<Closed>().channel, id_of(1));
  world.expect_nothing();
  EXPECT_EQ(world.channels.open(world.now, {}).error(), OpenError::Closed);
  EXPECT_EQ(world.send(id_of(0), "x").error(), SendError::NoSuchChannel);
  world.receive_open(id_of(1));
  world.expect_nothing();
}

TEST(Close, IgnoresResetsOfStreamsThatHoldNoChannel) {
  World world;
  world.peer_resets(id_of(9));
  world.reset_is_confirmed(id_of(9));
  world.reset_is_refused(id_of(9));
  world.expect_nothing();
  EXPECT_THAT(world.wire().resets, IsEmpty());
}

}  // namespace
}  // namespace isotube::datachannel
