// Peers: permissions, channels, and refusals that are one peer's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "world.hpp"

namespace isotube::turn {
namespace {

using namespace testing;
using ::testing::ElementsAre;

const Address kPeer = address("198.51.100.9:6000");
const Address kNeighbour = address("198.51.100.9:6001");
const Address kStranger = address("198.51.100.10:6000");

void reach_allocated(World& world) {
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnPeers, T16NoPayloadWaitsForATransaction) {
  World world;
  reach_allocated(world);
  world.relay.script = [](const Request&) -> Scripted { return Answers{}; };
  EXPECT_EQ(world.client.header_size(kPeer), 36U);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(world.send(kPeer, "hello"), 44U);
    world.run_for(100ms);
  }
  EXPECT_EQ(world.relay.count(Method::ChannelBind), 4U);  // one, sent again and again
  EXPECT_EQ(world.client.counters().failures, 0U);
}

TEST(TurnPeers, TheFirstPayloadBeginsPermissionAndChannel) {
  World world;
  reach_allocated(world);
  world.relay.requests.clear();
  EXPECT_EQ(world.send(kPeer, "one"), 36U + 4U);
  world.run_for(100ms);
  ASSERT_EQ(world.relay.requests.size(), 2U);
  EXPECT_TRUE(world.relay.requests[0].is(Method::CreatePermission));
  EXPECT_TRUE(world.relay.requests[1].is(Method::ChannelBind));
  EXPECT_EQ(world.relay.requests[1].channel(), 0x4000);
  EXPECT_EQ(world.client.header_size(kPeer), 4U);
  // Over UDP without padding.
  EXPECT_EQ(world.send(kPeer, "three"), 9U);
  world.run_for(100ms);
  EXPECT_THAT(world.relay.relayed_payloads,
              ElementsAre(std::pair(kPeer, std::string("one")), std::pair(kPeer, std::string("three"))));
}

TEST(TurnPeers, AddressesOfOneHostShareAPermission) {
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  (void)world.send(kNeighbour, "x");
  (void)world.send(kStranger, "x");
  world.run_for(1s);
  EXPECT_EQ(world.relay.count(Method::CreatePermission), 2U);
  EXPECT_EQ(world.relay.count(Method::ChannelBind), 3U);
  // And it is kept alive once.
  world.run_for(5min);
  EXPECT_EQ(world.relay.count(Method::CreatePermission), 4U);
}

TEST(TurnPeers, WhatPeersSendArrivesFromChannelsAndIndications) {
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  world.deliver(Relay::channel_data(0x4000, "by channel"));
  world.deliver(Relay::channel_data(0x4000, "padded", 2));
  world.deliver(Relay::data_indication(kPeer, "by indication"));
  // Behind a symmetric NAT a peer's checks come from a port that nobody named.
  world.deliver(Relay::data_indication(kNeighbour, "another port"));
  EXPECT_THAT(
      world.received,
      ElementsAre(std::pair(kPeer, std::string("by channel")), std::pair(kPeer, std::string("padded")),
                  std::pair(kPeer, std::string("by indication")), std::pair(kNeighbour, std::string("another port"))));
  EXPECT_EQ(world.client.counters().bytes_dropped, 0U);
}

TEST(TurnPeers, WhatStrangersSendIsDropped) {
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  world.deliver(Relay::data_indication(kStranger, "spam"));
  world.deliver(Relay::channel_data(0x4001, "spam"));
  auto odd = stun::MessageBuilder(stun::Class::Indication, Method::Data, {})
                 .xor_address(AttributeType::XorPeerAddress, kPeer)
                 .bytes(AttributeType::Data, as_byte_view("x"))
                 .flag(static_cast<AttributeType>(0x7F00))
                 .take();
  world.deliver(odd);
  EXPECT_TRUE(world.received.empty());
  EXPECT_EQ(world.client.counters().bytes_dropped, 20U + 12U + 8U + 8U + 20U + 12U + 8U + 4U);
}

TEST(TurnPeers, AnIcmpMessageOfTheRelaysIsNoPayload) {
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  world.deliver(stun::MessageBuilder(stun::Class::Indication, Method::Data, {})
                    .xor_address(AttributeType::XorPeerAddress, kPeer)
                    .u64(AttributeType::Icmp, 3)
                    .take());
  EXPECT_TRUE(world.received.empty());
  EXPECT_EQ(world.client.counters().bytes_dropped, 0U);
}

Scripted refuse(World& world, const Request& request, const IpAddress& host, Method method, int code) {
  if (!request.is(method) || request.peer().ip != host) return std::nullopt;
  return Answers{world.relay.error(request, code, "no")};
}

class TurnPeerRefused : public ::testing::TestWithParam<std::pair<Method, int>> {};

TEST_P(TurnPeerRefused, T9TouchesThatPeerOnly) {
  const auto [method, code] = GetParam();
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  const Counters before = world.client.counters();
  world.relay.script = [&world, method = method, code = code](const Request& request) {
    return refuse(world, request, kStranger.ip, method, code);
  };
  EXPECT_NE(world.send(kStranger, "x"), 0U);
  world.run_for(1s);
  EXPECT_EQ(world.send(kStranger, "x"), 0U);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].peer, kStranger);
  EXPECT_EQ(world.failures()[0].code, code);
  ASSERT_EQ(world.count<PeerRefused>(), 1U);
  EXPECT_EQ(world.all<PeerRefused>()[0].peer, kStranger);
  EXPECT_EQ(world.all<PeerRefused>()[0].code, code);
  EXPECT_EQ(world.client.counters().failures, before.failures);
  EXPECT_EQ(world.client.counters().peers_refused, 1U);
  EXPECT_EQ(world.send(kPeer, "y"), 5U);
  world.run_for(1h);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.failures().size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Codes, TurnPeerRefused,
                         ::testing::Values(std::pair(Method::CreatePermission, 403),
                                           std::pair(Method::CreatePermission, 443),
                                           std::pair(Method::CreatePermission, 400),
                                           std::pair(Method::ChannelBind, 403), std::pair(Method::ChannelBind, 443),
                                           std::pair(Method::ChannelBind, 400)));

TEST(TurnPeers, ARefusedHostIsRefusedWithAllItsAddresses) {
  World world;
  reach_allocated(world);
  world.relay.script = [&](const Request& request) {
    return refuse(world, request, kPeer.ip, Method::CreatePermission, 403);
  };
  (void)world.send(kPeer, "x");
  (void)world.send(kNeighbour, "x");
  world.run_for(1s);
  EXPECT_EQ(world.count<PeerRefused>(), 2U);
  const Address third = address("198.51.100.9:6002");
  EXPECT_EQ(world.send(third, "x"), 0U);
  ASSERT_EQ(world.count<PeerRefused>(), 3U);
  EXPECT_EQ(world.all<PeerRefused>()[2].peer, third);
  EXPECT_EQ(world.relay.count(Method::CreatePermission), 1U);
}

TEST(TurnPeers, T10ALostBindIsRepeatedWithTheSameNumber) {
  World world;
  reach_allocated(world);
  world.loses_to_client = [](const Bytes& bytes) {
    const auto view = stun::MessageView::parse(bytes);
    return view && view->method() == Method::ChannelBind;
  };
  (void)world.send(kPeer, "x");
  world.run_for(6s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::Timeout);
  EXPECT_FALSE(world.failures()[0].peer.has_value());
  world.loses_to_client = nullptr;
  world.run_for(6s);
  EXPECT_EQ(world.client.header_size(kPeer), 4U);
  for (const Request& request : world.relay.all(Method::ChannelBind)) EXPECT_EQ(request.channel(), 0x4000);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnPeers, T10ARefusedRefreshOfAChannelKeepsItsNumberAndBinding) {
  Settings settings;
  settings.channel_refresh = 30s;
  World world({.settings = settings});
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  world.relay.script = [&](const Request& request) {
    return refuse(world, request, kPeer.ip, Method::ChannelBind, 400);
  };
  world.run_for(31s);
  ASSERT_GE(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].peer, kPeer);
  EXPECT_EQ(world.count<PeerRefused>(), 0U);
  EXPECT_EQ(world.send(kPeer, "still"), 9U);
  world.relay.script = nullptr;
  world.run_for(60s);
  EXPECT_EQ(world.relay.requests.back().channel(), 0x4000);
  EXPECT_EQ(world.client.state(), State::Allocated);
  // Whether the relay was restarted was asked, and it was not.
  EXPECT_GE(world.client.counters().refresh.succeeded, 1U);
}

TEST(TurnPeers, T11ARefusedRefreshOfAPermissionAsksWhetherTheAllocationLives) {
  Settings settings;
  settings.permission_refresh = 30s;
  World world({.settings = settings});
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  // As servers do that lost their memory: 400 here, silence there.
  world.relay.script = [&](const Request& request) -> Scripted {
    if (request.is(Method::Refresh)) return Answers{};
    return Answers{world.relay.error(request, 400)};
  };
  world.run_for(29s + 10s);
  EXPECT_EQ(world.client.state(), State::Idle);
  EXPECT_TRUE(world.lost_after_failure());
}

TEST(TurnPeers, PermissionsAndChannelsAreKeptAlive) {
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(59min);
  // Every four and every nine minutes.
  EXPECT_EQ(world.relay.count(Method::CreatePermission), 15U);
  EXPECT_EQ(world.relay.count(Method::ChannelBind), 7U);
  EXPECT_EQ(world.send(kPeer, "last"), 8U);
  world.run_for(1s);
  EXPECT_EQ(world.relay.relayed_payloads.back().second, "last");
}

TEST(TurnPeers, AChannelThatRanOutGivesWayToIndications) {
  World world;
  reach_allocated(world);
  (void)world.send(kPeer, "x");
  world.run_for(1s);
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is(Method::ChannelBind)) return std::nullopt;
    return Answers{world.relay.error(request, 508)};
  };
  world.run_for(9min + 50s);
  EXPECT_EQ(world.client.header_size(kPeer), 4U);
  world.run_for(20s);
  EXPECT_EQ(world.client.header_size(kPeer), 36U);
  EXPECT_NE(world.send(kPeer, "by indication"), 0U);
  world.run_for(1s);
  EXPECT_EQ(world.relay.relayed_payloads.back().second, "by indication");
  EXPECT_GE(world.client.counters().failures, 1U);
  world.relay.script = nullptr;
  world.run_for(2min);
  EXPECT_EQ(world.client.header_size(kPeer), 4U);
}

Address numbered(int number) {
  return {IpAddress::v4({10, 0, static_cast<std::uint8_t>(number / 250), static_cast<std::uint8_t>(1 + number % 250)}),
          static_cast<std::uint16_t>(1000 + number)};
}

TEST(TurnPeers, ManyAtATimeAskBoundedlyAndAllAreServed) {
  World world;
  reach_allocated(world);
  for (int i = 0; i < 100; ++i) (void)world.send(numbered(i), "x");
  EXPECT_EQ(world.client.counters().requests, 1U + 32U);
  world.run_for(5s);
  EXPECT_EQ(world.client.counters().requests, 1U + 200U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(world.client.header_size(numbered(i)), 4U);
  std::set<std::uint16_t> numbers;
  for (const Request& request : world.relay.all(Method::ChannelBind)) numbers.insert(request.channel());
  EXPECT_EQ(numbers.size(), 100U);
}

TEST(TurnPeers, WhoWasUsedLongestAgoMakesRoomAndKeepsItsNumberForItsReturn) {
  Settings settings;
  settings.max_peers = 2;
  World world({.settings = settings});
  reach_allocated(world);
  for (int i = 0; i < 3; ++i) {
    (void)world.send(numbered(i), "x");
    world.run_for(1s);
  }
  EXPECT_EQ(world.client.header_size(numbered(0)), 36U);
  EXPECT_EQ(world.client.header_size(numbered(1)), 4U);
  EXPECT_EQ(world.client.header_size(numbered(2)), 4U);
  world.deliver(Relay::channel_data(0x4000, "from one that went"));
  EXPECT_TRUE(world.received.empty());
  (void)world.send(numbered(0), "x");
  world.run_for(1s);
  EXPECT_EQ(world.relay.all(Method::ChannelBind).back().channel(), 0x4000);
  EXPECT_EQ(world.client.counters().peers_refused, 0U);
}

TEST(TurnPeers, AChannelNumberRestsBeforeAnotherPeerGetsIt) {
  Settings settings;
  settings.max_peers = 4;
  World world({.settings = settings});
  reach_allocated(world);
  std::map<std::uint16_t, std::pair<Address, TimePoint>> bound;
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is(Method::ChannelBind)) return std::nullopt;
    const auto before = bound.find(request.channel());
    if (before != bound.end() && before->second.first != request.peer()) {
      EXPECT_GE(request.at - before->second.second, 15min);
    }
    bound[request.channel()] = {request.peer(), request.at};
    return Answers{world.relay.success(request)};
  };
  // All numbers are used up in about seven minutes; then there are none until they rested.
  int next = 0;
  const auto send_to_others = [&](int count) {
    for (int i = 0; i < count; ++i) {
      EXPECT_NE(world.send(numbered(next++), "x"), 0U);
      world.run_for(100ms);
    }
  };
  send_to_others(4096 + 10);
  EXPECT_EQ(bound.size(), 4096U);
  const std::size_t binds = world.relay.count(Method::ChannelBind);
  send_to_others(10);
  EXPECT_EQ(world.relay.count(Method::ChannelBind), binds);
  EXPECT_EQ(world.client.header_size(numbered(next - 1)), 36U);
  world.run_for(15min);
  send_to_others(10);
  EXPECT_EQ(world.client.header_size(numbered(next - 1)), 4U);
  EXPECT_EQ(bound.size(), 4096U);
  EXPECT_EQ(world.client.counters().failures, 0U);
}

TEST(TurnPeers, APeerWhoseRequestsTheServerDoesNotTakeIsAskedForAgainWithPatience) {
  World world;
  reach_allocated(world);
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is(Method::CreatePermission)) return std::nullopt;
    return Answers{world.relay.error(request, 508)};
  };
  (void)world.send(kPeer, "x");
  world.run_for(5min);
  // 0, 5, 15, 35, 75, 135, 195, 255 s.
  EXPECT_EQ(world.relay.count(Method::CreatePermission), 8U);
  EXPECT_EQ(world.client.counters().failures, 8U);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnFrame, SaysNothingFitsWhereNothingDoes) {
  World world;
  Bytes out(100);
  EXPECT_EQ(world.client.frame(world.now, kPeer, out, 4), 0U);
  reach_allocated(world);
  EXPECT_EQ(world.client.frame(world.now, kPeer, MutableByteView(out).first(39), 4), 0U);
  EXPECT_EQ(world.client.frame(world.now, kPeer, MutableByteView(out).first(40), 4), 40U);
  Bytes large(70'000);
  EXPECT_EQ(world.client.frame(world.now, kPeer, large, 65'508), 0U);
  EXPECT_EQ(world.client.frame(world.now, kPeer, large, 65'472), 0U);
  EXPECT_EQ(world.client.frame(world.now, kPeer, large, 65'468), 36U + 65'468U);
  world.run_for(1s);
  EXPECT_EQ(world.client.frame(world.now, kPeer, large, 65'503), 65'507U);
  EXPECT_EQ(world.client.frame(world.now, kPeer, large, 65'504), 0U);
}

TEST(TurnFrame, WritesASendIndicationThatAnyReaderUnderstands) {
  World world({.server = address("[2001:db8::1]:3478")});
  world.relay.relayed = address("[2001:db8::7]:50000");
  reach_allocated(world);
  const Address peer = address("[2001:db8::99]:7");
  Bytes out(Client::kMaxHeader + 5 + Client::kMaxPadding, std::byte{0xEE});
  ASSERT_EQ(world.client.header_size(peer), Client::kMaxHeader);
  std::ranges::copy(as_byte_view("hello"), out.begin() + Client::kMaxHeader);
  ASSERT_EQ(world.client.frame(world.now, peer, out, 5), out.size());
  const auto view = stun::MessageView::parse(out);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->method(), Method::Send);
  EXPECT_EQ(view->message_class(), stun::Class::Indication);
  EXPECT_EQ(view->xor_address(AttributeType::XorPeerAddress), peer);
  EXPECT_EQ(as_text(view->find(AttributeType::Data).value()), "hello");
  EXPECT_EQ(out.back(), std::byte{0});
}

}  // namespace
}  // namespace isotube::turn
