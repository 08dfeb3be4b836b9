// A peer connection's sockets: opened for what the machine has, read in bounded turns.
#include <algorithm>
#include <boost/asio/post.hpp>

#include "runtime/interfaces.hpp"
#include "webrtc/peer_connection.hpp"

namespace isotube::webrtc {
namespace {

namespace asio = boost::asio;
using runtime::Family;
using runtime::UdpSocket;

/// The host address that a public one stands for: of the same family, and not loopback if there is another.
std::optional<IpAddress> base_of(const IpAddress& address, const std::vector<IpAddress>& hosts) {
  std::optional<IpAddress> base;
  for (const IpAddress& host : hosts) {
    if (host.is_v4() != address.is_v4()) continue;
    if (!base || (base->is_loopback() && !host.is_loopback())) base = host;
  }
  return base;
}

}  // namespace

std::optional<PeerConnection::Socket>& PeerConnection::socket_of(const IpAddress& address) {
  return address.is_v4() ? v4_ : v6_;
}

std::expected<void, GatherError> PeerConnection::gather(TimePoint now, const Network& network) {
  std::vector<IpAddress> addresses;
  for (const runtime::InterfaceAddress& each : runtime::list_interfaces(network.interfaces)) {
    addresses.push_back(each.address);
  }
  const bool v4 = std::ranges::any_of(addresses, &IpAddress::is_v4);
  const bool v6 = std::ranges::any_of(addresses, &IpAddress::is_v6);
  if (auto opened = open_sockets(v4, v6, network.udp_ports); !opened) return opened;
  if (!network.turn_servers.empty()) open_flows(network);
  keeper_.begin(now, network.turn_servers);
  add_addresses(now, addresses, network);
  wait_readable(v4_);
  wait_readable(v6_);
  return {};
}

std::expected<void, GatherError> PeerConnection::open_sockets(bool v4, bool v6,
                                                              std::optional<runtime::PortRange> ports) {
  const auto open = [&](Family family, std::optional<Socket>& socket) {
    if (auto opened = UdpSocket::open(strand_, family, ports, random_)) socket.emplace(std::move(*opened));
  };
  if (v4) open(Family::V4, v4_);
  if (v6) open(Family::V6, v6_);
  // One family alone will do.
  if (!v4_ && !v6_) return std::unexpected(GatherError::NoSocket);
  return {};
}

void PeerConnection::open_flows(const Network& network) {
  const auto in_turn = [weak = weak_from_this()](auto&& body) {
    const std::shared_ptr<PeerConnection> self = weak.lock();
    if (self) self->turn([&](TimePoint now) { body(self->peer_, now); });
  };
  flows_.emplace(strand_, network.turn_trust,
                 Flows::Callbacks{
                     .opened =
                         [in_turn](peer::FlowId id) {
                           in_turn([&](peer::Peer& peer, TimePoint now) { peer.flow_opened(now, id); });
                         },
                     .failed =
                         [in_turn](peer::FlowId id, const std::string& reason) {
                           in_turn([&](peer::Peer& peer, TimePoint now) { peer.flow_failed(now, id, reason); });
                         },
                     .received =
                         [in_turn](peer::FlowId id, std::span<const ByteView> pieces) {
                           in_turn([&](peer::Peer& peer, TimePoint now) {
                             for (const ByteView& piece : pieces) peer.handle_flow_bytes(now, id, piece);
                           });
                         },
                     .writable = [in_turn] { in_turn([](peer::Peer&, TimePoint) {}); },
                 });
}

void PeerConnection::add_addresses(TimePoint now, const std::vector<IpAddress>& addresses, const Network& network) {
  const auto with_port = [this](const IpAddress& ip) { return Address{ip, socket_of(ip)->udp.port()}; };
  for (const IpAddress& ip : addresses) {
    if (socket_of(ip)) peer_.add_local_address(now, with_port(ip));
  }
  for (const IpAddress& ip : network.public_addresses) {
    const std::optional<IpAddress> base = base_of(ip, addresses);
    if (base && socket_of(ip)) peer_.add_public_address(now, with_port(ip), with_port(*base));
  }
  for (const Address& server : network.stun_servers) {
    if (socket_of(server.ip)) peer_.add_stun_server(now, server);
  }
  peer_.end_of_local_addresses(now);
}

void PeerConnection::wait_readable(std::optional<Socket>& socket) {
  if (!socket) return;
  socket->udp.wait_readable([weak = weak_from_this(), &socket](const boost::system::error_code& error) {
    const std::shared_ptr<PeerConnection> self = weak.lock();
    if (!error && self) self->receive(socket);
  });
}

void PeerConnection::receive(std::optional<Socket>& socket) {
  try {
    receive_batches(socket);
  } catch (...) {
    fail(std::current_exception());
  }
}

void PeerConnection::receive_batches(std::optional<Socket>& socket) {
  const TimePoint start = runtime::now();
  std::size_t datagrams = 0;
  std::size_t bytes = 0;
  while (socket) {
    const std::span<const runtime::Datagram> batch = socket->udp.receive(kTurnBytes - bytes);
    if (batch.empty()) return wait_readable(socket);
    turn([&](TimePoint now) {
      for (const runtime::Datagram& each : batch) {
        peer_.handle_datagram(now, each.path, each.bytes);
        bytes += each.bytes.size();
      }
    });
    datagrams += batch.size();
    if (datagrams >= kTurnDatagrams || bytes >= kTurnBytes || runtime::now() - start >= kTurnTime) {
      return receive_later(socket);
    }
  }
}

void PeerConnection::receive_later(std::optional<Socket>& socket) {
  asio::post(strand_, [weak = weak_from_this(), &socket] {
    if (const std::shared_ptr<PeerConnection> self = weak.lock()) self->receive(socket);
  });
}

void PeerConnection::wait_writable(std::optional<Socket>& socket) {
  if (!socket || socket->waits_writable) return;
  socket->waits_writable = true;
  socket->udp.wait_writable([weak = weak_from_this(), &socket](const boost::system::error_code& error) {
    const std::shared_ptr<PeerConnection> self = weak.lock();
    if (error || !self || !socket) return;
    socket->waits_writable = false;
    self->turn([&](TimePoint) {
      if (socket->udp.flush() == UdpSocket::SendResult::Blocked) self->wait_writable(socket);
    });
  });
}

}  // namespace isotube::webrtc
