// The TURN client of one tube for one server (RFC 8656), as a machine.
//
// This folder allocates a relayed address, keeps it, its permissions and its channels alive, and frames what goes
// through it. A transaction that ends for good is an event at the moment it does; nothing that is sent waits for a
// transaction. It uses stun/ and base/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "stun/message.hpp"
#include "turn/error.hpp"

namespace isotube::turn {

struct Server {
  Address address;
  Transport transport = Transport::Udp;
  /// What its certificate must be for, and what messages name it by.
  std::string name;
  std::string username;
  std::string password;
};

struct Settings {
  /// Over UDP (RFC 8489 6.2.1); with these a request is given up after 5.5 s.
  Duration rto = std::chrono::milliseconds(500);
  int requests = 4;   ///< Rc
  int last_wait = 4;  ///< Rm, in RTOs
  /// Over TCP and TLS, with opening the flow.
  Duration stream_timeout = std::chrono::seconds(8);
  /// Refresh intervals; each may go by a third of it, at most 5 s, earlier to go together with another. Nothing: a
  /// minute before what was granted ends, or at half of it if that is less than two minutes.
  std::optional<Duration> allocation_refresh;
  std::optional<Duration> permission_refresh;  ///< permissions live 5 min (RFC 8656 9)
  std::optional<Duration> channel_refresh;     ///< channels live 10 min (RFC 8656 12)
  /// After this long without sending anything a Binding indication goes to the server, so that NATs on the way keep
  /// their mapping.
  Duration keepalive = std::chrono::seconds(20);
  /// Addresses that may be sent to at a time; the one used longest ago makes room (its permission and channel run out).
  std::size_t max_peers = 128;
};

/// Legal steps: Idle → Allocating → Allocated → Idle (lost or failed) …; Allocating → Idle (failed); any → Releasing →
/// Released, which is final.
enum class State : std::uint8_t { Idle, Allocating, Allocated, Releasing, Released };

/// Names one way to the server: a UDP socket of its own, a TCP or a TLS connection. Never used twice by one client.
using FlowId = std::uint32_t;

/// The driver is to open a flow to `server` and to answer with flow_opened() or flow_failed(). A new UDP flow has a new
/// local port.
struct OpenFlow {
  FlowId flow;
  Transport transport;
  Address server;
  std::string name;
};
/// The driver is to close the flow, once all transmits polled so far have left. Nothing of it is heard any more.
struct CloseFlow {
  FlowId flow;
};
struct Allocated {
  Address relayed;
  /// Where the server sees the flow come from.
  Address mapped;
};
/// A transaction ended for good. Said before what follows from it. Refused peers (403, 443 and 400 on CreatePermission
/// or ChannelBind, error.peer is set) concern that peer only.
struct TransactionFailed {
  TurnError error;
};
/// The allocation is gone, or was never had; the client is Idle. allocate() may be called again.
struct AllocationLost {};
/// Nothing may be sent to that peer through this relay.
struct PeerRefused {
  Address peer;
  int code;
};
/// The farewell is sent and answered, or given up after 3 s. Nothing follows it.
struct Released {};

using Event = std::variant<OpenFlow, CloseFlow, Allocated, TransactionFailed, AllocationLost, PeerRefused, Released>;

/// For a UDP flow one datagram, for others bytes of the stream.
struct Transmit {
  FlowId flow;
  Bytes bytes;
};

/// What a peer sent through the relay.
struct Received {
  Address peer;
  ByteView payload;
};

struct Counters {
  std::uint64_t requests = 0;  ///< transactions begun
  std::uint64_t retransmissions = 0;
  std::uint64_t failures = 0;  ///< TransactionFailed without a peer
  std::uint64_t peers_refused = 0;
  std::uint64_t answers_dropped = 0;  ///< unknown transaction, bad integrity, wrong type
  std::uint64_t bytes_dropped = 0;    ///< what was no message of ours, or of an unknown channel or peer
  /// Successful transactions, and of these the ones that met a stale nonce (438) on the way.
  struct PerMethod {
    std::uint64_t succeeded = 0;
    std::uint64_t after_stale_nonce = 0;
  };
  PerMethod allocate;
  PerMethod refresh;
  PerMethod create_permission;
  PerMethod channel_bind;
};

/// Call order: mutate, then drain poll_event() and poll_transmit() until both are empty, then sleep until
/// next_timeout(). `now` never goes back. Ownership: belongs to one tube. Not thread-safe; may move between threads
/// between calls.
///
///   turn::Client client({}, {server_address, turn::Transport::Udp, "relay.example", "user", "secret"}, random);
///   client.allocate(now);
///   // … OpenFlow{1} → client.flow_opened(now, 1); datagrams of flow 1 → client.handle_bytes(now, 1, bytes)
///   const std::size_t header = client.header_size(peer);  // write the payload behind it
///   const std::size_t length = client.frame(now, peer, out, payload_size);
class Client {
 public:
  /// The most that frame() puts before a payload (a Send indication to an IPv6 peer), and behind it (padding).
  static constexpr std::size_t kMaxHeader = 48;
  static constexpr std::size_t kMaxPadding = 3;

  Client(Settings settings, Server server, Random random);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// Begins an allocation when Idle; does nothing otherwise. The relayed address is of the server's family.
  void allocate(TimePoint now);
  /// Asks the server at once whether the allocation still lives (an unanswered consent check on a relayed pair).
  void verify(TimePoint now);
  /// Refresh with lifetime 0 (sent even while nothing works), then Released.
  void release(TimePoint now);

  void flow_opened(TimePoint now, FlowId flow);
  /// It could not be opened, or broke; no CloseFlow follows for it. Bytes of an old flow are ignored. One
  /// TransactionFailed is said for it, however many transactions were on it.
  void flow_failed(TimePoint now, FlowId flow, std::string reason);
  /// One datagram or a piece of the stream; then drain poll_received() before anything else, for what it gives lies in
  /// `bytes` or in the client and is valid until the next call that is not poll_received().
  void handle_bytes(TimePoint now, FlowId flow, ByteView bytes);
  [[nodiscard]] std::optional<Received> poll_received();

  /// How many bytes stand before a payload to `peer` at this moment: 4 with a channel, else those of a Send indication.
  [[nodiscard]] std::size_t header_size(const Address& peer) const;
  /// Frames the `payload_size` bytes that stand at `out[header_size(peer)]`: writes the header before and the padding
  /// behind them. Gives the length of the whole; 0 if nothing can be sent (no allocation, a refused peer, `out` too
  /// short, more than 65,507 bytes). The first payload to a peer begins its permission and its channel: it does not
  /// wait for them.
  [[nodiscard]] std::size_t frame(TimePoint now, const Address& peer, MutableByteView out, std::size_t payload_size);
  /// The flow that framed payloads go to; nothing unless Allocated.
  [[nodiscard]] std::optional<FlowId> flow() const;

  void handle_timeout(TimePoint now);
  [[nodiscard]] std::optional<Transmit> poll_transmit();
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;

  [[nodiscard]] State state() const;
  /// The one in use: as configured, or the alternate that it named (RFC 8489 10) until the next allocate().
  [[nodiscard]] const Server& server() const;
  [[nodiscard]] std::optional<Address> relayed() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::turn
