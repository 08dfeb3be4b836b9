// Sending: one sendmsg with UDP_SEGMENT for many datagrams, or sendmmsg where the kernel can't segment.
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "runtime/socket_address.hpp"
#include "runtime/udp_socket.hpp"

namespace isotube::runtime {
namespace {

/// What one UDP_SEGMENT send takes in older kernels (UDP_MAX_SEGMENTS).
constexpr std::size_t kMaxSegments = 64;

/// A message header with all that it points to, but the payload.
class Message {
 public:
  /// For a connected socket.
  Message() = default;
  explicit Message(const Path& path) : remote_(to_socket_address(path.remote)) {
    header_.msg_name = remote_.pointer();
    header_.msg_namelen = remote_.length;
    set_source(path.local.ip);
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  void set_segment_size(std::size_t size) { add_control(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(size)); }
  [[nodiscard]] msghdr header() const { return header_; }

 private:
  void set_source(const IpAddress& source) {
    if (source.is_unspecified()) return;
    if (source.is_v4()) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, source.octets().data(), sizeof info.ipi_spec_dst);
      add_control(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, source.octets().data(), sizeof info.ipi6_addr);
      add_control(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }

  template <typename T>
  void add_control(int level, int type, const T& value) {
    cmsghdr control{};
    control.cmsg_level = level;
    control.cmsg_type = type;
    control.cmsg_len = CMSG_LEN(sizeof value);
    ISOTUBE_ASSERT(used_ + CMSG_SPACE(sizeof value) <= control_.size());
    std::memcpy(control_.data() + used_, &control, sizeof control);
    std::memcpy(control_.data() + used_ + CMSG_LEN(0), &value, sizeof value);
    used_ += CMSG_SPACE(sizeof value);
    header_.msg_control = control_.data();
    header_.msg_controllen = used_;
  }

  SocketAddress remote_;
  alignas(cmsghdr) std::array<std::byte, 128> control_{};
  std::size_t used_ = 0;
  msghdr header_{};
};

iovec vector_of(ByteView bytes) {
  // The kernel's structure serves reading too, so it has no const; sending changes nothing.
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

bool is_full(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

UdpSocket::SendResult UdpSocket::send(const Path& path, ByteView bytes, std::size_t segment_size) {
  ISOTUBE_ASSERT(!blocked());
  ISOTUBE_ASSERT(segment_size > 0 && (bytes.size() + segment_size - 1) / segment_size <= kMaxSegments);
  const std::size_t done = send_now(path, bytes, segment_size);
  if (done == bytes.size()) return SendResult::Done;
  kept_path_ = path;
  kept_segment_size_ = segment_size;
  kept_ = to_bytes(bytes.subspan(done));
  return SendResult::Blocked;
}

UdpSocket::SendResult UdpSocket::flush() {
  if (kept_.empty()) return SendResult::Done;
  const std::size_t done = send_now(kept_path_, kept_, kept_segment_size_);
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(done));
  if (!kept_.empty()) return SendResult::Blocked;
  kept_.shrink_to_fit();
  return SendResult::Done;
}

std::size_t UdpSocket::send_now(const Path& path, ByteView bytes, std::size_t segment_size) {
  if (segmentation_ && bytes.size() > segment_size) {
    if (const std::optional<std::size_t> done = send_segmented(path, bytes, segment_size)) return *done;
    // Refused as a whole: if the same datagrams go one by one, it is the segmentation that this way can't do (a device
    // without checksum offload says EIO, an MTU below the segment EINVAL). Not asked again on this socket.
    const std::uint64_t dropped_before = counters_.datagrams_dropped;
    const std::size_t done = send_one_by_one(path, bytes, segment_size);
    if (done > 0 && counters_.datagrams_dropped == dropped_before) segmentation_ = false;
    return done;
  }
  return send_one_by_one(path, bytes, segment_size);
}

std::optional<std::size_t> UdpSocket::send_segmented(const Path& path, ByteView bytes, std::size_t segment_size) {
  Message message = connected_ ? Message() : Message(path);
  message.set_segment_size(segment_size);
  iovec vector = vector_of(bytes);
  msghdr header = message.header();
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  // A connected socket answers a send with what ICMP said of an earlier one, and sends nothing then: once it is tried
  // again.
  for (bool told = false;;) {
    ++counters_.send_calls;
    if (::sendmsg(descriptor_.native_handle(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return bytes.size();
    if (errno == ECONNREFUSED) ++counters_.refused;
    if (errno == EINTR || (errno == ECONNREFUSED && !std::exchange(told, true))) continue;
    if (is_full(errno)) return 0;
    if (errno == EINVAL || errno == EIO || errno == EMSGSIZE) return std::nullopt;
    counters_.datagrams_dropped += (bytes.size() + segment_size - 1) / segment_size;
    return bytes.size();
  }
}

std::size_t UdpSocket::send_one_by_one(const Path& path, ByteView bytes, std::size_t segment_size) {
  const Message message = connected_ ? Message() : Message(path);
  std::array<iovec, kMaxSegments> vectors;
  std::array<mmsghdr, kMaxSegments> headers{};
  std::size_t count = 0;
  for (ByteView rest = bytes; !rest.empty(); ++count) {
    const std::size_t length = std::min(segment_size, rest.size());
    vectors[count] = vector_of(rest.first(length));
    headers[count].msg_hdr = message.header();
    headers[count].msg_hdr.msg_iov = &vectors[count];
    headers[count].msg_hdr.msg_iovlen = 1;
    rest = rest.subspan(length);
  }

  std::size_t next = 0;
  bool told = false;  // as above
  while (next < count) {
    ++counters_.send_calls;
    const int sent = ::sendmmsg(descriptor_.native_handle(), headers.data() + next, static_cast<unsigned>(count - next),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      next += static_cast<std::size_t>(sent);
      told = false;
    } else if (is_full(errno)) {
      return next * segment_size;
    } else if (errno == ECONNREFUSED && !std::exchange(told, true)) {
      ++counters_.refused;
    } else if (errno != EINTR) {
      ++counters_.datagrams_dropped;
      ++next;
    }
  }
  return bytes.size();
}

}  // namespace isotube::runtime
