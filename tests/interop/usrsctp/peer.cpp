#include "interop/usrsctp/peer.hpp"

#include <sys/time.h>
#include <usrsctp.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/assert.hpp"

namespace isotube::usrsctp {
namespace {

constexpr std::uint16_t kPort = 5000;
constexpr std::uint16_t kStreams = 1024;
constexpr std::uint32_t kMtu = 1200;
/// Of the library, though its header does not name it: RFC 8260's socket option.
constexpr int kInterleavingSupported = 0x1206;

/// Microseconds that the library believes in.
std::int64_t virtual_time = 1'000'000'000;

int send_packet(void* address, void* packet, std::size_t length, std::uint8_t /*tos*/, std::uint8_t /*set_df*/) {
  const ByteView bytes(static_cast<const std::byte*>(packet), length);
  static_cast<Peer*>(address)->to_send.push_back(to_bytes(bytes));
  return 0;
}

/// Starts the library with the first peer and ends it with the process.
class Library {
 public:
  Library() {
    usrsctp_init_nothreads(0, send_packet, nullptr);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    // What WebRTC stacks set: RFC 9260's second is too long for a data channel.
    usrsctp_sysctl_set_sctp_rto_min_default(200);
    usrsctp_sysctl_set_sctp_rto_max_default(10'000);
    usrsctp_sysctl_set_sctp_rto_initial_default(1'000);
    usrsctp_sysctl_set_sctp_init_rto_max_default(10'000);
    usrsctp_sysctl_set_sctp_delayed_sack_time_default(20);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(10 * 1024);
  }
  ~Library() {
    for (int tries = 0; usrsctp_finish() != 0 && tries < 1000; ++tries) usrsctp_handle_timers(1'000);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

sockaddr_conn address_of(Peer* peer) {
  sockaddr_conn address{};
  address.sconn_family = AF_CONN;
  address.sconn_port = htons(kPort);
  address.sconn_addr = peer;
  return address;
}

template <typename Value>
void set_option(Socket* socket, int level, int option, const Value& value) {
  ISOTUBE_ASSERT(usrsctp_setsockopt(socket, level, option, &value, sizeof(value)) == 0);
}

}  // namespace

void advance(Duration elapsed) {
  virtual_time += std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  usrsctp_handle_timers(
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()));
}

Peer::Peer(const Options& options) : options_(options) {
  static const Library library;
  usrsctp_register_address(this);
  Socket* socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  ISOTUBE_ASSERT(socket != nullptr);
  set_up(socket);
  // For the associations to come: one that exists takes neither.
  if (options_.interleaving) {
    set_option(socket, IPPROTO_SCTP, kInterleavingSupported,
               sctp_assoc_value{.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = 1});
  }
  sctp_paddrparams path{};
  path.spp_flags = SPP_PMTUD_DISABLE;
  path.spp_pathmtu = kMtu;
  set_option(socket, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, path);
  sockaddr_conn address = address_of(this);
  ISOTUBE_ASSERT(usrsctp_bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  socket_ = socket;
}

Peer::~Peer() {
  for (Socket* socket : {socket_, listening_}) {
    if (socket != nullptr) usrsctp_close(socket);
  }
  usrsctp_deregister_address(this);
}

void Peer::set_up(Socket* socket) const {
  ISOTUBE_ASSERT(usrsctp_set_non_blocking(socket, 1) == 0);
  const int on = 1;
  set_option(socket, IPPROTO_SCTP, SCTP_NODELAY, on);
  set_option(socket, IPPROTO_SCTP, SCTP_RECVRCVINFO, on);
  set_option(socket, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
  set_option(socket, SOL_SOCKET, SO_RCVBUF, static_cast<int>(options_.receive_buffer));
  set_option(socket, SOL_SOCKET, SO_SNDBUF, 1 << 20);
  set_option(socket, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET,
             sctp_assoc_value{.assoc_id = SCTP_ALL_ASSOC, .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ});
  if (options_.interleaving) {
    const int any_message_may_be_interleaved = 2;
    set_option(socket, IPPROTO_SCTP, SCTP_FRAGMENT_INTERLEAVE, any_message_may_be_interleaved);
  }
  for (const int type : {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT, SCTP_SHUTDOWN_EVENT}) {
    set_option(socket, IPPROTO_SCTP, SCTP_EVENT,
               sctp_event{.se_assoc_id = SCTP_ALL_ASSOC, .se_type = static_cast<std::uint16_t>(type), .se_on = 1});
  }
  set_option(socket, IPPROTO_SCTP, SCTP_INITMSG,
             sctp_initmsg{.sinit_num_ostreams = kStreams, .sinit_max_instreams = kStreams});
}

void Peer::connect() {
  sockaddr_conn address = address_of(this);
  const int result = usrsctp_connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  ISOTUBE_ASSERT(result == 0 || errno == EINPROGRESS);
}

void Peer::listen() {
  ISOTUBE_ASSERT(usrsctp_listen(socket_, 1) == 0);
  listening_ = std::exchange(socket_, nullptr);
}

void Peer::handle_packet(ByteView packet) { usrsctp_conninput(this, packet.data(), packet.size(), 0); }

void Peer::drain() {
  if (socket_ == nullptr && listening_ != nullptr) {
    socket_ = usrsctp_accept(listening_, nullptr, nullptr);
    if (socket_ != nullptr) {
      set_up(socket_);
      is_connected = true;  // its notification may have come before it was asked for
    }
  }
  if (socket_ != nullptr) receive(socket_);
}

void Peer::receive(Socket* socket) {
  std::array<std::byte, 65'536> buffer;
  while (true) {
    sockaddr_conn from{};
    socklen_t from_length = sizeof(from);
    sctp_rcvinfo info{};
    socklen_t info_length = sizeof(info);
    unsigned int info_type = 0;
    int flags = 0;
    const ssize_t length = usrsctp_recvv(socket, buffer.data(), buffer.size(), reinterpret_cast<sockaddr*>(&from),
                                         &from_length, &info, &info_length, &info_type, &flags);
    if (length <= 0) return;
    const ByteView bytes = ByteView(buffer).first(static_cast<std::size_t>(length));
    if ((flags & MSG_NOTIFICATION) != 0) {
      on_notification(bytes);
      continue;
    }
    const bool ordered = (info.rcv_flags & SCTP_UNORDERED) == 0;
    Bytes& whole = partial_[{info.rcv_sid, ordered}];
    whole.insert(whole.end(), bytes.begin(), bytes.end());
    if ((flags & MSG_EOR) == 0) continue;
    messages.push_back({info.rcv_sid, ntohl(info.rcv_ppid), ordered, std::exchange(whole, {})});
  }
}

void Peer::on_notification(ByteView bytes) {
  ISOTUBE_ASSERT(bytes.size() >= sizeof(sctp_notification::sctp_tlv));
  const auto* notification = reinterpret_cast<const sctp_notification*>(bytes.data());
  if (notification->sn_header.sn_type == SCTP_ASSOC_CHANGE) {
    switch (notification->sn_assoc_change.sac_state) {
      case SCTP_COMM_UP:
        is_connected = true;
        break;
      case SCTP_SHUTDOWN_COMP:
        is_closed = true;
        break;
      default:
        is_lost = true;
    }
  } else if (notification->sn_header.sn_type == SCTP_STREAM_RESET_EVENT) {
    const sctp_stream_reset_event& event = notification->sn_strreset_event;
    const std::size_t count = (event.strreset_length - sizeof(sctp_stream_reset_event)) / sizeof(std::uint16_t);
    std::vector<std::uint16_t>& target =
        (event.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0 ? incoming_reset : outgoing_reset;
    for (std::size_t i = 0; i < count; ++i) target.push_back(event.strreset_stream_list[i]);
  }
}

bool Peer::send(std::uint16_t stream, bool ordered, std::uint32_t ppid, ByteView bytes, const Limits& limits) {
  sctp_sendv_spa how{};
  how.sendv_flags = SCTP_SEND_SNDINFO_VALID;
  how.sendv_sndinfo.snd_sid = stream;
  how.sendv_sndinfo.snd_ppid = htonl(ppid);
  how.sendv_sndinfo.snd_flags = ordered ? 0 : SCTP_UNORDERED;
  if (limits.limit_retransmissions || limits.limit_lifetime) {
    how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    how.sendv_prinfo.pr_policy = limits.limit_lifetime ? SCTP_PR_SCTP_TTL : SCTP_PR_SCTP_RTX;
    how.sendv_prinfo.pr_value = limits.limit_lifetime ? limits.lifetime_ms : limits.retransmissions;
  }
  const ssize_t sent =
      usrsctp_sendv(socket_, bytes.data(), bytes.size(), nullptr, 0, &how, sizeof(how), SCTP_SENDV_SPA, 0);
  ISOTUBE_ASSERT(sent == static_cast<ssize_t>(bytes.size()) || errno == EWOULDBLOCK);
  return sent >= 0;
}

void Peer::reset_outgoing(std::uint16_t stream) {
  Bytes memory(sizeof(sctp_reset_streams) + sizeof(std::uint16_t));
  auto* request = reinterpret_cast<sctp_reset_streams*>(memory.data());
  request->srs_assoc_id = SCTP_ALL_ASSOC;
  request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
  request->srs_number_streams = 1;
  request->srs_stream_list[0] = stream;
  const int result =
      usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_RESET_STREAMS, request, static_cast<socklen_t>(memory.size()));
  ISOTUBE_ASSERT(result == 0);
}

void Peer::shutdown() { ISOTUBE_ASSERT(usrsctp_shutdown(socket_, SHUT_WR) == 0); }

void Peer::abort() { usrsctp_close(std::exchange(socket_, nullptr)); }

}  // namespace isotube::usrsctp

/// The clock of the whole program as libusrsctp sees it: round trip times and lifetimes follow virtual time.
extern "C" int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  time->tv_sec = isotube::usrsctp::virtual_time / 1'000'000;
  time->tv_usec = isotube::usrsctp::virtual_time % 1'000'000;
  return 0;
}
