#include <algorithm>
#include <functional>

#include "runtime/udp_socket.hpp"
#include "unit/runtime/allocations.hpp"
#include "unit/runtime/flow_fixture.hpp"

namespace isotube::runtime {
namespace {

using SendResult = Flow::SendResult;
using Transport = Flow::Transport;

/// An UDP server that a test reads and writes by hand.
class FlowOverUdp : public FlowFixture {
 protected:
  UdpSocket open_server(Family family = Family::V4, std::optional<PortRange> ports = {}) {
    auto socket = UdpSocket::open(strand_, family, ports, random_);
    EXPECT_TRUE(socket.has_value());
    return *std::move(socket);
  }

  static Address address_of(const UdpSocket& server) {
    return {server.family() == Family::V4 ? IpAddress::v4({127, 0, 0, 1}) : *IpAddress::parse("::1"), server.port()};
  }

  Flow open_to(const UdpSocket& server, Heard& heard) {
    Flow flow = open({Transport::Udp, address_of(server), ""}, heard);
    run_until([&] { return heard.opened || heard.failed; });
    EXPECT_TRUE(heard.opened) << *heard.failed;
    return flow;
  }

  struct Arrived {
    Path path;
    std::vector<std::size_t> sizes;
    Bytes bytes;
  };

  Arrived read(UdpSocket& server, std::size_t bytes) {
    Arrived arrived;
    run_until([&] {
      for (const Datagram& each : server.receive(1 << 20)) {
        arrived.path = each.path;
        arrived.sizes.push_back(each.bytes.size());
        arrived.bytes.insert(arrived.bytes.end(), each.bytes.begin(), each.bytes.end());
      }
      if (arrived.bytes.size() >= bytes) return true;
      server.wait_readable([](const boost::system::error_code&) {});
      return false;
    });
    return arrived;
  }

  Random random_{Random::Seed{}};
};

TEST_F(FlowOverUdp, BatchesGoBothWaysCutAsTheyWereSent) {
  for (const Family family : {Family::V4, Family::V6}) {
    UdpSocket server = open_server(family);
    Heard heard;
    Flow flow = open_to(server, heard);
    const Bytes bytes = pattern(50 * 1200 + 7);
    ASSERT_EQ(flow.send(bytes, 1200), SendResult::Done);
    const Arrived arrived = read(server, bytes.size());
    EXPECT_EQ(arrived.bytes, bytes);
    EXPECT_EQ(arrived.sizes.size(), 51U);
    EXPECT_EQ(arrived.path.remote, heard.opened);

    ASSERT_EQ(server.send(arrived.path, bytes, 1200), UdpSocket::SendResult::Done);
    run_until([&] { return heard.bytes.size() == bytes.size(); });
    EXPECT_EQ(heard.bytes, bytes);
    EXPECT_EQ(heard.piece_sizes, arrived.sizes);
    EXPECT_LT(heard.calls, 5) << "a batch is handed over in one call";
  }
}

TEST_F(FlowOverUdp, NothingIsSaidBeforeOpenReturned) {
  const UdpSocket server = open_server();
  Heard heard;
  const Flow flow = open({Transport::Udp, address_of(server), ""}, heard);
  EXPECT_FALSE(heard.opened);
  run_until([&] { return heard.opened.has_value(); });
}

TEST_F(FlowOverUdp, EachHasAPortOfItsOwn) {
  const UdpSocket server = open_server();
  Heard first;
  Heard second;
  const Flow one = open_to(server, first);
  const Flow other = open_to(server, second);
  EXPECT_NE(first.opened->port, second.opened->port);
  EXPECT_EQ(first.opened->ip, address_of(server).ip);
}

TEST_F(FlowOverUdp, NobodyButTheServerIsHeard) {
  UdpSocket server = open_server();
  UdpSocket stranger = open_server();
  Heard heard;
  Flow flow = open_to(server, heard);
  const Path from_stranger{address_of(stranger), *heard.opened};
  const Path from_server{address_of(server), *heard.opened};
  stranger.send(from_stranger, pattern(77), 77);
  server.send(from_server, pattern(55), 55);
  run_until([&] { return !heard.bytes.empty(); });
  run_what_is_ready();
  EXPECT_EQ(heard.piece_sizes, std::vector<std::size_t>{55});
}

TEST_F(FlowOverUdp, APortWhereNobodyListensIsARefusal) {
  Address nowhere;
  {
    const UdpSocket gone = open_server();
    nowhere = address_of(gone);
  }
  Heard heard;
  Flow flow = open({Transport::Udp, nowhere, ""}, heard);
  run_until([&] { return heard.opened.has_value(); });
  flow.send(pattern(20), 20);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, "connection refused by " + nowhere.to_string());
  EXPECT_FALSE(heard.closed);
}

TEST_F(FlowOverUdp, ARefusalThatASendLearnsOfIsNotLost) {
  Address nowhere;
  {
    const UdpSocket gone = open_server();
    nowhere = address_of(gone);
  }
  Heard heard;
  Flow flow = open({Transport::Udp, nowhere, ""}, heard);
  run_until([&] { return heard.opened.has_value(); });
  for (int i = 0; i < 3; ++i) flow.send(pattern(3600), 1200);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, "connection refused by " + nowhere.to_string());
}

TEST_F(FlowOverUdp, AServerThatWasHeardMayBeGoneForAMoment) {
  Heard heard;
  std::optional<UdpSocket> server(open_server());
  const Address address = address_of(*server);
  Flow flow = open_to(*server, heard);
  server->send({address, *heard.opened}, pattern(10), 10);
  run_until([&] { return heard.bytes.size() == 10; });
  server.reset();
  for (int i = 0; i < 5; ++i) {
    flow.send(pattern(2400), 1200);
    run_what_is_ready();
  }
  EXPECT_GT(flow.counters().refused, 0U);
  server.emplace(open_server(Family::V4, PortRange{address.port, address.port}));
  ASSERT_EQ(flow.send(pattern(2400), 1200), SendResult::Done);
  EXPECT_EQ(read(*server, 2400).bytes, pattern(2400)) << "what ICMP said of the others is not held against these";
  EXPECT_FALSE(heard.over());
}

TEST_F(FlowOverUdp, WhatAFullKernelRefusesGoesOnceItIsWritable) {
  UdpSocket server = open_server();
  Heard heard;
  Flow flow = open_to(server, heard);
  kernel::script().all_full = true;
  EXPECT_EQ(flow.send(pattern(5000), 1000), SendResult::Blocked);
  EXPECT_TRUE(flow.blocked());
  EXPECT_EQ(flow.send(pattern(1000), 1000), SendResult::Blocked) << "dropped, as said";
  EXPECT_EQ(flow.counters().dropped, 1U);
  EXPECT_EQ(heard.writable, 0);
  kernel::script().all_full = false;
  run_until([&] { return heard.writable == 1; });
  EXPECT_FALSE(flow.blocked());
  EXPECT_EQ(read(server, 5000).bytes, pattern(5000));
}

TEST_F(FlowOverUdp, AWarmFlowAsksForNoMemory) {
  if (!allocations()) GTEST_SKIP() << "not counted in this build";
  UdpSocket server = open_server();
  const Address address = address_of(server);
  const Bytes bytes = pattern(20 * 1200);
  Heard heard;
  std::optional<Flow> flow;
  int rounds = 0;
  std::optional<std::size_t> when_warm;
  std::optional<std::size_t> at_the_end;
  Flow::Callbacks callbacks = write_down(heard);
  callbacks.opened = [&](const Address& local) {
    heard.opened = local;
    flow->send(bytes, 1200);
  };
  callbacks.received = [&](std::span<const ByteView>) {
    ++rounds;
    if (rounds == 100) when_warm = allocations();
    if (rounds == 300) {
      at_the_end = allocations();
      return context_.stop();
    }
    flow->send(bytes, 1200);
  };
  const std::function<void()> answer = [&] {
    server.wait_readable([&](const boost::system::error_code& error) {
      if (error) return;
      if (!server.receive(1 << 20).empty()) server.send({address, *heard.opened}, ByteView(bytes).first(1200), 1200);
      answer();
    });
  };
  answer();
  flow.emplace(Flow::open(strand_, {Transport::Udp, address, ""}, {}, std::move(callbacks)));
  boost::asio::steady_timer limit(strand_, std::chrono::seconds(10));
  limit.async_wait([this](const boost::system::error_code& error) {
    if (!error) context_.stop();
  });
  context_.run();
  EXPECT_EQ(rounds, 300);
  EXPECT_EQ(at_the_end, when_warm);
}

TEST_F(FlowOverUdp, ATurnIsBoundedAndNothingIsLeftBehind) {
  UdpSocket server = open_server();
  Heard heard;
  Flow flow = open_to(server, heard);
  // In single calls: the kernel joins what is sent as a batch.
  constexpr std::size_t kCount = 400;
  const Path path{address_of(server), *heard.opened};
  for (std::size_t i = 0; i < kCount; ++i) server.send(path, pattern(40 + i % 2), 100);
  std::size_t most = 0;
  std::size_t before = 0;
  // run_one() runs one turn at a time.
  run_until([&] {
    most = std::max(most, heard.piece_sizes.size() - before);
    before = heard.piece_sizes.size();
    return before == kCount;
  });
  EXPECT_LT(most, 256U + 64U);
}

TEST_F(FlowOverUdp, ClosesWhenWhatWasKeptHasLeft) {
  UdpSocket server = open_server();
  Heard heard;
  Flow flow = open_to(server, heard);
  kernel::script().all_full = true;
  flow.send(pattern(3000), 1000);
  flow.close();
  EXPECT_FALSE(heard.closed);
  kernel::script().all_full = false;
  run_until([&] { return heard.over(); });
  EXPECT_TRUE(heard.closed);
  EXPECT_EQ(heard.writable, 0);
  EXPECT_EQ(read(server, 3000).bytes, pattern(3000));
  const UdpSocket same_port = open_server(Family::V4, PortRange{heard.opened->port, heard.opened->port});
  EXPECT_EQ(same_port.port(), heard.opened->port);
}

TEST_F(FlowOverUdp, IsSilentAfterClose) {
  UdpSocket server = open_server();
  Heard heard;
  Flow flow = open_to(server, heard);
  server.send({address_of(server), *heard.opened}, pattern(10), 10);
  flow.close();
  flow.send(pattern(10), 10);
  run_until([&] { return heard.over(); });
  run_what_is_ready();
  EXPECT_TRUE(heard.closed);
  EXPECT_TRUE(heard.bytes.empty());
  EXPECT_EQ(flow.counters().dropped, 1U);
}

TEST_F(FlowOverUdp, CanBeClosedAndDestroyedBeforeItOpened) {
  const UdpSocket server = open_server();
  Heard heard;
  {
    Flow flow = open({Transport::Udp, address_of(server), ""}, heard);
    flow.close();
    run_until([&] { return heard.over(); });
    EXPECT_TRUE(heard.closed);
    Heard unheard;
    const Flow gone = open({Transport::Udp, address_of(server), ""}, unheard);
  }
  run_what_is_ready();
  EXPECT_FALSE(heard.opened);
}

TEST_F(FlowOverUdp, MayBeDestroyedWithinItsCallbacks) {
  UdpSocket server = open_server();
  Heard heard;
  std::optional<Flow> flow;
  Flow::Callbacks callbacks = write_down(heard);
  callbacks.received = [&](std::span<const ByteView>) {
    ++heard.calls;
    flow.reset();
  };
  flow.emplace(Flow::open(strand_, {Transport::Udp, address_of(server), ""}, {}, std::move(callbacks)));
  run_until([&] { return heard.opened.has_value(); });
  for (int i = 0; i < 3; ++i) server.send({address_of(server), *heard.opened}, pattern(10), 10);
  run_until([&] { return !flow; });
  run_what_is_ready();
  EXPECT_EQ(heard.calls, 1);
  EXPECT_FALSE(heard.over());
}

TEST_F(FlowOverUdp, ACallbackThatThrowsEndsItsFlowOnly) {
  UdpSocket server = open_server();
  Heard heard;
  Flow::Callbacks callbacks = write_down(heard);
  callbacks.opened = [](const Address&) { throw std::runtime_error("no memory for this"); };
  const Flow flow = Flow::open(strand_, {Transport::Udp, address_of(server), ""}, {}, std::move(callbacks));
  Heard other;
  const Flow bystander = open_to(server, other);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, "internal error: no memory for this");
  EXPECT_FALSE(other.over());
}

}  // namespace
}  // namespace isotube::runtime
