// Receiving: recvmmsg with UDP_GRO, so that one system call may bring a whole flight.
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "runtime/socket_address.hpp"
#include "runtime/udp_socket.hpp"

namespace isotube::runtime {
namespace {

/// What a worker receives into: it belongs to the thread, so that an idle tube holds none of it. Pages that were never
/// written cost nothing.
struct Arena {
  static constexpr std::size_t kMessages = 16;
  /// The longest UDP payload, coalesced or not, is shorter.
  static constexpr std::size_t kMessageSize = 65'536;
  static constexpr std::size_t kControlSize = 128;

  struct alignas(cmsghdr) Control {
    std::array<std::byte, kControlSize> bytes;
  };

  std::unique_ptr<std::byte[]> storage = std::make_unique_for_overwrite<std::byte[]>(kMessages * kMessageSize);
  std::array<mmsghdr, kMessages> headers{};
  std::array<iovec, kMessages> vectors{};
  std::array<SocketAddress, kMessages> sources{};
  std::array<Control, kMessages> controls{};
  std::vector<Datagram> datagrams;

  [[nodiscard]] ByteView message(std::size_t index) const {
    return {storage.get() + index * kMessageSize, headers[index].msg_len};
  }

  void prepare(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      vectors[i] = {storage.get() + i * kMessageSize, kMessageSize};
      headers[i] = {};
      msghdr& header = headers[i].msg_hdr;
      header.msg_name = sources[i].pointer();
      header.msg_namelen = sizeof sources[i].storage;
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = &controls[i];
      header.msg_controllen = kControlSize;
    }
  }
};

struct Details {
  std::optional<IpAddress> local;
  std::size_t segment_size = 0;
};

template <typename T>
T data_of(const cmsghdr* control) {
  T value;
  std::memcpy(&value, CMSG_DATA(control), sizeof value);
  return value;
}

Details read_details(msghdr& header) {
  Details details;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
      details.local = from_kernel(data_of<in_pktinfo>(control).ipi_addr);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
      details.local = from_kernel(data_of<in6_pktinfo>(control).ipi6_addr);
    } else if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
      details.segment_size = static_cast<std::size_t>(std::max(0, data_of<int>(control)));
    }
  }
  return details;
}

void split(const Path& path, ByteView message, std::size_t segment_size, std::vector<Datagram>& out) {
  if (segment_size == 0) segment_size = std::max<std::size_t>(message.size(), 1);
  do {
    const std::size_t length = std::min(segment_size, message.size());
    out.push_back({path, message.first(length)});
    message = message.subspan(length);
  } while (!message.empty());
}

/// What recvmmsg gave, or 0. Errors that came in by ICMP are eaten: each is reported once, and what waits behind them
/// is wanted.
std::size_t receive_messages(int descriptor, Arena& arena, std::size_t count, UdpSocket::Counters& counters) {
  static constexpr int kAttempts = 8;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int got = ::recvmmsg(descriptor, arena.headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) ++counters.receive_errors;
    if (errno == ECONNREFUSED) ++counters.refused;
    arena.prepare(count);
  }
  return 0;
}

}  // namespace

std::span<const Datagram> UdpSocket::receive(std::size_t max_bytes) {
  thread_local Arena arena;
  const std::size_t count = std::clamp<std::size_t>(max_bytes / usual_message_, 1, Arena::kMessages);
  arena.datagrams.clear();
  arena.prepare(count);
  ++counters_.receive_calls;
  const std::size_t got = receive_messages(descriptor_.native_handle(), arena, count, counters_);

  std::size_t longest = 0;
  for (std::size_t i = 0; i < got; ++i) {
    const std::optional<Address> source = from_socket_address(arena.sources[i].pointer());
    const Details details = read_details(arena.headers[i].msg_hdr);
    if (!source || !details.local) continue;
    const ByteView message = arena.message(i);
    longest = std::max(longest, message.size());
    split(Path{Address{*details.local, port_}, *source}, message, details.segment_size, arena.datagrams);
  }
  if (got > 0) usual_message_ = std::max<std::size_t>(longest, 2048);
  return arena.datagrams;
}

}  // namespace isotube::runtime
