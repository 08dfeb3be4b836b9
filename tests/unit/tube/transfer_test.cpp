// Bytes through a tube: whole, in order, both ways, and their ends.
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "unit/tube/world.hpp"

namespace isotube::tube {
namespace {

TEST(TubeTransfer, FiftyMegabytesComeBackFromAnEchoUnchanged) {
  runtime::Runtime runtime(2);
  TestServer echo(serve_echo);
  World world(runtime);
  world.connect();
  TestSocket socket = world.open(echo.port());
  const Bytes sent = make_pattern(std::size_t{50} << 20, 1);
  std::jthread writer([&] {
    EXPECT_TRUE(socket.write(sent));
    socket.shutdown_send();
  });
  EXPECT_EQ(socket.hash_all(), sha256(sent));
  EXPECT_EQ(socket.hashed(), sent.size());
  EXPECT_EQ(socket.end(), StreamEnd::EndOfFile);
  const auto records = world.gateway_saw.wait_for_records(1);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].reason, CloseReason::Normal);
  EXPECT_EQ(records[0].bytes_up, sent.size());
  EXPECT_EQ(records[0].bytes_down, sent.size());
  EXPECT_EQ(records[0].target, "127.0.0.1:" + std::to_string(echo.port()));
  EXPECT_EQ(world.client_saw.wait_for_records(1)[0].bytes_up, sent.size());
  world.close_both();
}

TEST(TubeTransfer, TheClientMayEndItsSideFirst) {
  runtime::Runtime runtime(2);
  // Answers only once it has read everything: an HTTP/1.0 server, or `tar | nc`.
  TestServer server([](TestSocket socket) {
    const Bytes all = socket.read_all();
    EXPECT_EQ(socket.end(), StreamEnd::EndOfFile);
    EXPECT_TRUE(socket.write(as_byte_view(std::to_string(all.size()))));
  });
  World world(runtime);
  world.connect();
  TestSocket socket = world.open(server.port());
  EXPECT_TRUE(socket.write(make_pattern(300'000, 2)));
  socket.shutdown_send();
  EXPECT_EQ(as_text(socket.read_all()), "300000");
  EXPECT_EQ(socket.end(), StreamEnd::EndOfFile);
  EXPECT_EQ(world.client_saw.wait_for_records(1)[0].reason, CloseReason::Normal);
  world.close_both();
}

TEST(TubeTransfer, TheTargetMayEndItsSideFirst) {
  runtime::Runtime runtime(2);
  std::string got;
  std::latch served(1);
  TestServer server([&](TestSocket socket) {
    EXPECT_TRUE(socket.write(as_byte_view("220 ready")));
    socket.shutdown_send();
    got = as_text(socket.read_all());
    served.count_down();
  });
  World world(runtime);
  world.connect();
  TestSocket socket = world.open(server.port());
  EXPECT_EQ(as_text(socket.read_all()), "220 ready");
  EXPECT_EQ(socket.end(), StreamEnd::EndOfFile);
  EXPECT_TRUE(socket.write(as_byte_view("and yet I speak")));
  socket.shutdown_send();
  served.wait();
  EXPECT_EQ(got, "and yet I speak");
  EXPECT_EQ(world.gateway_saw.wait_for_records(1)[0].reason, CloseReason::Normal);
  world.close_both();
}

TEST(TubeTransfer, SingleBytesGoBackAndForth) {
  runtime::Runtime runtime(2);
  TestServer echo(serve_echo);
  World world(runtime);
  world.connect();
  TestSocket socket = world.open(echo.port());
  for (int i = 0; i < 200; ++i) {
    const Bytes one{static_cast<std::byte>(i)};
    ASSERT_TRUE(socket.write(one));
    ASSERT_EQ(socket.read(1), one);
  }
  world.close_both();
}

TEST(TubeTransfer, AHundredConnectionsAtOnceDoNotMixTheirBytes) {
  constexpr std::size_t kConnections = 100;
  runtime::Runtime runtime(2);
  TestServer echo(serve_echo);
  World world(runtime);
  world.connect();
  std::vector<TestSocket> sockets;
  for (std::size_t i = 0; i < kConnections; ++i) sockets.push_back(world.open(echo.port()));
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kConnections; ++i) {
    threads.emplace_back([&socket = sockets[i], i] {
      const Bytes sent = make_pattern(100'000 + i * 100, i);
      EXPECT_TRUE(socket.write(sent));
      socket.shutdown_send();
      EXPECT_EQ(socket.hash_all(), sha256(sent));
    });
  }
  threads.clear();
  for (const ConnectionRecord& record : world.gateway_saw.wait_for_records(kConnections)) {
    EXPECT_EQ(record.reason, CloseReason::Normal) << record.message;
  }
  EXPECT_EQ(world.gateway->snapshot().connections, 0U);
  world.close_both();
}

TEST(TubeTransfer, AReaderThatStopsHoldsUpOnlyItself) {
  runtime::Runtime runtime(2);
  TestServer echo(serve_echo);
  TestServer flood([](TestSocket socket) {
    const Bytes part = make_pattern(std::size_t{1} << 20, 3);
    while (socket.write(part)) continue;
  });
  World world(runtime);
  world.connect();
  // Never read: its bytes fill the credit and the sockets, and then it waits.
  TestSocket stuck = world.open(flood.port());
  EXPECT_EQ(stuck.read(1).size(), 1U);
  TestSocket other = world.open(echo.port());
  const Bytes sent = make_pattern(std::size_t{4} << 20, 4);
  std::jthread writer([&] {
    EXPECT_TRUE(other.write(sent));
    other.shutdown_send();
  });
  EXPECT_EQ(other.hash_all(), sha256(sent));
  writer.join();
  world.close_both();
  stuck.reset();
}

TEST(TubeTransfer, ConnectionsMadeBeforeTheTubeIsUpWaitForIt) {
  runtime::Runtime runtime(2);
  TestServer echo(serve_echo);
  World world(runtime);
  world.signal();
  TestSocket socket = world.open(echo.port());
  EXPECT_TRUE(socket.write(as_byte_view("early")));
  socket.shutdown_send();
  EXPECT_EQ(as_text(socket.read_all()), "early");
  world.close_both();
}

TEST(TubeTransfer, SnapshotsTellWhatMoved) {
  runtime::Runtime runtime(2);
  TestServer echo(serve_echo);
  World world(runtime);
  EXPECT_EQ(world.client->snapshot().state, State::New);
  world.connect();
  TestSocket socket = world.open(echo.port());
  EXPECT_TRUE(socket.write(make_pattern(5000, 5)));
  EXPECT_EQ(socket.read(5000).size(), 5000U);
  EXPECT_EQ(world.client->snapshot().connections, 1U);
  socket.shutdown_send();
  EXPECT_TRUE(socket.read_all().empty());
  (void)world.client_saw.wait_for_records(1);
  const Snapshot snapshot = world.client->snapshot();
  EXPECT_EQ(snapshot.state, State::Connected);
  EXPECT_EQ(snapshot.bytes_up, 5000U);
  EXPECT_EQ(snapshot.bytes_down, 5000U);
  EXPECT_EQ(snapshot.path_local, ice::CandidateType::Host);
  EXPECT_TRUE(snapshot.round_trip.has_value());
  world.close_both();
  EXPECT_EQ(world.client->snapshot().state, State::Closed);
}

}  // namespace
}  // namespace isotube::tube
