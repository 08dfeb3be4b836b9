// One UDP socket per family on a free port, which says of each datagram at which address it arrived.
#pragma once

#include <optional>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace isotube::interop {

struct Received {
  Path path;
  ByteView datagram;
};

class Sockets {
 public:
  /// Opens what the machine has; throws std::runtime_error if it has neither IPv4 nor IPv6.
  Sockets();
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  /// Every address of this machine under which a peer may reach us, loopback included.
  [[nodiscard]] std::vector<Address> local_addresses() const;
  /// For poll(2).
  [[nodiscard]] std::vector<int> descriptors() const;
  /// The next datagram that waits, if one does; its bytes are valid until the next call.
  [[nodiscard]] std::optional<Received> receive();
  /// What the kernel does not take is lost, as on any network.
  void send(const Path& path, ByteView datagram);

 private:
  struct Socket {
    int descriptor;
    bool v6;
    std::uint16_t port;
  };

  void open(bool v6);
  [[nodiscard]] std::optional<Received> receive_on(const Socket& socket);

  std::vector<Socket> sockets_;
  Bytes buffer_;
};

}  // namespace isotube::interop
