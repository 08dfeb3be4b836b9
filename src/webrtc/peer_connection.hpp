// A peer machine with the world around it: sockets, a timer, and turns on a strand. One tube's, shared with nobody.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <exception>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/buffer.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "peer/peer.hpp"
#include "runtime/runtime.hpp"
#include "runtime/tls_trust.hpp"
#include "runtime/udp_socket.hpp"
#include "webrtc/flows.hpp"
#include "webrtc/relay_keeper.hpp"

namespace isotube::webrtc {

/// Which UDP ports and addresses a connection uses.
struct Network {
  using PortRange = runtime::PortRange;

  /// Names of interfaces to take host candidates from; none means all that are up. Loopback addresses are used too (two
  /// ends on one machine), link-local ones are not.
  std::vector<std::string> interfaces;
  /// Addresses under which the world reaches us (a server behind a one-to-one NAT).
  std::vector<IpAddress> public_addresses;
  /// Nothing means any free port.
  std::optional<PortRange> udp_ports;
  std::vector<Address> stun_servers;
  std::vector<turn::Server> turn_servers;
  /// Whose certificates `turns:` servers may have.
  runtime::TlsTrust turn_trust;
};

enum class GatherError : std::uint8_t { NoSocket };

/// Drives a peer::Peer. All that happens to it happens in turns on its strand; a turn ends with all events handed over,
/// all that there is to send sent, and the timer set. Turns are bounded (256 datagrams, 256 KiB, 5 ms): what is left
/// then waits behind other tubes' turns.
///
/// Ownership: the handler's. Pending operations hold it weakly and do nothing once it is gone; it holds its handler
/// weakly. Used on its strand only, but for create().
class PeerConnection : public std::enable_shared_from_this<PeerConnection> {
 public:
  /// Who uses the connection. Everything is called in a turn.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void handle_event(TimePoint now, peer::Event event) = 0;
    /// All events of the moment are handed over: time to look at one's own deadlines, and to send.
    virtual void handle_turn(TimePoint now) = 0;
    /// When handle_turn() is wanted at the latest.
    [[nodiscard]] virtual TimePoint next_timeout() const = 0;
    /// The peer is closed, its farewell is sent, relays are given back, the sockets are gone. Nothing follows it.
    virtual void handle_stopped() = 0;
    /// A turn threw; how far it came is unknown.
    virtual void handle_failure(std::exception_ptr failure) noexcept = 0;
  };

  /// Makes the peer's certificate (0.1 ms) and nothing else; from any thread. The handler is set afterwards.
  [[nodiscard]] static std::shared_ptr<PeerConnection> create(runtime::Strand strand, const peer::Settings& settings,
                                                              const Random& random);
  PeerConnection(runtime::Strand strand, const peer::Settings& settings, const Random& random);
  PeerConnection(const PeerConnection&) = delete;
  PeerConnection& operator=(const PeerConnection&) = delete;

  void set_handler(std::weak_ptr<Handler> handler) { handler_ = std::move(handler); }

  [[nodiscard]] const runtime::Strand& strand() const { return strand_; }
  [[nodiscard]] BufferPool& pool() { return pool_; }
  /// To be changed within a turn only.
  [[nodiscard]] peer::Peer& peer() { return peer_; }
  [[nodiscard]] const peer::Peer& peer() const { return peer_; }

  /// Runs `body(now)` as a turn, or as part of the turn that is under way. Does nothing once stopped. What it throws
  /// goes to the handler.
  template <typename Body>
  void turn(Body&& body);
  /// Has another turn, behind whatever else is ready.
  void turn_again();

  /// Opens a socket for each family that the machine has addresses of, hands those to the peer, and asks the TURN
  /// servers for relays. Within a turn.
  [[nodiscard]] std::expected<void, GatherError> gather(TimePoint now, const Network& network);

  /// The circuits of its TURN servers.
  [[nodiscard]] const isolation::TurnCircuits& turn_circuits() const { return keeper_.circuits(); }

  /// Closes sockets and timer at once; no farewell, no handle_stopped().
  void stop();
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  struct Socket {
    runtime::UdpSocket udp;
    bool waits_writable = false;
  };

  /// What one turn may do before others get theirs.
  static constexpr std::size_t kTurnDatagrams = 256;
  static constexpr std::size_t kTurnBytes = std::size_t{256} << 10;
  static constexpr Duration kTurnTime = std::chrono::milliseconds(5);

  [[nodiscard]] std::optional<Socket>& socket_of(const IpAddress& address);
  [[nodiscard]] std::expected<void, GatherError> open_sockets(bool v4, bool v6,
                                                              std::optional<runtime::PortRange> ports);
  void add_addresses(TimePoint now, const std::vector<IpAddress>& addresses, const Network& network);

  void fail(std::exception_ptr failure) noexcept;
  void settle(TimePoint now, Handler& handler);
  [[nodiscard]] bool hand_over_events(TimePoint now, Handler& handler);
  /// Does what an event asks of us.
  void attend_to(TimePoint now, const peer::Event& event);
  void open_flows(const Network& network);
  void transmit(TimePoint now);
  [[nodiscard]] bool blocked() const;
  void wait_readable(std::optional<Socket>& socket);
  void wait_writable(std::optional<Socket>& socket);
  void receive(std::optional<Socket>& socket);
  void receive_batches(std::optional<Socket>& socket);
  void receive_later(std::optional<Socket>& socket);
  void arm_timer(const Handler& handler);
  void handle_timer(TimePoint now);

  runtime::Strand strand_;
  BufferPool pool_;
  Random random_;
  peer::Peer peer_;
  RelayKeeper keeper_;
  std::weak_ptr<Handler> handler_;
  std::optional<Flows> flows_;
  std::optional<Socket> v4_;
  std::optional<Socket> v6_;
  boost::asio::steady_timer timer_;
  TimePoint armed_for_ = kNever;
  bool in_turn_ = false;
  bool again_posted_ = false;
  bool peer_closed_ = false;
  bool stopped_ = false;
};

template <typename Body>
void PeerConnection::turn(Body&& body) {
  // The order matters: the handler may own what lies in our pool.
  const std::shared_ptr<PeerConnection> self = shared_from_this();
  const std::shared_ptr<Handler> handler = handler_.lock();
  if (!handler || stopped_) return;
  if (in_turn_) return std::forward<Body>(body)(runtime::now());
  in_turn_ = true;
  try {
    const TimePoint now = runtime::now();
    std::forward<Body>(body)(now);
    settle(now, *handler);
  } catch (...) {
    handler->handle_failure(std::current_exception());
  }
  in_turn_ = false;
}

}  // namespace isotube::webrtc
