// Our addresses as the kernel and Asio have them, and back.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <optional>

#include "base/address.hpp"

namespace isotube::runtime {

/// An address in the form that socket calls take.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] sockaddr* pointer() { return reinterpret_cast<sockaddr*>(&storage); }
};

[[nodiscard]] SocketAddress to_socket_address(const Address& address);
/// Nothing for a family that is neither IPv4 nor IPv6. `address` must be as long as its family says.
[[nodiscard]] std::optional<Address> from_socket_address(const sockaddr* address);
[[nodiscard]] IpAddress from_kernel(const in_addr& address);
[[nodiscard]] IpAddress from_kernel(const in6_addr& address);

[[nodiscard]] boost::asio::ip::tcp::endpoint to_tcp_endpoint(const Address& address);

}  // namespace isotube::runtime
