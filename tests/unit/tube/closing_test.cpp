// How tubes end, and that nothing stays behind.
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "tube/registry.hpp"
#include "unit/tube/world.hpp"

namespace isotube::tube {
namespace {

class TubeClosing : public testing::Test {
 protected:
  runtime::Runtime runtime_{2};
};

TEST_F(TubeClosing, FromTheClientTellsTheGatewayWhy) {
  World world(runtime_);
  world.connect();
  world.client->close(CloseReason::Client, "bye");
  const auto gateway = world.gateway_saw.wait_for_close();
  ASSERT_TRUE(gateway.has_value());
  EXPECT_EQ(gateway->reason, CloseReason::Client);
  EXPECT_EQ(gateway->message, "bye");
  EXPECT_EQ(world.client_saw.wait_for_close()->reason, CloseReason::Client);
}

TEST_F(TubeClosing, FromTheGatewayTellsTheClientWhy) {
  World world(runtime_);
  world.connect();
  world.gateway->close(CloseReason::AdminClosed, "maintenance");
  const auto client = world.client_saw.wait_for_close();
  ASSERT_TRUE(client.has_value());
  EXPECT_EQ(client->reason, CloseReason::AdminClosed);
  EXPECT_EQ(client->message, "maintenance");
}

TEST_F(TubeClosing, FromBothSidesAtOnceEndsOnceEach) {
  for (int i = 0; i < 10; ++i) {
    World world(runtime_);
    world.connect();
    world.client->close(CloseReason::Client, "");
    world.gateway->close(CloseReason::AdminClosed, "");
    world.client->close(CloseReason::Error, "later");
    ASSERT_TRUE(world.client_saw.wait_for_close());
    ASSERT_TRUE(world.gateway_saw.wait_for_close());
    EXPECT_EQ(world.client_saw.times_closed(), 1);
    EXPECT_EQ(world.gateway_saw.times_closed(), 1);
  }
}

TEST_F(TubeClosing, ResetsTheConnectionsThatItCarries) {
  TestServer echo(serve_echo);
  World world(runtime_);
  world.connect();
  TestSocket socket = world.open(echo.port());
  EXPECT_TRUE(socket.write(as_byte_view("x")));
  EXPECT_EQ(socket.read(1).size(), 1U);
  world.gateway->close(CloseReason::AdminClosed, "maintenance");
  EXPECT_TRUE(socket.read_all().empty());
  EXPECT_EQ(socket.end(), StreamEnd::Reset);
  EXPECT_EQ(world.client_saw.wait_for_records(1)[0].reason, CloseReason::AdminClosed);
  EXPECT_TRUE(world.client_saw.wait_for_close());
}

TEST_F(TubeClosing, BeforeItWasConnectedIsHeardToo) {
  World world(runtime_);
  world.client->close(CloseReason::Client, "never mind");
  EXPECT_EQ(world.client_saw.wait_for_close()->message, "never mind");
  World half(runtime_);
  ASSERT_TRUE(wait_for(runtime_, half.client->offer()).has_value());
  half.client->close(CloseReason::Client, "never mind");
  EXPECT_EQ(half.client_saw.wait_for_close()->message, "never mind");
}

TEST_F(TubeClosing, ATubeThatIsLetGoSaysGoodbye) {
  World world(runtime_);
  world.connect();
  world.client.reset();
  EXPECT_TRUE(world.gateway_saw.wait_for_close());
  EXPECT_TRUE(world.client_saw.wait_for_close());
}

TEST_F(TubeClosing, ATubeThatNeverConnectsEndsAtItsSetupTimeout) {
  World::Options options;
  options.client.setup_timeout = std::chrono::milliseconds(100);
  World world(runtime_, std::move(options));
  ASSERT_TRUE(wait_for(runtime_, world.client->offer()).has_value());
  const auto end = world.client_saw.wait_for_close();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason, CloseReason::Timeout);
}

TEST_F(TubeClosing, APeerThatVanishesIsConnectionLostAndClosesAllSocketsAtOnce) {
  TestServer echo(serve_echo);
  World::Options options;
  for (Config* config : {&options.client, &options.gateway}) {
    config->peer.ice.consent_interval = std::chrono::milliseconds(100);
    config->peer.ice.consent_expiry = std::chrono::milliseconds(600);
    config->peer.ice.patience = std::chrono::milliseconds(600);
  }
  auto gateway_runtime = std::make_unique<runtime::Runtime>(1);
  World world(runtime_, *gateway_runtime, std::move(options));
  world.connect();
  TestSocket socket = world.open(echo.port());
  EXPECT_TRUE(socket.write(as_byte_view("x")));
  EXPECT_EQ(socket.read(1).size(), 1U);
  gateway_runtime->stop();
  const auto end = world.client_saw.wait_for_close();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason, CloseReason::ConnectionLost);
  EXPECT_TRUE(socket.read_all().empty());
  EXPECT_EQ(socket.end(), StreamEnd::Reset);
  EXPECT_EQ(world.client_saw.wait_for_records(1)[0].reason, CloseReason::ConnectionLost);
  world.gateway.reset();
  gateway_runtime.reset();
}

TEST_F(TubeClosing, InsideEachCallbackIsSafe) {
  for (int where = 0; where < 3; ++where) {
    TestServer echo(serve_echo);
    std::shared_ptr<Tube>* tube = nullptr;
    World::Options options;
    options.client_also.state_changed = [&, where](State state) {
      if (where == 0 && state == State::Connected) (*tube)->close(CloseReason::Client, "in state_changed");
    };
    options.client_also.connection_ended = [&, where](const ConnectionRecord&) {
      if (where == 1) (*tube)->close(CloseReason::Client, "in connection_ended");
    };
    options.client_also.closed = [&](CloseReason, const std::string&) {
      (*tube)->close(CloseReason::Error, "in closed");
    };
    World world(runtime_, std::move(options));
    tube = &world.client;
    world.signal();
    if (where > 0) {
      TestSocket socket = world.open(echo.port());
      socket.shutdown_send();
      EXPECT_TRUE(socket.read_all().empty());
    }
    if (where == 2) world.client->close(CloseReason::Client, "from outside");
    const auto end = world.client_saw.wait_for_close();
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->reason, CloseReason::Client);
    EXPECT_TRUE(world.gateway_saw.wait_for_close());
  }
}

TEST_F(TubeClosing, WhatAnObserverThrowsClosesItsTubeAlone) {
  World::Options options;
  options.gateway_also.state_changed = [](State state) {
    if (state == State::Connected) throw std::runtime_error("the observer's own fault");
  };
  World world(runtime_, std::move(options));
  World other(runtime_);
  other.connect();
  world.signal();
  const auto end = world.gateway_saw.wait_for_close();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason, CloseReason::Error);
  EXPECT_EQ(end->message, "the observer's own fault");
  EXPECT_TRUE(world.client_saw.wait_for_close());
  EXPECT_EQ(other.client->snapshot().state, State::Connected);
  EXPECT_EQ(runtime_.stray_exceptions(), 0U);
  other.close_both();
}

TEST_F(TubeClosing, ObserversThatThrowAtTheEndAreStillToldOnce) {
  World::Options options;
  options.client_also.state_changed = [](State state) {
    if (state == State::Closed) throw 7;
  };
  options.client_also.connection_ended = [](const ConnectionRecord&) { throw 8; };
  options.client_also.closed = [](CloseReason, const std::string&) { throw 9; };
  TestServer echo(serve_echo);
  World world(runtime_, std::move(options));
  world.connect();
  TestSocket socket = world.open(echo.port());
  EXPECT_TRUE(socket.write(as_byte_view("x")));
  EXPECT_EQ(socket.read(1).size(), 1U);
  world.client->close(CloseReason::Client, "");
  EXPECT_TRUE(world.client_saw.wait_for_close());
  EXPECT_EQ(world.client_saw.wait_for_records(1).size(), 1U);
  EXPECT_TRUE(world.gateway_saw.wait_for_close());
  EXPECT_EQ(world.client_saw.times_closed(), 1);
  EXPECT_EQ(runtime_.stray_exceptions(), 0U);
}

TEST_F(TubeClosing, ATransferUnderWayIsNoDanger) {
  TestServer flood([](TestSocket socket) {
    const Bytes part = make_pattern(std::size_t{1} << 20, 7);
    while (socket.write(part)) continue;
  });
  for (int i = 0; i < 5; ++i) {
    World world(runtime_);
    world.connect();
    std::vector<TestSocket> sockets;
    for (int each = 0; each < 4; ++each) {
      sockets.push_back(world.open(flood.port()));
      EXPECT_EQ(sockets.back().read(100'000).size(), 100'000U);
    }
    (i % 2 == 0 ? world.client : world.gateway)->close(CloseReason::Normal, "");
    EXPECT_TRUE(world.client_saw.wait_for_close());
    EXPECT_TRUE(world.gateway_saw.wait_for_close());
  }
}

TEST_F(TubeClosing, DrainingEndsIdleConnectionsFirstAndThenTheTube) {
  TestServer echo(serve_echo);
  World world(runtime_);
  world.connect();
  TestSocket idle = world.open(echo.port());
  EXPECT_TRUE(idle.write(as_byte_view("x")));
  EXPECT_EQ(idle.read(1).size(), 1U);
  world.gateway->drain(std::chrono::seconds(30));
  const auto records = world.gateway_saw.wait_for_records(1);
  EXPECT_EQ(records[0].reason, CloseReason::TunnelClosed);
  const auto end = world.client_saw.wait_for_close();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason, CloseReason::TunnelClosed);
  EXPECT_EQ(world.gateway_saw.wait_for_close()->reason, CloseReason::TunnelClosed);
}

TEST_F(TubeClosing, DrainingRefusesNewConnections) {
  TestServer flood([](TestSocket socket) {
    const Bytes part = make_pattern(1000, 8);
    while (socket.write(part)) std::this_thread::yield();
  });
  World world(runtime_);
  world.connect();
  TestSocket busy = world.open(flood.port());
  EXPECT_EQ(busy.read(1).size(), 1U);
  std::jthread reader([&] { (void)busy.hash_all(); });
  world.gateway->drain(std::chrono::milliseconds(500));
  TestSocket late = world.open(flood.port());
  EXPECT_TRUE(late.read_all().empty());
  for (const ConnectionRecord& record : world.client_saw.wait_for_records(2)) {
    EXPECT_EQ(record.reason, CloseReason::TunnelClosed);
  }
  EXPECT_EQ(world.client_saw.wait_for_close()->reason, CloseReason::TunnelClosed);
}

TEST_F(TubeClosing, AHundredTubesLeaveNoDescriptorBehind) {
  auto echo = std::make_unique<TestServer>(serve_echo);
  const auto cycle = [&] {
    World world(runtime_);
    world.connect();
    TestSocket socket = world.open(echo->port());
    EXPECT_TRUE(socket.write(as_byte_view("x")));
    EXPECT_EQ(socket.read(1).size(), 1U);
    world.close_both();
  };
  cycle();
  echo = std::make_unique<TestServer>(serve_echo);
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 100; ++i) cycle();
  echo = std::make_unique<TestServer>(serve_echo);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(TubeClosing, ItsMachinesGoWithItEvenIfSomebodyHoldsIt) {
  World world(runtime_);
  const std::size_t before = open_descriptors();
  world.connect();
  EXPECT_GT(open_descriptors(), before);
  world.close_both();
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(world.client->snapshot().state, State::Closed);
  EXPECT_FALSE(wait_for(runtime_, world.client->offer()).has_value());
}

TEST(TubeRuntime, MayGoWhileTubesAreOpen) {
  std::optional<World> world;
  {
    runtime::Runtime runtime(2);
    world.emplace(runtime);
    world->connect();
    runtime.stop();
    world->client.reset();
    world->gateway.reset();
  }
  EXPECT_EQ(world->client_saw.times_closed(), 0);
}

TEST(TubeRegistry, FindsWhatItHolds) {
  runtime::Runtime runtime(1);
  World world(runtime);
  TubeRegistry registry;
  registry.add(world.client);
  registry.add(world.gateway);
  EXPECT_EQ(registry.size(), 2U);
  EXPECT_EQ(registry.find(world.client->id()), world.client);
  registry.remove(world.client->id());
  EXPECT_EQ(registry.find(world.client->id()), nullptr);
  EXPECT_EQ(registry.list().size(), 1U);
  world.client.reset();
  world.gateway.reset();
  registry.remove(registry.list().front()->id());
  EXPECT_EQ(registry.size(), 0U);
}

TEST(TubeId, IsHexOf128Bits) {
  Random random(runtime::system_seed());
  const std::string id = make_id(random);
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(id, make_id(random));
}

}  // namespace
}  // namespace isotube::tube
