#include "sockets.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace isotube::interop {
namespace {

constexpr std::size_t kLargestDatagram = 65'536;
constexpr int kSocketBuffer = 4 << 20;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress socket_address_of(const Address& address) {
  SocketAddress result;
  const auto octets = address.ip.octets();
  if (address.ip.is_v6()) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    std::memcpy(&v6->sin6_addr, octets.data(), octets.size());
    result.length = sizeof(sockaddr_in6);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    std::memcpy(&v4->sin_addr, octets.data(), octets.size());
    result.length = sizeof(sockaddr_in);
  }
  return result;
}

IpAddress ip_of(const in_addr& raw) {
  std::array<std::uint8_t, 4> octets;
  std::memcpy(octets.data(), &raw, octets.size());
  return IpAddress::v4(octets);
}

IpAddress ip_of(const in6_addr& raw) {
  std::array<std::uint8_t, 16> octets;
  std::memcpy(octets.data(), &raw, octets.size());
  return IpAddress::v6(octets);
}

Address address_of(const sockaddr* raw) {
  if (raw->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(raw);
    return {ip_of(v6->sin6_addr), ntohs(v6->sin6_port)};
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(raw);
  return {ip_of(v4->sin_addr), ntohs(v4->sin_port)};
}

/// Where a datagram arrived, from what the kernel says beside it.
std::optional<IpAddress> destination_of(msghdr& message) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(control), sizeof(info));
      return ip_of(info.ipi_addr);
    }
    if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(control), sizeof(info));
      return ip_of(info.ipi6_addr);
    }
  }
  return std::nullopt;
}

template <typename Info>
void put_control(msghdr& message, int level, int type, const Info& info) {
  message.msg_controllen = CMSG_SPACE(sizeof(Info));
  cmsghdr* control = CMSG_FIRSTHDR(&message);
  control->cmsg_level = level;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(sizeof(Info));
  std::memcpy(CMSG_DATA(control), &info, sizeof(info));
}

/// Makes the datagram leave from `source`.
void put_source(msghdr& message, const IpAddress& source) {
  const auto octets = source.octets();
  if (source.is_v6()) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, octets.data(), octets.size());
    put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, octets.data(), octets.size());
    put_control(message, IPPROTO_IP, IP_PKTINFO, info);
  }
}

}  // namespace

Sockets::Sockets() : buffer_(kLargestDatagram) {
  open(false);
  open(true);
  if (sockets_.empty()) throw std::runtime_error("no UDP socket can be opened");
}

Sockets::~Sockets() {
  for (const Socket& socket : sockets_) close(socket.descriptor);
}

void Sockets::open(bool v6) {
  const int descriptor = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  const int on = 1;
  if (v6) setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  setsockopt(descriptor, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on));
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof(kSocketBuffer));
  SocketAddress any = socket_address_of({v6 ? IpAddress::v6({}) : IpAddress(), 0});
  if (bind(descriptor, any.get(), any.length) != 0 || getsockname(descriptor, any.get(), &any.length) != 0) {
    close(descriptor);
    return;
  }
  sockets_.push_back({descriptor, v6, address_of(any.get()).port});
}

std::vector<Address> Sockets::local_addresses() const {
  std::vector<Address> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_UP) == 0) continue;
    const int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const IpAddress ip = address_of(each->ifa_addr).ip;
    // A link-local address needs a zone, which a candidate has no place for.
    if (ip.is_v6() && ip.is_link_local()) continue;
    for (const Socket& socket : sockets_) {
      if (socket.v6 == ip.is_v6()) addresses.push_back({ip, socket.port});
    }
  }
  freeifaddrs(list);
  return addresses;
}

std::vector<int> Sockets::descriptors() const {
  std::vector<int> all;
  for (const Socket& socket : sockets_) all.push_back(socket.descriptor);
  return all;
}

std::optional<Received> Sockets::receive() {
  for (const Socket& socket : sockets_) {
    if (auto received = receive_on(socket)) return received;
  }
  return std::nullopt;
}

std::optional<Received> Sockets::receive_on(const Socket& socket) {
  SocketAddress source;
  alignas(cmsghdr) std::array<char, 256> control{};
  iovec slice{buffer_.data(), buffer_.size()};
  msghdr message{};
  message.msg_name = source.get();
  message.msg_namelen = sizeof(source.storage);
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t length = recvmsg(socket.descriptor, &message, 0);
  if (length < 0) return std::nullopt;
  const auto destination = destination_of(message);
  if (!destination) return std::nullopt;
  return Received{{{*destination, socket.port}, address_of(source.get())},
                  ByteView(buffer_).first(static_cast<std::size_t>(length))};
}

void Sockets::send(const Path& path, ByteView datagram) {
  SocketAddress target = socket_address_of(path.remote);
  alignas(cmsghdr) std::array<char, 256> control{};
  iovec slice{const_cast<std::byte*>(datagram.data()), datagram.size()};
  msghdr message{};
  message.msg_name = target.get();
  message.msg_namelen = target.length;
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  put_source(message, path.local.ip);
  for (const Socket& socket : sockets_) {
    if (socket.v6 == path.remote.ip.is_v6()) (void)sendmsg(socket.descriptor, &message, MSG_NOSIGNAL);
  }
}

}  // namespace isotube::interop
