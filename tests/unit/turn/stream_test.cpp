// TURN over TCP and TLS: messages out of a stream of bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::turn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using namespace std::string_view_literals;

const Address kPeer = address("198.51.100.9:6000");

void reach_channel(World& world) {
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  ASSERT_EQ(world.client.header_size(kPeer), 4U);
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes whole;
  for (const Bytes& part : parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

TEST(TurnStream, PadsWhatItSends) {
  World world({.transport = Transport::Tcp});
  reach_channel(world);
  EXPECT_EQ(world.send(kPeer, "12345"), 12U);
  Bytes out(11);
  EXPECT_EQ(world.client.frame(world.now, kPeer, out, 5), 0U);
}

TEST(TurnStream, ReadsSeveralMessagesFromOnePiece) {
  World world({.transport = Transport::Tls});
  reach_channel(world);
  world.deliver(joined({Relay::channel_data(0x4000, "12345", 3), Relay::data_indication(kPeer, "67"),
                        Relay::channel_data(0x4000, "", 0), Relay::channel_data(0x4000, "89ab", 0)}));
  EXPECT_THAT(world.received, ElementsAre(std::pair(kPeer, std::string("12345")), std::pair(kPeer, std::string("67")),
                                          std::pair(kPeer, std::string()), std::pair(kPeer, std::string("89ab"))));
}

TEST(TurnStream, PutsMessagesTogetherWhereverTheStreamWasCut) {
  const Bytes whole = joined({Relay::channel_data(0x4000, "12345", 3), Relay::data_indication(kPeer, "indication"),
                              Relay::channel_data(0x4000, std::string(3000, 'z'), 0)});
  for (std::size_t step : {1U, 2U, 3U, 5U, 7U, 11U, 19U, 23U, 64U, 1000U}) {
    World world({.transport = Transport::Tcp});
    reach_channel(world);
    for (std::size_t at = 0; at < whole.size(); at += step) {
      world.deliver(to_bytes(ByteView(whole).subspan(at, std::min(step, whole.size() - at))));
    }
    ASSERT_EQ(world.received.size(), 3U) << "in steps of " << step;
    EXPECT_EQ(world.received[0].second, "12345");
    EXPECT_EQ(world.received[1].second, "indication");
    EXPECT_EQ(world.received[2].second, std::string(3000, 'z'));
    EXPECT_EQ(world.client.counters().bytes_dropped, 0U);
  }
}

TEST(TurnStream, FailsWhenItsBytesAreNoMessages) {
  for (const std::string_view garbage :
       {"\xC0zzz"sv, "\x50zzz"sv, "\x01\x03\x00\x03zzzz"sv, "\x01\x03\x08\x08zzzz"sv, "SSH-2.0-OpenSSH_9.2\r\n"sv}) {
    World world({.transport = Transport::Tcp});
    reach_channel(world);
    world.deliver(joined({Relay::channel_data(0x4000, "good"), to_bytes(as_byte_view(garbage))}));
    EXPECT_EQ(world.received.size(), 1U);
    EXPECT_EQ(world.client.state(), State::Idle);
    ASSERT_EQ(world.failures().size(), 1U);
    EXPECT_EQ(world.failures()[0].cause, Cause::FlowFailed);
    EXPECT_THAT(world.closed, ElementsAre(1U));
    EXPECT_EQ(world.count<AllocationLost>(), 1U);
    world.allocate();
    world.run_for(1s);
    EXPECT_EQ(world.client.state(), State::Allocated);
  }
}

TEST(TurnStream, WaitsEightSecondsForAnAnswerAndSendsOnce) {
  World world({.transport = Transport::Tcp});
  world.relay.script = [](const Request&) -> Scripted { return Answers{}; };
  world.allocate();
  // Opening the flow is part of the time.
  world.run_for(7999ms);
  EXPECT_EQ(world.client.state(), State::Allocating);
  world.run_for(1ms);
  EXPECT_EQ(world.client.state(), State::Idle);
  EXPECT_EQ(world.relay.requests.size(), 1U);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::Timeout);
  EXPECT_EQ(world.failures()[0].transport, Transport::Tcp);
}

TEST(TurnStream, WhatFollowsTheLossOfTheAllocationIsNotHeard) {
  World world({.transport = Transport::Tcp});
  reach_channel(world);
  world.relay.script = [&](const Request& request) -> Scripted {
    return Answers{joined({world.relay.error(request, 437), Relay::channel_data(0x4000, "late")})};
  };
  world.client.verify(world.now);
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Idle);
  EXPECT_TRUE(world.received.empty());
}

}  // namespace
}  // namespace isotube::turn
