#include "runtime/udp_socket.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <numeric>

#include "unit/runtime/kernel.hpp"

namespace isotube::runtime {
namespace {

namespace asio = boost::asio;
using SendResult = UdpSocket::SendResult;

struct Received {
  Path path;
  Bytes bytes;
};

class UdpSocketTest : public testing::Test {
 protected:
  void SetUp() override { kernel::reset(); }
  void TearDown() override { kernel::reset(); }

  UdpSocket open(Family family = Family::V4, std::optional<PortRange> ports = {}) {
    auto socket = UdpSocket::open(strand_, family, ports, random_);
    EXPECT_TRUE(socket.has_value());
    return std::move(socket).value();
  }

  static Path path(const UdpSocket& from, const UdpSocket& to, const char* ip = "127.0.0.1") {
    return {{*IpAddress::parse(ip), from.port()}, {*IpAddress::parse(ip), to.port()}};
  }

  /// Reads until `count` datagrams came, or 10 s passed.
  std::vector<Received> receive(UdpSocket& socket, std::size_t count) {
    std::vector<Received> all;
    // Handlers may run after this call, in a later one's loop.
    const auto late = std::make_shared<bool>(false);
    asio::steady_timer limit(strand_, std::chrono::seconds(10));
    limit.async_wait([late](const boost::system::error_code& error) { *late = !error; });
    while (all.size() < count && !*late) {
      const auto ready = std::make_shared<bool>(false);
      socket.wait_readable([ready](const boost::system::error_code&) { *ready = true; });
      while (!*ready && !*late) context_.run_one();
      for (auto batch = socket.receive(1 << 20); !batch.empty(); batch = socket.receive(1 << 20)) {
        for (const Datagram& each : batch) all.push_back({each.path, to_bytes(each.bytes)});
      }
    }
    EXPECT_FALSE(*late) << "only " << all.size() << " of " << count << " datagrams came";
    return all;
  }

  static Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 251);
    return bytes;
  }

  /// Sends `bytes` in datagrams of `segment` and expects them to arrive as they were cut.
  void expect_transfer(UdpSocket& from, UdpSocket& to, const Bytes& bytes, std::size_t segment,
                       const char* ip = "127.0.0.1") {
    ASSERT_EQ(from.send(path(from, to, ip), bytes, segment), SendResult::Done);
    expect_arrival(to, bytes, segment);
  }

  void expect_arrival(UdpSocket& to, const Bytes& bytes, std::size_t segment) {
    const std::size_t count = (bytes.size() + segment - 1) / segment;
    const auto received = receive(to, count);
    ASSERT_EQ(received.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView expected = ByteView(bytes).subspan(i * segment, std::min(segment, bytes.size() - i * segment));
      EXPECT_TRUE(std::ranges::equal(received[i].bytes, expected)) << "datagram " << i;
    }
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
  Strand strand_ = asio::make_strand(context_.get_executor());
  Random random_{Random::Seed{}};
};

TEST_F(UdpSocketTest, ADatagramTellsBothEndsOfItsPath) {
  UdpSocket a = open();
  UdpSocket b = open();
  ASSERT_EQ(a.send(path(a, b), pattern(100), 100), SendResult::Done);
  const auto received = receive(b, 1);
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].path, path(b, a));
  EXPECT_EQ(received[0].bytes, pattern(100));
}

TEST_F(UdpSocketTest, ABatchArrivesCutAsItWasSent) {
  UdpSocket a = open();
  UdpSocket b = open();
  expect_transfer(a, b, pattern(54 * 1200), 1200);
}

TEST_F(UdpSocketTest, TheLastDatagramOfABatchMayBeShorter) {
  UdpSocket a = open();
  UdpSocket b = open();
  expect_transfer(a, b, pattern(10 * 1200 + 7), 1200);
}

TEST_F(UdpSocketTest, ABatchTakesOneSystemCall) {
  UdpSocket a = open();
  UdpSocket b = open();
  expect_transfer(a, b, pattern(50 * 1200), 1200);
  EXPECT_EQ(a.counters().send_calls, 1U);
}

TEST_F(UdpSocketTest, IsSentFromTheLocalAddressThatThePathNames) {
  UdpSocket a = open();
  UdpSocket b = open();
  const Path from_second{{*IpAddress::parse("127.0.0.2"), a.port()}, {*IpAddress::parse("127.0.0.1"), b.port()}};
  ASSERT_EQ(a.send(from_second, pattern(3000), 1000), SendResult::Done);
  const auto received = receive(b, 3);
  ASSERT_EQ(received.size(), 3U);
  for (const Received& each : received) EXPECT_EQ(each.path.remote, from_second.local);
}

TEST_F(UdpSocketTest, Ipv6CarriesBatchesToo) {
  UdpSocket a = open(Family::V6);
  UdpSocket b = open(Family::V6);
  expect_transfer(a, b, pattern(20 * 1200 + 1), 1200, "::1");
}

TEST_F(UdpSocketTest, FallsBackToSingleDatagramsWhereSegmentationIsRefusedAndRemembersIt) {
  for (const int error : {EIO, EINVAL}) {
    kernel::reset();
    UdpSocket a = open();
    UdpSocket b = open();
    kernel::script().refuse_segmented = error;
    expect_transfer(a, b, pattern(20 * 1200 + 5), 1200);
    kernel::script().refuse_segmented = 0;
    const std::uint64_t calls = a.counters().send_calls;
    expect_transfer(a, b, pattern(20 * 1200), 1200);
    EXPECT_EQ(a.counters().send_calls, calls + 1) << "one sendmmsg";
    EXPECT_EQ(a.counters().datagrams_dropped, 0U);
  }
}

TEST_F(UdpSocketTest, WhatAFullBufferRefusesIsKeptInOrderUntilItIsWritable) {
  UdpSocket a = open();
  UdpSocket b = open();
  kernel::script().refuse_segmented = EIO;
  kernel::script().full_after = 7;
  const Bytes bytes = pattern(20 * 1200 + 5);
  ASSERT_EQ(a.send(path(a, b), bytes, 1200), SendResult::Blocked);
  EXPECT_TRUE(a.blocked());
  kernel::script().full_after = 3;
  EXPECT_EQ(a.flush(), SendResult::Blocked);
  kernel::script().full_after = -1;
  bool writable = false;
  a.wait_writable([&](const boost::system::error_code& error) { writable = !error; });
  while (!writable) context_.run_one();
  EXPECT_EQ(a.flush(), SendResult::Done);
  EXPECT_FALSE(a.blocked());
  expect_arrival(b, bytes, 1200);
}

TEST_F(UdpSocketTest, ASegmentedBatchThatMeetsAFullBufferIsKeptWhole) {
  UdpSocket a = open();
  UdpSocket b = open();
  const Bytes bytes = pattern(30 * 1200);
  kernel::script().all_full = true;
  ASSERT_EQ(a.send(path(a, b), bytes, 1200), SendResult::Blocked);
  kernel::script().all_full = false;
  EXPECT_EQ(a.flush(), SendResult::Done);
  expect_arrival(b, bytes, 1200);
}

TEST_F(UdpSocketTest, APortWhereNobodyListensStopsNothing) {
  UdpSocket a = open();
  UdpSocket b = open();
  Path nowhere = path(a, b);
  {
    const UdpSocket gone = open();
    nowhere.remote.port = gone.port();
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(a.send(nowhere, pattern(2400), 1200), SendResult::Done);
  expect_transfer(a, b, pattern(2400), 1200);
  expect_transfer(b, a, pattern(2400), 1200);
}

TEST_F(UdpSocketTest, AnAddressThatCannotBeReachedIsADropAndCounted) {
  UdpSocket a = open();
  UdpSocket b = open();
  // Port 0 is refused by the kernel with EINVAL, as a segmentation that it can't do is.
  Path impossible = path(a, b);
  impossible.remote.port = 0;
  EXPECT_EQ(a.send(impossible, pattern(2400), 1200), SendResult::Done);
  EXPECT_EQ(a.counters().datagrams_dropped, 2U);
  expect_transfer(a, b, pattern(2400), 1200);
  const std::uint64_t calls = a.counters().send_calls;
  expect_transfer(a, b, pattern(2400), 1200);
  EXPECT_EQ(a.counters().send_calls, calls + 1) << "segmentation is still used";
}

TEST_F(UdpSocketTest, ARangeGivesPortsWithinIt) {
  UdpSocket seed = open();
  const auto low = static_cast<std::uint16_t>(std::min<int>(seed.port(), 65'000));
  const auto high = static_cast<std::uint16_t>(low + 200);
  for (int i = 0; i < 5; ++i) {
    const UdpSocket socket = open(Family::V4, PortRange{low, high});
    EXPECT_GE(socket.port(), low);
    EXPECT_LE(socket.port(), high);
  }
}

TEST_F(UdpSocketTest, ARangeThatIsUsedUpIsATypedError) {
  const UdpSocket taken = open();
  const auto second = UdpSocket::open(strand_, Family::V4, PortRange{taken.port(), taken.port()}, random_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error(), UdpSocket::OpenError::PortsExhausted);
}

TEST_F(UdpSocketTest, AWaitEndsWhenTheSocketDies) {
  boost::system::error_code got;
  {
    UdpSocket a = open();
    a.wait_readable([&](const boost::system::error_code& error) { got = error; });
  }
  context_.run_one();
  EXPECT_EQ(got, asio::error::operation_aborted);
}

}  // namespace
}  // namespace isotube::runtime
