// A tube: one peer connection, the tube protocol on it, and the TCP streams that it carries. Everything that belongs to
// a tube lives and dies with it, on one strand.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/time.hpp"
#include "frame/frame.hpp"
#include "peer/peer.hpp"
#include "runtime/runtime.hpp"
#include "sdp/description.hpp"
#include "webrtc/peer_connection.hpp"

namespace isotube::tube {

using frame::CloseReason;
using frame::Target;

/// Legal steps: New → Connecting → Connected → Closed; any → Closed.
enum class State : std::uint8_t { New, Connecting, Connected, Closed };
[[nodiscard]] std::string_view to_string(State state);

using webrtc::Network;

/// Which targets a tube may connect to. Asked on the tube's strand; must be thread-safe, and may change its mind
/// (SIGHUP). Closed by default: a tube without a policy connects nowhere.
class TargetPolicy {
 public:
  virtual ~TargetPolicy() = default;
  /// Decided by name or literal address, before any look-up.
  [[nodiscard]] virtual bool allows(const Target& target) const = 0;
  /// Whether the address that `target` resolved to may be connected to (link-local and metadata addresses need to be
  /// named).
  [[nodiscard]] virtual bool allows_resolved(const Target& target, const IpAddress& address) const = 0;
};

/// One finished TCP connection, for the audit line.
struct ConnectionRecord {
  std::string tube;
  std::string owner;
  std::string target;
  std::uint64_t bytes_up = 0;    ///< from the client to the target
  std::uint64_t bytes_down = 0;  ///< from the target to the client
  Duration duration{};
  CloseReason reason = CloseReason::Normal;
  std::string message;
};

/// What a tube tells its owner. Called on the tube's strand; an exception thrown here closes that tube alone.
struct Observer {
  std::function<void(State)> state_changed;
  std::function<void(const ConnectionRecord&)> connection_ended;
  /// A transaction with a TURN server ended for good; other paths go on.
  std::function<void(const turn::TurnError&)> relay_failed;
  /// Sent once; nothing follows it.
  std::function<void(CloseReason, const std::string& message)> closed;
};

struct Config {
  std::string id;     ///< 128 random bits in hex, see make_id()
  std::string owner;  ///< name of the token that created it
  Network network;
  peer::Settings peer;
  std::optional<Target> fixed_target;
  /// Null on the side that opens connections only.
  std::shared_ptr<const TargetPolicy> policy;
  Duration connect_timeout = std::chrono::seconds(10);  ///< of a target
  Duration setup_timeout = std::chrono::seconds(30);    ///< a tube that has not connected by then is closed
  std::size_t max_connections = 256;
};

[[nodiscard]] std::string make_id(Random& random);

/// What is known of a tube at a moment, for status and metrics.
struct Snapshot {
  std::string id;
  std::string owner;
  State state = State::New;
  std::optional<std::string> fixed_target;
  std::optional<ice::CandidateType> path_local;
  std::optional<ice::CandidateType> path_remote;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  std::optional<Duration> round_trip;
  std::size_t connections = 0;
  Duration age{};
};

enum class SignalError : std::uint8_t {
  WrongState,  ///< the tube is closed, or has its description already
  Unusable,    ///< the description can't work (no fingerprint, no credentials, a=setup)
  NoSocket,    ///< no UDP socket could be had (ports or descriptors ran out)
};

/// Thread-safe unless said otherwise: each call hops to the tube's strand by itself. Must not outlive its Runtime. A
/// tube that is let go is closed.
class Tube : public std::enable_shared_from_this<Tube> {
 public:
  [[nodiscard]] static std::shared_ptr<Tube> create(runtime::Runtime& runtime, Config config, Observer observer);
  ~Tube();

  [[nodiscard]] const std::string& id() const;
  [[nodiscard]] const std::string& owner() const;
  [[nodiscard]] Snapshot snapshot() const;

  /// As answerer: the answer to `offer`, with what was gathered within `gather_for`.
  [[nodiscard]] boost::asio::awaitable<std::expected<sdp::Description, SignalError>> answer(
      sdp::Description offer, Duration gather_for = std::chrono::milliseconds(500));
  /// As offerer: our offer, likewise.
  [[nodiscard]] boost::asio::awaitable<std::expected<sdp::Description, SignalError>> offer(
      Duration gather_for = std::chrono::milliseconds(500));
  /// As offerer: opens the data channel too, once connected.
  [[nodiscard]] boost::asio::awaitable<std::expected<void, SignalError>> set_answer(sdp::Description answer);
  [[nodiscard]] boost::asio::awaitable<std::expected<void, SignalError>> add_remote(sdp::Fragment fragment);
  /// Our ufrag, which names the ICE generation (the ETag).
  [[nodiscard]] const std::string& ice_generation() const;

  /// As opener: carries `socket` to `target` (nothing on a tube with a fixed one). Owns the socket from here on; a
  /// connection that fails closes it.
  void forward(boost::asio::ip::tcp::socket socket, std::optional<Target> target);

  /// Ends the tube: its connections, the peer connection, the sockets; then Observer::closed.
  void close(CloseReason reason, std::string message);
  /// Ends each connection with TunnelClosed once it is idle or `drain` has passed, opens no more, then closes the tube.
  void drain(Duration drain);

 private:
  Tube();
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace isotube::tube
