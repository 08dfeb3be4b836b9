// Channels of two sides over their real associations, in virtual time and with loss.
#include "datachannel/channels.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "sctp/association.hpp"

namespace isotube::datachannel {
namespace {

using std::chrono::milliseconds;

struct Side {
  Side(Parity parity, std::byte seed)
      : association(sctp::Settings{}, Random(Random::Seed{seed}), pool), channels(Settings{}, association, pool) {
    channels.set_parity(parity);
  }

  template <typename E>
  std::vector<const E*> all() const {
    std::vector<const E*> found;
    for (const Event& event : events) {
      if (const auto* each = std::get_if<E>(&event)) found.push_back(each);
    }
    return found;
  }

  BufferPool pool;
  sctp::Association association;
  Channels channels;
  std::vector<Event> events;
};

/// Both sides and a wire of 5 ms that loses every `lose_every`th packet.
struct World {
  World() {
    client.association.connect(now);
    server.association.connect(now);
  }

  void run(Duration how_long) {
    for (const TimePoint end = now + how_long; now < end; now += milliseconds(1)) {
      for (Side* side : {&client, &server}) side->association.handle_timeout(now);
      deliver();
      for (Side* side : {&client, &server}) pump(*side);
    }
  }

  void pump(Side& side) {
    while (auto event = side.association.poll_event()) side.channels.handle_event(now, std::move(*event));
    while (auto event = side.channels.poll_event()) side.events.push_back(std::move(*event));
    std::array<std::byte, 1200> packet;
    while (const std::size_t length = side.association.poll_transmit(now, packet)) {
      if (lose_every != 0 && ++sent % lose_every == 0) continue;
      wire.push_back(
          {now + milliseconds(5), &side == &client ? &server : &client, to_bytes(ByteView(packet).first(length))});
    }
  }

  void deliver() {
    while (!wire.empty() && wire.front().due <= now) {
      wire.front().to->association.handle_packet(now, wire.front().packet);
      wire.pop_front();
    }
  }

  struct InFlight {
    TimePoint due;
    Side* to;
    Bytes packet;
  };

  TimePoint now{std::chrono::hours(1)};
  int lose_every = 0;
  int sent = 0;
  std::deque<InFlight> wire;
  Side client{Parity::Even, std::byte{1}};
  Side server{Parity::Odd, std::byte{2}};
};

void send(World& world, Side& side, ChannelId id, std::string_view text) {
  ASSERT_TRUE(side.channels.send(world.now, id, MessageKind::Text, side.pool.copy_of(as_byte_view(text))));
}

TEST(OverSctp, ChannelsOpenFromBothSidesAndCarryMessagesBothWays) {
  World world;
  world.lose_every = 5;
  const auto ours = world.client.channels.open(world.now, {.label = "from-client"});
  const auto theirs = world.server.channels.open(world.now, {.label = "from-server"});
  ASSERT_TRUE(ours && theirs);
  send(world, world.client, *ours, "before the acknowledgement");
  world.run(std::chrono::seconds(20));
  ASSERT_EQ(world.server.all<OpenedByPeer>().size(), 1U);
  EXPECT_EQ(world.server.all<OpenedByPeer>()[0]->config.label, "from-client");
  ASSERT_EQ(world.client.all<OpenedByPeer>().size(), 1U);
  EXPECT_EQ(world.client.all<OpenedByPeer>()[0]->channel, *theirs);
  EXPECT_EQ(world.client.all<Opened>().size(), 1U);
  ASSERT_EQ(world.server.all<Message>().size(), 1U);
  EXPECT_EQ(as_text(world.server.all<Message>()[0]->payload.view()), "before the acknowledgement");
}

TEST(OverSctp, AnUnorderedChannelDeliversEverythingOnceUnderLoss) {
  World world;
  world.lose_every = 7;
  const auto id = world.client.channels.open(world.now, {.ordered = false});
  ASSERT_TRUE(id);
  world.run(std::chrono::seconds(5));
  for (int i = 0; i < 100; ++i) send(world, world.client, *id, std::to_string(i));
  world.run(std::chrono::seconds(20));
  std::vector<std::string> came;
  for (const Message* each : world.server.all<Message>()) came.emplace_back(as_text(each->payload.view()));
  EXPECT_EQ(came.size(), 100U);
  std::ranges::sort(came);
  EXPECT_EQ(std::ranges::unique(came).begin(), came.end());
}

TEST(OverSctp, ACloseDeliversWhatWasSentBeforeAndEndsOnBothSides) {
  World world;
  world.lose_every = 5;
  const auto id = world.client.channels.open(world.now, {});
  ASSERT_TRUE(id);
  send(world, world.client, *id, "last words");
  world.client.channels.close(world.now, *id);
  world.run(std::chrono::seconds(30));
  EXPECT_EQ(world.server.all<Message>().size(), 1U);
  EXPECT_EQ(world.client.all<Closed>().size(), 1U);
  EXPECT_EQ(world.server.all<Closed>().size(), 1U);
  EXPECT_EQ(world.client.channels.count() + world.server.channels.count(), 0U);
}

TEST(OverSctp, AnIdServesManyChannelsOneAfterAnother) {
  World world;
  world.lose_every = 11;
  for (int i = 0; i < 50; ++i) {
    const auto id = world.client.channels.open(world.now, {});
    ASSERT_EQ(id, ChannelId{0}) << "channel " << i;
    send(world, world.client, *id, std::to_string(i));
    world.client.channels.close(world.now, *id);
    for (int wait = 0; wait < 60 && world.client.channels.count() > 0; ++wait) world.run(milliseconds(500));
  }
  const auto came = world.server.all<Message>();
  ASSERT_EQ(came.size(), 50U);
  for (std::size_t i = 0; i < came.size(); ++i) EXPECT_EQ(as_text(came[i]->payload.view()), std::to_string(i));
  EXPECT_EQ(world.server.all<OpenedByPeer>().size(), 50U);
  world.run(std::chrono::seconds(5));
  EXPECT_EQ(world.server.all<Closed>().size(), 50U);
  EXPECT_EQ(world.server.channels.counters().refused_opens, 0U);
}

TEST(OverSctp, TheEndOfTheAssociationClosesTheChannelsOfBothSides) {
  World world;
  ASSERT_TRUE(world.client.channels.open(world.now, {}));
  world.run(std::chrono::seconds(1));
  world.client.association.abort(world.now, "enough");
  world.run(std::chrono::seconds(1));
  EXPECT_EQ(world.client.all<Closed>().size(), 1U);
  EXPECT_EQ(world.server.all<Closed>().size(), 1U);
}

}  // namespace
}  // namespace isotube::datachannel
