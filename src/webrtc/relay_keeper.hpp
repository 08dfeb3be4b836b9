// Keeps a peer's relays: asks for them when their circuits let it, and again when one is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "isolation/turn_circuits.hpp"
#include "peer/peer.hpp"

namespace isotube::webrtc {

/// What a server is called in circuits, messages and logs: "turn:192.0.2.1:3478", with "?transport=tcp", or "turns:".
[[nodiscard]] std::string name_of(const turn::Server& server);

/// A relay that was lost is asked for again at once; one that could not be had after 1, 2, 4 … 30 s with full jitter,
/// and when its circuit opens, at its next probe. Ownership: one tube's, used on its strand only.
class RelayKeeper {
 public:
  RelayKeeper(peer::Peer& peer, const Random& random);

  /// Asks each of these for a relayed address. Servers over peer::Peer's bound are left out.
  void begin(TimePoint now, std::span<const turn::Server> servers);
  void handle(TimePoint now, const peer::RelayAllocated& event);
  void handle(TimePoint now, const peer::RelayLost& event);
  void handle(TimePoint now, const peer::RelayFailed& event);
  void handle_timeout(TimePoint now);
  [[nodiscard]] TimePoint next_timeout() const;
  /// The peer is closed: no relay is asked for any more.
  void stop();

  [[nodiscard]] const isolation::TurnCircuits& circuits() const { return circuits_; }
  void reset_circuits(TimePoint now);

 private:
  struct Relay {
    peer::RelayId id;
    std::string server;
    std::optional<isolation::AllocateTicket> ticket;
    TimePoint retry_at = kNever;
    std::uint32_t failures = 0;
  };

  [[nodiscard]] Relay* find(peer::RelayId id);
  void allocate(TimePoint now, Relay& relay);
  [[nodiscard]] Duration pause(const Relay& relay);

  peer::Peer& peer_;
  Random random_;
  isolation::TurnCircuits circuits_;
  std::vector<Relay> relays_;
};

}  // namespace isotube::webrtc
