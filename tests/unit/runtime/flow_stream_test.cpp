#include <algorithm>
#include <atomic>
#include <future>

#include "runtime/flow.hpp"
#include "unit/runtime/flow_fixture.hpp"
#include "unit/runtime/stream_peer.hpp"

namespace isotube::runtime {
namespace {

using SendResult = Flow::SendResult;
using Transport = Flow::Transport;

class FlowOverTcp : public FlowFixture {
 protected:
  Flow open_to(const StreamPeer& peer, Heard& heard) {
    Flow flow = open({Transport::Tcp, peer.address(), ""}, heard);
    run_until([&] { return heard.opened || heard.failed; });
    EXPECT_TRUE(heard.opened) << *heard.failed;
    return flow;
  }
};

TEST_F(FlowOverTcp, BytesGoBothWays) {
  Address client;
  StreamPeer peer([&](ServedConnection& connection) {
    client = connection.client();
    connection.echo_to_end();
  });
  Heard heard;
  Flow flow = open_to(peer, heard);
  const Bytes bytes = pattern(1 << 20);
  send_all(flow, heard, bytes);
  run_until([&] { return heard.bytes.size() == bytes.size(); });
  EXPECT_EQ(heard.bytes, bytes);
  flow.close();
  run_until([&] { return heard.over(); });
  EXPECT_TRUE(heard.closed);
  peer.join();
  EXPECT_EQ(client, heard.opened);
}

TEST_F(FlowOverTcp, APeerThatReadsSlowlyBlocksItAndLosesNothing) {
  std::promise<void> may_read;
  Bytes arrived;
  StreamPeer peer([&](ServedConnection& connection) {
    may_read.get_future().wait();
    arrived = connection.read_to_end();
  });
  Heard heard;
  Flow flow = open_to(peer, heard);
  const Bytes bytes = pattern(4 << 20);
  std::size_t sent = 0;
  const auto send_until_blocked = [&] {
    while (sent < bytes.size() && !flow.blocked()) {
      const ByteView frame = ByteView(bytes).subspan(sent, std::min<std::size_t>(1004, bytes.size() - sent));
      flow.send(frame, frame.size());
      sent += frame.size();
      run_what_is_ready();
    }
  };
  send_until_blocked();
  ASSERT_TRUE(flow.blocked());
  EXPECT_GE(sent, Flow::kQueueLimit);
  EXPECT_EQ(flow.send(pattern(100), 100), SendResult::Blocked);
  EXPECT_EQ(flow.counters().dropped, 1U) << "a whole frame, never half of one";
  EXPECT_EQ(heard.writable, 0);

  may_read.set_value();
  while (sent < bytes.size()) {
    run_until([&] { return !flow.blocked(); });
    send_until_blocked();
  }
  EXPECT_GT(heard.writable, 0);
  flow.close();
  run_until([&] { return heard.over(); });
  peer.join();
  EXPECT_EQ(arrived, bytes);
}

TEST_F(FlowOverTcp, WhatATurnSendsLeavesWithOneWrite) {
  StreamPeer peer([](ServedConnection& connection) { connection.echo_to_end(); });
  Heard heard;
  Flow flow = open_to(peer, heard);
  const int calls = kernel::script().stream_sends;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(flow.send(pattern(1000), 1000), SendResult::Done);
  EXPECT_EQ(kernel::script().stream_sends, calls);
  run_until([&] { return heard.bytes.size() == 50'000; });
  EXPECT_EQ(kernel::script().stream_sends, calls + 1);
}

TEST_F(FlowOverTcp, WritesThatTheKernelTakesInPartLoseNothing) {
  kernel::script().most_of_a_stream_send = 333;
  StreamPeer peer([](ServedConnection& connection) { connection.echo_to_end(); });
  Heard heard;
  Flow flow = open_to(peer, heard);
  send_all(flow, heard, pattern(200'000));
  run_until([&] { return heard.bytes.size() == 200'000; });
  EXPECT_EQ(heard.bytes, pattern(200'000));
}

TEST_F(FlowOverTcp, ATurnIsBounded) {
  StreamPeer peer([](ServedConnection& connection) {
    connection.write(pattern(4 << 20));
    (void)connection.read_to_end();
  });
  Heard heard;
  Flow flow = open_to(peer, heard);
  std::size_t most = 0;
  std::size_t before = 0;
  run_until([&] {
    most = std::max(most, heard.bytes.size() - before);
    before = heard.bytes.size();
    return before == 4 << 20;
  });
  EXPECT_LE(most, std::size_t{320} << 10);
  EXPECT_EQ(heard.bytes, pattern(4 << 20));
}

TEST_F(FlowOverTcp, APortWhereNobodyListensIsARefusal) {
  Address nowhere;
  {
    const StreamPeer peer([](ServedConnection&) {});
    nowhere = peer.address();
  }
  Heard heard;
  const Flow flow = open({Transport::Tcp, nowhere, ""}, heard);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, "connection refused by " + nowhere.to_string());
  EXPECT_FALSE(heard.opened);
}

TEST_F(FlowOverTcp, APlaceWithoutAWayIsSaidPlainly) {
  Heard heard;
  // Broadcast: the kernel refuses at once.
  const Flow flow = open({Transport::Tcp, {IpAddress::v4({255, 255, 255, 255}), 3478}, ""}, heard);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, "there is no way to 255.255.255.255:3478");
}

TEST_F(FlowOverTcp, APeerThatClosesIsAFailure) {
  StreamPeer peer([](ServedConnection& connection) { connection.write(pattern(100)); });
  Heard heard;
  const Flow flow = open_to(peer, heard);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.bytes, pattern(100)) << "what it said before counts";
  EXPECT_EQ(heard.failed, peer.address().to_string() + " closed the connection");
}

TEST_F(FlowOverTcp, APeerThatResetsIsAFailure) {
  StreamPeer peer([](ServedConnection& connection) {
    (void)connection.read(1);
    connection.reset();
  });
  Heard heard;
  Flow flow = open_to(peer, heard);
  flow.send(pattern(1), 1);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, peer.address().to_string() + " reset the connection");
}

TEST_F(FlowOverTcp, AWriteThatFailsIsAFailureEvenIfNothingCanBeRead) {
  StreamPeer peer([](ServedConnection& connection) { (void)connection.read_to_end(); });
  Heard heard;
  Flow flow = open_to(peer, heard);
  kernel::script().refuse_stream_sends = ETIMEDOUT;
  flow.send(pattern(1), 1);
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, "no answer from " + peer.address().to_string());
}

TEST_F(FlowOverTcp, CloseDeliversWhatWasSentBefore) {
  std::promise<void> may_read;
  Bytes arrived;
  StreamPeer peer([&](ServedConnection& connection) {
    // Unread by the client when it closes: a plain close() would reset the connection, and lose what is on its way.
    connection.write(pattern(5000));
    may_read.get_future().wait();
    arrived = connection.read_to_end();
  });
  Heard heard;
  Flow flow = open_to(peer, heard);
  const Bytes bytes = pattern(300'000);
  flow.send(ByteView(bytes).first(150'000), 1000);
  flow.send(ByteView(bytes).subspan(150'000), 1000);
  flow.close();
  flow.send(pattern(10), 10);
  run_what_is_ready();
  EXPECT_FALSE(heard.over());
  may_read.set_value();
  run_until([&] { return heard.over(); });
  EXPECT_TRUE(heard.closed);
  peer.join();
  EXPECT_EQ(arrived, bytes);
}

TEST_F(FlowOverTcp, CloseWaitsASecondForADeafPeer) {
  std::promise<void> over;
  StreamPeer peer([&](ServedConnection&) { over.get_future().wait(); });
  Heard heard;
  Flow flow = open_to(peer, heard);
  while (!flow.blocked()) {
    flow.send(pattern(10'000), 1000);
    run_what_is_ready();
  }
  const TimePoint begin = now();
  flow.close();
  run_until([&] { return heard.over(); });
  EXPECT_TRUE(heard.closed);
  EXPECT_GE(now() - begin, std::chrono::milliseconds(990));
  EXPECT_LT(now() - begin, std::chrono::seconds(5));
  over.set_value();
}

TEST_F(FlowOverTcp, DestructionClosesAtOnceAndSaysNothing) {
  std::promise<void> over;
  StreamPeer peer([&](ServedConnection& connection) {
    (void)connection.read_to_end();
    over.set_value();
  });
  Heard heard;
  {
    Flow flow = open_to(peer, heard);
    flow.send(pattern(10'000), 1000);
  }
  over.get_future().wait();
  run_what_is_ready();
  EXPECT_FALSE(heard.over());
}

TEST_F(FlowOverTcp, AnotherTakesItsPlaceAndTheOldOneIsGone) {
  StreamPeer peer([](ServedConnection& connection) { connection.echo_to_end(); }, 2);
  Heard old;
  Heard fresh;
  Flow flow = open_to(peer, old);
  flow = open({Transport::Tcp, peer.address(), ""}, fresh);
  run_until([&] { return fresh.opened.has_value(); });
  flow.send(pattern(10), 10);
  run_until([&] { return fresh.bytes.size() == 10; });
  EXPECT_FALSE(old.over());
  EXPECT_NE(old.opened->port, fresh.opened->port);
}

TEST_F(FlowOverTcp, MayBeDestroyedWithinEachOfItsCallbacks) {
  StreamPeer peer([](ServedConnection& connection) { connection.write(pattern(10)); }, 3);
  for (const int within : {0, 1, 2}) {
    Heard heard;
    std::optional<Flow> flow;
    Flow::Callbacks callbacks = write_down(heard);
    if (within == 0) callbacks.opened = [&](const Address&) { flow.reset(); };
    if (within == 1) callbacks.received = [&](std::span<const ByteView>) { flow.reset(); };
    if (within == 2) callbacks.failed = [&](const std::string&) { flow.reset(); };
    flow.emplace(Flow::open(strand_, {Transport::Tcp, peer.address(), ""}, {}, std::move(callbacks)));
    run_until([&] { return !flow; });
    run_what_is_ready();
    EXPECT_FALSE(heard.over());
  }
}

TEST_F(FlowOverTcp, ManyLiveAndDieOnManyThreadsWithoutHarm) {
  constexpr int kFlows = 64;
  StreamPeer peer([](ServedConnection& connection) { connection.echo_to_end(); }, kFlows);
  Runtime runtime(3);
  std::atomic<int> over = 0;
  std::promise<void> all_over;
  for (int i = 0; i < kFlows; ++i) {
    const Strand strand = runtime.make_strand();
    boost::asio::post(strand, [&, strand, i] {
      const auto flow = std::make_shared<std::optional<Flow>>();
      const auto end = [&, flow] {
        flow->reset();
        if (++over == kFlows) all_over.set_value();
      };
      // Some die within `opened`, some when they heard something, and the others of close().
      flow->emplace(Flow::open(strand, {Transport::Tcp, peer.address(), ""}, {},
                               {.opened =
                                    [=](const Address&) {
                                      if (i % 3 == 0) return end();
                                      (*flow)->send(pattern(10'000), 1000);
                                    },
                                .failed = [=](const std::string&) { end(); },
                                .received =
                                    [=](std::span<const ByteView>) {
                                      if (i % 3 == 1) return end();
                                      (*flow)->close();
                                    },
                                .writable = [] {},
                                .closed = end}));
    });
  }
  EXPECT_EQ(all_over.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(runtime.stray_exceptions(), 0U);
  runtime.stop();
}

}  // namespace
}  // namespace isotube::runtime
