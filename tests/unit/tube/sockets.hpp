// Plain blocking TCP for the ends of a tube: targets that serve, and clients that talk through it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.hpp"

namespace isotube::tube {

using Tcp = boost::asio::ip::tcp;

/// How a stream ended, for whoever read it to its end.
enum class StreamEnd { EndOfFile, Reset, Deadline };

/// A blocking socket with deadlines, so that a bug shows as a failure and not as a hang.
class TestSocket {
 public:
  explicit TestSocket(Tcp::socket socket);

  bool write(ByteView bytes);
  /// Up to `count` bytes; fewer if the stream ends first.
  Bytes read(std::size_t count);
  /// Everything until the end; `end` says which.
  Bytes read_all();
  [[nodiscard]] StreamEnd end() const { return end_; }
  /// Counts and hashes (SHA-256) to the end of the stream without keeping it.
  std::string hash_all();
  [[nodiscard]] std::size_t hashed() const { return hashed_; }
  void shutdown_send();
  void reset();
  Tcp::socket& socket() { return socket_; }

 private:
  std::size_t read_some(MutableByteView out);

  Tcp::socket socket_;
  StreamEnd end_ = StreamEnd::EndOfFile;
  std::size_t hashed_ = 0;
};

/// `size` bytes that repeat nowhere soon.
Bytes make_pattern(std::size_t size, std::uint64_t seed);
std::string sha256(ByteView bytes);

/// A listener on a free loopback port; each connection is served by a thread of its own.
class TestServer {
 public:
  using Serve = std::function<void(TestSocket)>;
  explicit TestServer(Serve serve);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void run();

  boost::asio::io_context context_;
  Tcp::acceptor acceptor_;
  std::uint16_t port_;
  Serve serve_;
  std::vector<std::jthread> threads_;
  std::jthread accepting_;
};

/// Sends back what comes, and its end.
void serve_echo(TestSocket socket);

/// Two ends of one TCP connection on loopback: one for the tube, one for the test.
struct TcpPair {
  TcpPair(boost::asio::io_context& for_tube, boost::asio::io_context& for_test);
  Tcp::socket tube_end;
  Tcp::socket test_end;
};

}  // namespace isotube::tube
