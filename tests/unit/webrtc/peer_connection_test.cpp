#include "webrtc/peer_connection.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <stdexcept>

namespace isotube::webrtc {
namespace {

namespace asio = boost::asio;
using peer::State;

/// One end: keeps what it is told, and does what a test says in its callbacks.
class End : public PeerConnection::Handler, public std::enable_shared_from_this<End> {
 public:
  explicit End(const runtime::Strand& strand, peer::Settings settings = {})
      : connection(PeerConnection::create(strand, std::move(settings), Random(runtime::system_seed()))) {}

  void handle_event(TimePoint now, peer::Event event) override {
    if (const auto* changed = std::get_if<peer::StateChanged>(&event)) state = changed->state;
    if (const auto* selected = std::get_if<peer::PathSelected>(&event)) path = selected->path;
    if (const auto* end = std::get_if<peer::Closed>(&event)) closed = *end;
    if (const auto* opened = std::get_if<datachannel::OpenedByPeer>(&event)) channel = opened->channel;
    if (const auto* opened = std::get_if<datachannel::Opened>(&event)) channel = opened->channel;
    if (auto* message = std::get_if<datachannel::Message>(&event)) {
      received.insert(received.end(), message->payload.view().begin(), message->payload.view().end());
    }
    if (on_event) on_event(now, event);
  }
  void handle_turn(TimePoint now) override {
    if (on_turn) on_turn(now);
  }
  [[nodiscard]] TimePoint next_timeout() const override { return wanted; }
  void handle_stopped() override { ++stopped; }
  void handle_failure(std::exception_ptr failure) noexcept override {
    ++failures;
    last_failure = failure;
  }

  std::shared_ptr<PeerConnection> connection;
  std::function<void(TimePoint, const peer::Event&)> on_event;
  std::function<void(TimePoint)> on_turn;
  State state = State::New;
  std::optional<Path> path;
  std::optional<peer::Closed> closed;
  std::optional<datachannel::ChannelId> channel;
  Bytes received;
  TimePoint wanted = kNever;
  int stopped = 0;
  int failures = 0;
  std::exception_ptr last_failure;
};

class PeerConnectionTest : public testing::Test {
 protected:
  std::shared_ptr<End> make_end(peer::Settings settings = {}) {
    auto end = std::make_shared<End>(asio::make_strand(context_.get_executor()), std::move(settings));
    end->connection->set_handler(end);
    return end;
  }

  void connect(End& offerer, End& answerer, const Network& network = {.interfaces = {"lo"}}) {
    sdp::Description offer;
    sdp::Description answer;
    offerer.connection->turn([&](TimePoint now) {
      ASSERT_TRUE(offerer.connection->gather(now, network));
      offer = offerer.connection->peer().create_offer(now);
    });
    answerer.connection->turn([&](TimePoint now) {
      ASSERT_TRUE(answerer.connection->gather(now, network));
      answer = answerer.connection->peer().accept_offer(now, offer).value();
    });
    offerer.connection->turn([&](TimePoint now) { ASSERT_TRUE(offerer.connection->peer().set_answer(now, answer)); });
  }

  void open_channel(End& end, End& other) {
    end.connection->turn([&](TimePoint now) {
      ASSERT_TRUE(end.connection->peer().open_channel(now, {.label = "x", .protocol = "test"}));
    });
    run_until([&] { return end.channel && other.channel; });
  }

  template <typename Condition>
  void run_until(Condition done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done() && std::chrono::steady_clock::now() < limit) context_.run_one_for(std::chrono::seconds(1));
    ASSERT_TRUE(done());
  }

  static std::size_t descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
};

TEST_F(PeerConnectionTest, TwoEndsConnectOverRealSockets) {
  const auto a = make_end();
  const auto b = make_end();
  connect(*a, *b);
  run_until([&] { return a->state == State::Connected && b->state == State::Connected; });
  ASSERT_TRUE(a->path.has_value());
  EXPECT_TRUE(a->path->remote.ip.is_loopback());
}

TEST_F(PeerConnectionTest, MoreThanTheirSocketsHoldArrivesWholeAndInOrder) {
  const auto a = make_end();
  const auto b = make_end();
  connect(*a, *b);
  run_until([&] { return a->state == State::Connected && b->state == State::Connected; });
  open_channel(*a, *b);
  constexpr std::size_t kTotal = std::size_t{16} << 20;
  constexpr std::size_t kMessage = 60'000;
  std::size_t sent = 0;
  a->on_turn = [&](TimePoint now) {
    peer::Peer& peer = a->connection->peer();
    while (sent < kTotal && peer.buffered_amount(*a->channel) < (std::size_t{1} << 20)) {
      Buffer message = a->connection->pool().acquire(0, kMessage);
      for (std::byte& each : message.append(kMessage)) each = static_cast<std::byte>(sent++ % 251);
      ASSERT_TRUE(peer.send(now, *a->channel, datachannel::MessageKind::Binary, std::move(message)));
    }
  };
  a->connection->turn([](TimePoint) {});
  run_until([&] { return sent >= kTotal && b->received.size() == sent; });
  for (std::size_t i = 0; i < b->received.size(); ++i) {
    ASSERT_EQ(b->received[i], static_cast<std::byte>(i % 251)) << "byte " << i;
  }
}

TEST_F(PeerConnectionTest, AClosedEndTellsTheOtherAndLeavesNoDescriptor) {
  const auto a = make_end();
  const auto b = make_end();
  const std::size_t before = descriptors();
  connect(*a, *b);
  run_until([&] { return a->state == State::Connected && b->state == State::Connected; });
  EXPECT_GT(descriptors(), before);
  a->connection->turn([&](TimePoint now) { a->connection->peer().close(now); });
  run_until([&] { return a->stopped == 1 && b->stopped == 1; });
  EXPECT_EQ(a->closed->reason, peer::CloseReason::Local);
  EXPECT_EQ(b->closed->reason, peer::CloseReason::Remote);
  EXPECT_EQ(descriptors(), before);
}

TEST_F(PeerConnectionTest, AHandlerMayLetGoOfEverythingInItsOwnCallback) {
  auto a = make_end();
  const auto b = make_end();
  connect(*a, *b);
  const std::weak_ptr<PeerConnection> watch = a->connection;
  a->on_event = [&](TimePoint, const peer::Event& event) {
    const auto* changed = std::get_if<peer::StateChanged>(&event);
    if (changed != nullptr && changed->state == State::Connected) a.reset();
  };
  run_until([&] { return watch.expired(); });
}

TEST_F(PeerConnectionTest, StoppedInACallbackItDoesNoMore) {
  const auto a = make_end();
  const auto b = make_end();
  connect(*a, *b);
  a->on_event = [&](TimePoint, const peer::Event& event) {
    EXPECT_FALSE(a->connection->stopped()) << "an event after stop()";
    if (std::holds_alternative<peer::PathSelected>(event)) a->connection->stop();
  };
  run_until([&] { return a->connection->stopped(); });
  EXPECT_EQ(a->stopped, 0);
}

TEST_F(PeerConnectionTest, WhatAHandlerThrowsComesBackToItAlone) {
  const auto a = make_end();
  const auto b = make_end();
  connect(*a, *b);
  a->on_event = [&](TimePoint, const peer::Event& event) {
    if (std::holds_alternative<peer::PathSelected>(event)) throw std::runtime_error("the handler's own fault");
  };
  run_until([&] { return a->failures > 0; });
  EXPECT_THROW(std::rethrow_exception(a->last_failure), std::runtime_error);
  EXPECT_EQ(b->failures, 0);
}

TEST_F(PeerConnectionTest, ItsHandlersDeadlineIsServedByTheSameTimer) {
  const auto a = make_end();
  const TimePoint due = runtime::now() + std::chrono::milliseconds(30);
  a->wanted = due;
  bool served = false;
  a->on_turn = [&](TimePoint now) {
    if (now < due) return;
    served = true;
    a->wanted = kNever;
  };
  a->connection->turn([](TimePoint) {});
  run_until([&] { return served; });
}

TEST_F(PeerConnectionTest, WithoutAFreePortThereIsNoSocket) {
  Random random(runtime::system_seed());
  const runtime::Strand strand = asio::make_strand(context_.get_executor());
  const auto v4 = runtime::UdpSocket::open(strand, runtime::Family::V4, std::nullopt, random);
  ASSERT_TRUE(v4.has_value());
  const runtime::PortRange one{v4->port(), v4->port()};
  const auto v6 = runtime::UdpSocket::open(strand, runtime::Family::V6, one, random);
  const auto a = make_end();
  std::expected<void, GatherError> gathered;
  a->connection->turn(
      [&](TimePoint now) { gathered = a->connection->gather(now, {.interfaces = {"lo"}, .udp_ports = one}); });
  ASSERT_FALSE(gathered.has_value());
  EXPECT_EQ(gathered.error(), GatherError::NoSocket);
}

TEST_F(PeerConnectionTest, APublicAddressBecomesACandidate) {
  const auto a = make_end();
  sdp::Description offer;
  a->connection->turn([&](TimePoint now) {
    ASSERT_TRUE(
        a->connection->gather(now, {.interfaces = {"lo"}, .public_addresses = {*IpAddress::parse("203.0.113.7")}}));
    offer = a->connection->peer().create_offer(now);
  });
  const auto is_public = [](const ice::Candidate& each) {
    return each.type == ice::CandidateType::ServerReflexive && each.address.ip == *IpAddress::parse("203.0.113.7");
  };
  EXPECT_EQ(std::ranges::count_if(offer.candidates, is_public), 1);
}

}  // namespace
}  // namespace isotube::webrtc
