// Targets that can't be reached, may not be reached, or go away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <latch>
#include <stdexcept>
#include <thread>

#include "unit/tube/world.hpp"

namespace isotube::tube {
namespace {

using testing::HasSubstr;

/// A loopback port where nobody listens.
std::uint16_t dead_port() {
  boost::asio::io_context context;
  const Tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::loopback(), 0});
  return acceptor.local_endpoint().port();
}

class TubeTarget : public testing::Test {
 protected:
  /// Opens a connection that is to fail, and gives the records of both ends.
  std::pair<ConnectionRecord, ConnectionRecord> fail(World& world, const Target& target) {
    TestSocket socket = world.open(target);
    EXPECT_TRUE(socket.read_all().empty());
    // The client's application must not take a failure for an empty answer.
    EXPECT_EQ(socket.end(), StreamEnd::Reset);
    const auto client = world.client_saw.wait_for_records(1);
    const auto gateway = world.gateway_saw.wait_for_records(1);
    if (client.empty() || gateway.empty()) return {};
    return {client.front(), gateway.front()};
  }

  void expect_failure(World& world, const Target& target, CloseReason reason, const std::string& message) {
    const auto [client, gateway] = fail(world, target);
    EXPECT_EQ(client.reason, reason);
    EXPECT_THAT(client.message, HasSubstr(message));
    EXPECT_EQ(gateway.reason, reason);
    EXPECT_EQ(gateway.owner, "tester");
    EXPECT_EQ(gateway.target, target.to_string());
    // The tube itself is as good as before.
    TestServer echo(serve_echo);
    policy_->by_name = [](const Target&) { return true; };
    policy_->by_address = [](const Target&, const IpAddress&) { return true; };
    TestSocket socket = world.open(echo.port());
    EXPECT_TRUE(socket.write(as_byte_view("still here")));
    EXPECT_EQ(as_text(socket.read(10)), "still here");
    socket.shutdown_send();
    EXPECT_TRUE(socket.read_all().empty());
    world.close_both();
  }

  World::Options options() { return {.gateway = gateway_config(policy_)}; }

  runtime::Runtime runtime_{2};
  std::shared_ptr<TestPolicy> policy_ = std::make_shared<TestPolicy>();
};

TEST_F(TubeTarget, ThatRefusesIsConnectionFailed) {
  World world(runtime_, options());
  world.connect();
  expect_failure(world, {"127.0.0.1", dead_port()}, CloseReason::ConnectionFailed, "Connection refused");
}

TEST_F(TubeTarget, ThatIsNotAllowedByNameIsRefusedBeforeAnyLookup) {
  policy_->by_name = [](const Target& target) { return target.host != "unresolvable.onion"; };
  World world(runtime_, options());
  world.connect();
  expect_failure(world, {"unresolvable.onion", 80}, CloseReason::ServerRefuse, "not allowed by this gateway");
}

TEST_F(TubeTarget, ThatResolvesToWhatIsNotAllowedIsRefused) {
  policy_->by_address = [](const Target&, const IpAddress& address) { return !address.is_loopback(); };
  World world(runtime_, options());
  world.connect();
  expect_failure(world, {"localhost", dead_port()}, CloseReason::ServerRefuse, "not allowed by this gateway");
}

TEST_F(TubeTarget, WithoutAPolicyNothingIsConnectedTo) {
  World world(runtime_, {.gateway = gateway_config(nullptr)});
  world.connect();
  const auto [client, gateway] = [&] {
    TestSocket socket = world.open({"127.0.0.1", dead_port()});
    EXPECT_TRUE(socket.read_all().empty());
    return std::pair(world.client_saw.wait_for_records(1).front(), 0);
  }();
  EXPECT_EQ(client.reason, CloseReason::ServerRefuse);
  world.close_both();
}

TEST_F(TubeTarget, ThatDoesNotResolveIsAddressResolutionFailed) {
  // RFC 7686: such names are never asked for, so this needs no name server.
  World world(runtime_, options());
  world.connect();
  expect_failure(world, {"unresolvable.onion", 80}, CloseReason::AddressResolutionFailed, "does not resolve");
}

TEST_F(TubeTarget, ThatDoesNotAnswerIsATimeout) {
  // A listener whose queue is full drops SYNs.
  boost::asio::io_context context;
  Tcp::acceptor acceptor(context, Tcp::v4());
  acceptor.bind({boost::asio::ip::address_v4::loopback(), 0});
  acceptor.listen(0);
  std::vector<Tcp::socket> fillers;
  const Tcp::endpoint endpoint = acceptor.local_endpoint();
  for (int i = 0; i < 4; ++i) {
    fillers.emplace_back(context, Tcp::v4());
    fillers.back().non_blocking(true);
    // Asio's own connect() would wait.
    (void)::connect(fillers.back().native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
  }
  World::Options slow = options();
  slow.gateway.connect_timeout = std::chrono::milliseconds(300);
  World world(runtime_, std::move(slow));
  world.connect();
  expect_failure(world, {"127.0.0.1", acceptor.local_endpoint().port()}, CloseReason::Timeout,
                 "did not answer within 300 ms");
}

TEST_F(TubeTarget, ThatThePolicyThrowsAtFailsThatTubeAlone) {
  policy_->by_name = [](const Target&) -> bool { throw std::runtime_error("the policy's own fault"); };
  World world(runtime_, options());
  World other(runtime_, {.gateway = gateway_config()});
  world.connect();
  other.connect();
  TestSocket socket = world.open(1);
  const auto end = world.gateway_saw.wait_for_close();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason, CloseReason::Error);
  EXPECT_EQ(end->message, "the policy's own fault");
  EXPECT_EQ(world.client_saw.wait_for_close()->reason, CloseReason::Error);
  TestServer echo(serve_echo);
  TestSocket well = other.open(echo.port());
  EXPECT_TRUE(well.write(as_byte_view("unharmed")));
  EXPECT_EQ(as_text(well.read(8)), "unharmed");
  EXPECT_EQ(runtime_.stray_exceptions(), 0U);
  other.close_both();
}

TEST_F(TubeTarget, ThatDiesInMidTransferResetsTheClient) {
  TestServer server([](TestSocket socket) {
    EXPECT_TRUE(socket.write(make_pattern(10'000, 6)));
    EXPECT_EQ(socket.read(3), to_bytes(as_byte_view("die")));
    socket.reset();
  });
  World world(runtime_, options());
  world.connect();
  TestSocket socket = world.open(server.port());
  EXPECT_EQ(socket.read(10'000), make_pattern(10'000, 6));
  EXPECT_TRUE(socket.write(as_byte_view("die")));
  EXPECT_TRUE(socket.read_all().empty());
  EXPECT_EQ(socket.end(), StreamEnd::Reset);
  EXPECT_EQ(world.client_saw.wait_for_records(1)[0].reason, CloseReason::ConnectionLost);
  EXPECT_EQ(world.gateway_saw.wait_for_records(1)[0].reason, CloseReason::ConnectionLost);
  world.close_both();
}

TEST_F(TubeTarget, SeesAResetWhenTheClientDies) {
  std::latch served(1);
  StreamEnd end = StreamEnd::EndOfFile;
  TestServer server([&](TestSocket socket) {
    EXPECT_TRUE(socket.write(as_byte_view("hello")));
    (void)socket.read_all();
    end = socket.end();
    served.count_down();
  });
  World world(runtime_, options());
  world.connect();
  TestSocket socket = world.open(server.port());
  EXPECT_EQ(as_text(socket.read(5)), "hello");
  socket.reset();
  served.wait();
  EXPECT_EQ(end, StreamEnd::Reset);
  EXPECT_EQ(world.gateway_saw.wait_for_records(1)[0].reason, CloseReason::ConnectionLost);
  world.close_both();
}

TEST_F(TubeTarget, IsTheTubesOwnWhereOneIsFixed) {
  TestServer echo(serve_echo);
  World::Options fixed = options();
  fixed.client.fixed_target = Target{"127.0.0.1", echo.port()};
  fixed.gateway.fixed_target = fixed.client.fixed_target;
  World world(runtime_, std::move(fixed));
  world.connect();
  TestSocket socket = world.open_fixed();
  EXPECT_TRUE(socket.write(as_byte_view("fixed")));
  EXPECT_EQ(as_text(socket.read(5)), "fixed");
  socket.shutdown_send();
  EXPECT_TRUE(socket.read_all().empty());
  EXPECT_EQ(world.client_saw.wait_for_records(1)[0].target, "127.0.0.1:" + std::to_string(echo.port()));
  EXPECT_EQ(world.gateway->snapshot().fixed_target, "127.0.0.1:" + std::to_string(echo.port()));
  world.close_both();
}

TEST_F(TubeTarget, OverTheTubesBudgetIsRefused) {
  TestServer echo(serve_echo);
  World::Options small = options();
  small.gateway.max_connections = 2;
  World world(runtime_, std::move(small));
  world.connect();
  TestSocket first = world.open(echo.port());
  TestSocket second = world.open(echo.port());
  EXPECT_TRUE(second.write(as_byte_view("x")));
  EXPECT_EQ(second.read(1).size(), 1U);
  TestSocket third = world.open(echo.port());
  EXPECT_TRUE(third.read_all().empty());
  const ConnectionRecord record = world.client_saw.wait_for_records(1)[0];
  EXPECT_EQ(record.reason, CloseReason::Error);
  EXPECT_EQ(record.message, "tube budget");
  world.close_both();
}

}  // namespace
}  // namespace isotube::tube
