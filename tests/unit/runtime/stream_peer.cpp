#include "unit/runtime/stream_peer.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>

#include "runtime/socket_address.hpp"

namespace isotube::runtime {

ServedConnection::ServedConnection(int descriptor) : descriptor_(descriptor) {
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

ServedConnection::~ServedConnection() { ::close(descriptor_); }

bool ServedConnection::start_tls(SSL_CTX& context) {
  ssl_.reset(SSL_new(&context));
  SSL_set_fd(ssl_.get(), descriptor_);
  return SSL_accept(ssl_.get()) == 1;
}

std::string ServedConnection::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

Address ServedConnection::client() const {
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  ::getpeername(descriptor_, peer.pointer(), &peer.length);
  return from_socket_address(peer.pointer()).value_or(Address{});
}

bool ServedConnection::write(ByteView bytes) {
  while (!bytes.empty()) {
    const auto sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                           : ::sendto(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL, nullptr, 0);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

Bytes ServedConnection::read_some(std::size_t most) {
  Bytes bytes(most);
  const auto got =
      ssl_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(most)) : ::read(descriptor_, bytes.data(), most);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

Bytes ServedConnection::read(std::size_t count) {
  Bytes all;
  while (all.size() < count) {
    const Bytes piece = read_some(count - all.size());
    if (piece.empty()) break;
    all.insert(all.end(), piece.begin(), piece.end());
  }
  return all;
}

Bytes ServedConnection::read_to_end() {
  Bytes all;
  for (Bytes piece = read_some(); !piece.empty(); piece = read_some())
    all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

bool ServedConnection::heard_goodbye() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

void ServedConnection::echo_to_end() {
  for (Bytes piece = read_some(); !piece.empty(); piece = read_some()) {
    if (!write(piece)) return;
  }
}

void ServedConnection::say_goodbye() { SSL_shutdown(ssl_.get()); }

void ServedConnection::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

StreamPeer::StreamPeer(Script script, int connections) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // What a listener has its connections inherit; small, so that a client soon meets a reader that is slow.
  const int buffer = 16'384;
  ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  SocketAddress bound = to_socket_address({IpAddress::v4({127, 0, 0, 1}), 0});
  ::bind(listener_, bound.pointer(), bound.length);
  ::listen(listener_, 16);
  ::getsockname(listener_, bound.pointer(), &bound.length);
  address_ = from_socket_address(bound.pointer()).value_or(Address{});
  thread_ = std::jthread([this, script = std::move(script), connections] { serve(script, connections); });
}

StreamPeer::StreamPeer(SSL_CTX& context, Script script, int connections)
    : StreamPeer(
          [&context, script = std::move(script)](ServedConnection& connection) {
            if (connection.start_tls(context)) script(connection);
          },
          connections) {}

StreamPeer::~StreamPeer() {
  // Wakes the accept.
  ::shutdown(listener_, SHUT_RDWR);
  join();
  ::close(listener_);
}

void StreamPeer::join() {
  if (thread_.joinable()) thread_.join();
}

void StreamPeer::serve(const Script& script, int connections) const {
  // OpenSSL writes to sockets without a word against the signal.
  sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  for (int i = 0; i < connections; ++i) {
    const int accepted = ::accept(listener_, nullptr, nullptr);
    if (accepted < 0) return;
    ServedConnection connection(accepted);
    script(connection);
  }
}

}  // namespace isotube::runtime
