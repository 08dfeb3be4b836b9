#include "client/connect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <future>
#include <mutex>

#include "fake_gateway.hpp"
#include "gateway/gateway.hpp"
#include "runtime/socket_address.hpp"

namespace isotube::client {
namespace {

using ::testing::HasSubstr;
using tcp = boost::asio::ip::tcp;
using Kind = Report::Kind;

/// What may take milliseconds may take this long on a busy machine.
/// Longer than consent takes to expire (30 s, RFC 7675): a gateway that dies without a farewell is found out by that.
constexpr std::chrono::seconds kPatience{60};

/// Keeps what was reported, and lets a test wait for it.
class Reports {
 public:
  void add(const Report& report) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(report);
    changed_.notify_all();
  }

  /// The text of the `number`-th report of this kind, from 1.
  std::string wait_for(Kind kind, int number = 1) {
    std::unique_lock lock(mutex_);
    std::string text;
    const bool found = changed_.wait_for(lock, kPatience, [&] {
      int seen = 0;
      for (const Report& report : reports_) {
        if (report.kind == kind && ++seen == number) {
          text = report.text;
          return true;
        }
      }
      return false;
    });
    EXPECT_TRUE(found) << "no such report";
    return text;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Report> reports_;
};

class ConnectLoop : public ::testing::Test {
 protected:
  ~ConnectLoop() override {
    if (connect_ && running_.valid()) {
      connect_->stop();
      running_.wait();
    }
  }

  ConnectConfig config_for(const GatewayUrl& url, const std::string& target = "127.0.0.1:9") {
    ConnectConfig config;
    config.gateway.url = url;
    config.gateway.time_limit = kPatience;
    config.forwards.push_back(Forward::parse("127.0.0.1:0:" + target).value());
    return config;
  }

  void start(ConnectConfig config) {
    connect_ =
        Connect::create(runtime_, std::move(config), [this](const Report& report) { reports_.add(report); }).value();
    running_ = boost::asio::co_spawn(runtime_.context(), connect_->run(), boost::asio::use_future);
  }

  /// How run() ended. Nothing if it did not.
  std::optional<std::expected<void, std::string>> outcome() {
    if (running_.wait_for(kPatience) != std::future_status::ready) return std::nullopt;
    return running_.get();
  }

  tcp::socket dial() {
    tcp::socket socket(io_);
    socket.connect(runtime::to_tcp_endpoint(connect_->listening().front()));
    return socket;
  }

  boost::asio::io_context io_;
  Reports reports_;
  runtime::Runtime runtime_{2};
  std::unique_ptr<Connect> connect_;
  std::future<std::expected<void, std::string>> running_;
};

TEST_F(ConnectLoop, EndsWhenItsTokenIsRefused) {
  FakeGateway gateway([](const std::string&) { return "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"; });
  start(config_for(gateway.url()));
  const auto end = outcome();
  ASSERT_TRUE(end);
  ASSERT_FALSE(*end);
  EXPECT_THAT(end->error(), HasSubstr("(401)"));
}

TEST_F(ConnectLoop, GivesUpWhenItsRetriesAreUsedUp) {
  GatewayUrl url;
  {
    FakeGateway gone([](const std::string&) { return ""; });
    url = gone.url();
  }
  ConnectConfig config = config_for(url);
  config.retries = 1;
  start(std::move(config));
  const auto end = outcome();
  ASSERT_TRUE(end);
  ASSERT_FALSE(*end);
  EXPECT_THAT(end->error(), HasSubstr("gave up after 2 tries"));
  EXPECT_THAT(reports_.wait_for(Kind::Lost), HasSubstr("trying again in"));
}

TEST_F(ConnectLoop, StopsWhileTheGatewayIsSilent) {
  std::promise<void> asked;
  FakeGateway gateway([&asked](const std::string&) {
    asked.set_value();
    return "";
  });
  ConnectConfig config = config_for(gateway.url());
  config.gateway.time_limit = std::chrono::hours(1);
  start(std::move(config));
  asked.get_future().wait();
  connect_->stop();
  const auto end = outcome();
  ASSERT_TRUE(end);
  EXPECT_TRUE(*end);
}

TEST_F(ConnectLoop, ClosesAConnectionThatWaitedTooLongForATube) {
  FakeGateway gateway([](const std::string&) { return ""; });
  ConnectConfig config = config_for(gateway.url());
  config.wait_for_tube = std::chrono::milliseconds(50);
  start(std::move(config));
  tcp::socket socket = dial();
  std::array<char, 1> byte{};
  boost::system::error_code error;
  boost::asio::read(socket, boost::asio::buffer(byte), error);
  EXPECT_EQ(error, boost::asio::error::eof);
  EXPECT_THAT(reports_.wait_for(Kind::ConnectionEnded), HasSubstr("no tube within"));
}

/// A gateway for an echo server that serves one connection after another, both real.
class RealGateway {
 public:
  explicit RealGateway(std::uint16_t port = 0) {
    gateway::Config config;
    config.listen.port = port;
    config.allow = {"tcp:" + target()};
    auto log = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>());
    gateway_ = gateway::Gateway::create(runtime_, config, {log, log}).value();
    address_ = gateway_->start().value();
    echo_ = std::jthread([this] { serve(); });
  }

  ~RealGateway() {
    stopping_ = true;
    boost::system::error_code ignored;
    tcp::socket(io_).connect(acceptor_.local_endpoint(), ignored);
  }
  RealGateway(const RealGateway&) = delete;
  RealGateway& operator=(const RealGateway&) = delete;

  [[nodiscard]] std::string target() const {
    return runtime::from_socket_address(acceptor_.local_endpoint().data()).value().to_string();
  }
  [[nodiscard]] GatewayUrl url() const {
    return {.tls = false, .host = "127.0.0.1", .port = address_.port, .path = ""};
  }

 private:
  void serve() {
    while (!stopping_) {
      boost::system::error_code error;
      tcp::socket socket = acceptor_.accept(error);
      std::string text;
      while (!error) {
        std::array<char, 4096> part{};
        const std::size_t count = socket.read_some(boost::asio::buffer(part), error);
        if (!error) boost::asio::write(socket, boost::asio::buffer(part, count), error);
      }
    }
  }

  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  runtime::Runtime runtime_{2};
  std::unique_ptr<gateway::Gateway> gateway_;
  Address address_;
  std::atomic<bool> stopping_ = false;
  std::jthread echo_;
};

std::string echoed(tcp::socket socket, const std::string& text) {
  boost::system::error_code error;
  boost::asio::write(socket, boost::asio::buffer(text), error);
  socket.shutdown(tcp::socket::shutdown_send, error);
  std::string answer;
  boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
  return answer;
}

TEST_F(ConnectLoop, CarriesAConnectionThatCameBeforeTheTube) {
  const RealGateway gateway;
  start(config_for(gateway.url(), gateway.target()));
  EXPECT_EQ(echoed(dial(), "early"), "early");
  EXPECT_THAT(reports_.wait_for(Kind::Connected), HasSubstr("Connected to " + gateway.url().to_string() + " (tube "));
}

TEST_F(ConnectLoop, SaysThatTheGatewayIsLostAndComesBackToTheNextOne) {
  auto gateway = std::make_unique<RealGateway>();
  const GatewayUrl url = gateway->url();
  start(config_for(url, gateway->target()));
  reports_.wait_for(Kind::Connected);
  gateway.reset();
  EXPECT_THAT(reports_.wait_for(Kind::Lost), HasSubstr("Lost the gateway: "));
  const RealGateway again(url.port);
  EXPECT_THAT(reports_.wait_for(Kind::Connected, 2), HasSubstr("Connected to "));
}

TEST_F(ConnectLoop, ClosesItsTubeAtTheGatewayWhenItStops) {
  const RealGateway gateway;
  start(config_for(gateway.url(), gateway.target()));
  reports_.wait_for(Kind::Connected);
  connect_->stop();
  const auto end = outcome();
  ASSERT_TRUE(end);
  EXPECT_TRUE(*end);
  EXPECT_EQ(reports_.wait_for(Kind::Closed), "Closed " + gateway.url().to_string());
}

}  // namespace
}  // namespace isotube::client
