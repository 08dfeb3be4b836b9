// What a peer tells of its relays, and what it needs of its driver to reach them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "base/address.hpp"
#include "turn/client.hpp"

namespace isotube::peer {

/// Names one TURN server of one peer, in the order of adding. Never used twice.
enum class RelayId : std::uint32_t {};

/// Names one way to a TURN server that the driver opens. Never used twice.
struct FlowId {
  RelayId relay{};
  turn::FlowId flow = 0;

  friend auto operator<=>(const FlowId&, const FlowId&) = default;
};

/// The driver is to open a flow and to answer with flow_opened() or flow_failed(); a UDP flow is a socket of its own
/// with a new port, the others are connections.
struct OpenFlow {
  FlowId flow;
  turn::Transport transport = turn::Transport::Udp;
  Address server;
  /// What its certificate must be for.
  std::string name;
};
/// The driver is to close it, once what was polled for it has left.
struct CloseFlow {
  FlowId flow;
};
struct RelayAllocated {
  RelayId relay{};
  Address relayed;
  Address mapped;
};
/// The relay is gone, or was never had: allocate_relay() may be called again.
struct RelayLost {
  RelayId relay{};
  std::optional<Address> relayed;
};
/// A TURN transaction ended for good (isolation counts these).
struct RelayFailed {
  RelayId relay{};
  turn::TurnError error;
};

}  // namespace isotube::peer
