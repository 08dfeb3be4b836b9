// A gateway that answers what a test tells it to.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/gateway_url.hpp"

namespace isotube::client {

/// One request a connection; `answer` gets the request as text and gives the response as text. An empty response
/// leaves the client without one until the end.
class FakeGateway {
 public:
  explicit FakeGateway(std::function<std::string(const std::string&)> answer)
      : answer_(std::move(answer)),
        acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this] { serve(); }) {}

  ~FakeGateway() {
    stopping_ = true;
    // Wakes the accept.
    boost::asio::ip::tcp::socket socket(context_);
    boost::system::error_code ignored;
    socket.connect(acceptor_.local_endpoint(), ignored);
  }
  FakeGateway(const FakeGateway&) = delete;
  FakeGateway& operator=(const FakeGateway&) = delete;

  [[nodiscard]] GatewayUrl url() const {
    return {.tls = false, .host = "127.0.0.1", .port = acceptor_.local_endpoint().port(), .path = ""};
  }

  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (!stopping_) {
      boost::asio::ip::tcp::socket socket(context_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      if (error || stopping_) continue;
      const std::string request = read_request(socket);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const std::string response = answer_(request);
      if (response.empty()) {
        silent_.push_back(std::move(socket));
      } else {
        boost::asio::write(socket, boost::asio::buffer(response), error);
      }
    }
  }

  static std::string read_request(boost::asio::ip::tcp::socket& socket) {
    std::string text;
    boost::system::error_code error;
    boost::asio::read(socket, boost::asio::dynamic_buffer(text), boost::asio::transfer_exactly(1), error);
    constexpr char kTlsHandshake = 0x16;
    if (text.starts_with(kTlsHandshake)) return text;
    const std::size_t head = boost::asio::read_until(socket, boost::asio::dynamic_buffer(text), "\r\n\r\n", error);
    const std::size_t length_at = text.find("Content-Length: ");
    if (length_at == std::string::npos) return text;
    const std::size_t length = std::stoul(text.substr(length_at + 16));
    if (text.size() < head + length) {
      boost::asio::read(socket, boost::asio::dynamic_buffer(text),
                        boost::asio::transfer_exactly(head + length - text.size()), error);
    }
    return text;
  }

  std::function<std::string(const std::string&)> answer_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<boost::asio::ip::tcp::socket> silent_;
  std::jthread thread_;
};

}  // namespace isotube::client
