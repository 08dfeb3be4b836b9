#include "runtime/socket_address.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace isotube::runtime {

SocketAddress to_socket_address(const Address& address) {
  SocketAddress result;
  const auto octets = address.ip.octets();
  if (address.ip.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, octets.data(), octets.size());
    std::memcpy(&result.storage, &v4, sizeof v4);
    result.length = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
    std::memcpy(&result.storage, &v6, sizeof v6);
    result.length = sizeof v6;
  }
  return result;
}

IpAddress from_kernel(const in_addr& address) {
  std::array<std::uint8_t, 4> octets;
  std::memcpy(octets.data(), &address, octets.size());
  return IpAddress::v4(octets);
}

IpAddress from_kernel(const in6_addr& address) {
  std::array<std::uint8_t, 16> octets;
  std::memcpy(octets.data(), &address, octets.size());
  return IpAddress::v6(octets);
}

std::optional<Address> from_socket_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    return Address{from_kernel(v4.sin_addr), ntohs(v4.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    return Address{from_kernel(v6.sin6_addr), ntohs(v6.sin6_port)};
  }
  return std::nullopt;
}

boost::asio::ip::tcp::endpoint to_tcp_endpoint(const Address& address) {
  const auto octets = address.ip.octets();
  if (address.ip.is_v4()) {
    boost::asio::ip::address_v4::bytes_type bytes;
    std::ranges::copy(octets, bytes.begin());
    return {boost::asio::ip::address_v4(bytes), address.port};
  }
  boost::asio::ip::address_v6::bytes_type bytes;
  std::ranges::copy(octets, bytes.begin());
  return {boost::asio::ip::address_v6(bytes), address.port};
}

}  // namespace isotube::runtime
