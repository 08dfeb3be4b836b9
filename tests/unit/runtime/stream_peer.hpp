// A server of one TCP or TLS connection, in a thread of its own, that does what a test tells it to.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace isotube::runtime {

/// Blocking; everything gives up after 10 s.
class ServedConnection {
 public:
  explicit ServedConnection(int descriptor);
  ~ServedConnection();
  ServedConnection(const ServedConnection&) = delete;
  ServedConnection& operator=(const ServedConnection&) = delete;

  /// Whether the handshake was done.
  bool start_tls(SSL_CTX& context);
  /// As the client's SNI says; empty without.
  [[nodiscard]] std::string server_name() const;

  [[nodiscard]] Address client() const;
  bool write(ByteView bytes);
  /// What there is, `most` bytes at most; nothing at the end.
  [[nodiscard]] Bytes read_some(std::size_t most = 65'536);
  /// `count` bytes, or fewer at the end.
  [[nodiscard]] Bytes read(std::size_t count);
  [[nodiscard]] Bytes read_to_end();
  /// Whether the end was a farewell of TLS and not only that of the TCP connection.
  [[nodiscard]] bool heard_goodbye() const;
  void echo_to_end();
  void say_goodbye();
  /// The connection ends with a reset.
  void reset();

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  int descriptor_;
  std::unique_ptr<SSL, Free> ssl_;
};

class StreamPeer {
 public:
  using Script = std::function<void(ServedConnection&)>;

  /// Listens on loopback at once. `script` is run for `connections` connections, one after the other.
  explicit StreamPeer(Script script, int connections = 1);
  StreamPeer(SSL_CTX& context, Script script, int connections = 1);
  ~StreamPeer();
  StreamPeer(const StreamPeer&) = delete;
  StreamPeer& operator=(const StreamPeer&) = delete;

  [[nodiscard]] Address address() const { return address_; }
  /// Waits until the script is done.
  void join();

 private:
  void serve(const Script& script, int connections) const;

  int listener_ = -1;
  Address address_;
  std::jthread thread_;
};

}  // namespace isotube::runtime
