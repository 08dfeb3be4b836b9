#include "unit/tube/sockets.hpp"

#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <boost/asio/write.hpp>
#include <memory>
#include <utility>

namespace isotube::tube {
namespace {

namespace asio = boost::asio;

/// Far over what anything here takes, even with sanitizers on a busy machine.
constexpr timeval kDeadline{.tv_sec = 60, .tv_usec = 0};

class Sha256 {
 public:
  Sha256() { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void update(ByteView bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  std::string finish() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return {digest.begin(), digest.end()};
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> context_{::EVP_MD_CTX_new(), &::EVP_MD_CTX_free};
};

}  // namespace

TestSocket::TestSocket(Tcp::socket socket) : socket_(std::move(socket)) {
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    (void)::setsockopt(socket_.native_handle(), SOL_SOCKET, option, &kDeadline, sizeof kDeadline);
  }
}

bool TestSocket::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

std::size_t TestSocket::read_some(MutableByteView out) {
  const ssize_t got = ::recv(socket_.native_handle(), out.data(), out.size(), 0);
  if (got > 0) return static_cast<std::size_t>(got);
  if (got == 0) {
    end_ = StreamEnd::EndOfFile;
  } else {
    end_ = errno == EAGAIN || errno == EWOULDBLOCK ? StreamEnd::Deadline : StreamEnd::Reset;
  }
  return 0;
}

Bytes TestSocket::read(std::size_t count) {
  Bytes bytes(count);
  std::size_t filled = 0;
  while (filled < count) {
    const std::size_t got = read_some(MutableByteView(bytes).subspan(filled));
    if (got == 0) break;
    filled += got;
  }
  bytes.resize(filled);
  return bytes;
}

Bytes TestSocket::read_all() {
  Bytes bytes;
  std::array<std::byte, 65'536> part;
  while (const std::size_t got = read_some(part))
    bytes.insert(bytes.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got));
  return bytes;
}

std::string TestSocket::hash_all() {
  Sha256 hash;
  Bytes part(std::size_t{1} << 20);
  while (const std::size_t got = read_some(part)) {
    hash.update(ByteView(part).first(got));
    hashed_ += got;
  }
  return hash.finish();
}

void TestSocket::shutdown_send() { ::shutdown(socket_.native_handle(), SHUT_WR); }

void TestSocket::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  boost::system::error_code ignored;
  socket_.close(ignored);
}

Bytes make_pattern(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (std::byte& each : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    each = static_cast<std::byte>(state >> 32);
  }
  return bytes;
}

std::string sha256(ByteView bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

TestServer::TestServer(Serve serve)
    : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}),
      port_(acceptor_.local_endpoint().port()),
      serve_(std::move(serve)),
      accepting_([this] { run(); }) {}

TestServer::~TestServer() {
  // Wakes the blocking accept.
  ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
  accepting_.join();
}

void TestServer::run() {
  for (;;) {
    boost::system::error_code error;
    Tcp::socket socket = acceptor_.accept(error);
    if (error) return;
    threads_.emplace_back([this, socket = std::move(socket)]() mutable { serve_(TestSocket(std::move(socket))); });
  }
}

void serve_echo(TestSocket socket) {
  Bytes part(std::size_t{256} << 10);
  for (;;) {
    const ssize_t got = ::recv(socket.socket().native_handle(), part.data(), part.size(), 0);
    if (got <= 0) break;
    if (!socket.write(ByteView(part).first(static_cast<std::size_t>(got)))) break;
  }
  socket.shutdown_send();
}

TcpPair::TcpPair(asio::io_context& for_tube, asio::io_context& for_test) : tube_end(for_tube), test_end(for_test) {
  Tcp::acceptor acceptor(for_test, {asio::ip::address_v4::loopback(), 0});
  test_end.connect(acceptor.local_endpoint());
  acceptor.accept(tube_end);
}

}  // namespace isotube::tube
