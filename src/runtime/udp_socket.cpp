#include "runtime/udp_socket.hpp"

#include <netinet/udp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "runtime/socket_address.hpp"

namespace isotube::runtime {
namespace {

namespace asio = boost::asio;
using OpenError = UdpSocket::OpenError;

/// 4 MiB is the receive window of a tube: a whole flight fits while its worker is busy elsewhere.
constexpr int kSocketBuffer = 4 << 20;

OpenError open_error(int error) {
  switch (error) {
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EADDRNOTAVAIL:
      return OpenError::FamilyUnavailable;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return OpenError::NoDescriptor;
    case EADDRINUSE:
      return OpenError::PortsExhausted;
    default:
      return OpenError::Refused;
  }
}

int bind_to(int descriptor, Family family, std::uint16_t port) {
  const IpAddress any = family == Family::V4 ? IpAddress() : IpAddress::v6({});
  SocketAddress address = to_socket_address(Address{any, port});
  return ::bind(descriptor, address.pointer(), address.length) == 0 ? 0 : errno;
}

/// 0, or the errno of the attempt that ended the search.
int bind_within(int descriptor, Family family, std::optional<PortRange> ports, Random& random) {
  if (!ports || ports->high < ports->low) return bind_to(descriptor, family, 0);
  const std::uint32_t count = std::uint32_t{ports->high} - ports->low + 1U;
  const auto start = static_cast<std::uint32_t>(random.below(count));
  int error = EADDRINUSE;
  for (std::uint32_t i = 0; i < count && error == EADDRINUSE; ++i) {
    error = bind_to(descriptor, family, static_cast<std::uint16_t>(ports->low + (start + i) % count));
  }
  return error;
}

std::optional<Address> local_address(int descriptor) {
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (::getsockname(descriptor, bound.pointer(), &bound.length) != 0) return std::nullopt;
  return from_socket_address(bound.pointer());
}

void set_option(int descriptor, int level, int name, int value) {
  // All options here are wishes: a socket without them works, if slower.
  (void)::setsockopt(descriptor, level, name, &value, sizeof value);
}

void warn_of_small_buffers(int descriptor) {
  int size = 0;
  socklen_t length = sizeof size;
  // The kernel reports twice what it grants, its own bookkeeping included (socket(7)).
  if (::getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, &length) != 0 || size / 2 >= kSocketBuffer) return;
  static std::once_flag said;
  std::call_once(said, [size] {
    spdlog::warn("UDP receive buffers are capped at {} bytes: raise net.core.rmem_max to {} for full throughput",
                 size / 2, kSocketBuffer);
  });
}

void set_options(int descriptor, Family family) {
  set_option(descriptor, SOL_SOCKET, SO_RCVBUF, kSocketBuffer);
  set_option(descriptor, SOL_SOCKET, SO_SNDBUF, kSocketBuffer);
  set_option(descriptor, SOL_UDP, UDP_GRO, 1);
  if (family == Family::V4) {
    set_option(descriptor, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
  warn_of_small_buffers(descriptor);
}

}  // namespace

UdpSocket::UdpSocket(asio::posix::stream_descriptor descriptor, Family family, std::uint16_t port)
    : descriptor_(std::move(descriptor)), family_(family), port_(port) {}

std::expected<UdpSocket, OpenError> UdpSocket::open(const Strand& strand, Family family, std::optional<PortRange> ports,
                                                    Random& random) {
  const int domain = family == Family::V4 ? AF_INET : AF_INET6;
  const int raw = ::socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (raw < 0) return std::unexpected(open_error(errno));
  asio::posix::stream_descriptor descriptor(strand);
  boost::system::error_code assigned;
  descriptor.assign(raw, assigned);
  if (assigned) {
    ::close(raw);
    return std::unexpected(OpenError::NoDescriptor);
  }
  set_options(raw, family);
  if (const int error = bind_within(raw, family, ports, random); error != 0) return std::unexpected(open_error(error));

  const std::optional<Address> address = local_address(raw);
  if (!address) return std::unexpected(OpenError::Refused);
  return UdpSocket(std::move(descriptor), family, address->port);
}

std::expected<Address, boost::system::error_code> UdpSocket::connect(const Address& remote) {
  const auto failure = [](int error) {
    return std::unexpected(boost::system::error_code(error, boost::system::system_category()));
  };
  SocketAddress address = to_socket_address(remote);
  if (::connect(descriptor_.native_handle(), address.pointer(), address.length) != 0) return failure(errno);
  const std::optional<Address> local = local_address(descriptor_.native_handle());
  if (!local) return failure(EADDRNOTAVAIL);
  connected_ = true;
  return *local;
}

}  // namespace isotube::runtime
