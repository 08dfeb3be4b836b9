// The relays of one peer: a TURN client for each server, and what goes through them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "peer/relay_events.hpp"
#include "turn/client.hpp"

namespace isotube::peer {

/// Private to this folder.
class Relays {
 public:
  /// The relay carries nothing to that peer.
  struct PathRefused {
    Path path;
  };
  using Event = std::variant<OpenFlow, CloseFlow, RelayAllocated, RelayLost, RelayFailed, PathRefused>;

  struct Transmit {
    FlowId flow;
    Bytes bytes;
  };

  struct Received {
    Path path;
    ByteView payload;
  };

  /// More servers bring no better path, only more load.
  static constexpr std::size_t kMost = 8;

  Relays(turn::Settings settings, Random random) : settings_(settings), random_(random) {}

  /// Nothing if there are too many already.
  [[nodiscard]] std::optional<RelayId> add(const turn::Server& server);
  void allocate(TimePoint now, RelayId relay);
  /// The allocation behind `relayed` is asked whether it still lives.
  void verify(TimePoint now, const Address& relayed);
  /// Gives the allocation back and forgets the server.
  void release(TimePoint now, RelayId relay);
  void release_all(TimePoint now);

  void flow_opened(TimePoint now, FlowId flow);
  void flow_failed(TimePoint now, FlowId flow, std::string reason);
  /// Then drain poll_received() before anything else: what it gives lies in `bytes`, or in the relay.
  void handle_bytes(TimePoint now, FlowId flow, ByteView bytes);
  [[nodiscard]] std::optional<Received> poll_received();

  /// True if `local` is an address that one of our relays gave us.
  [[nodiscard]] bool is_relayed(const Address& local) const { return find(local) != nullptr; }
  /// As in turn::Client; 0 or nothing if there is no such relay.
  [[nodiscard]] std::size_t header_size(const Path& path) const;
  [[nodiscard]] std::size_t frame(TimePoint now, const Path& path, MutableByteView out, std::size_t payload_size);
  [[nodiscard]] std::optional<FlowId> flow_of(const Path& path) const;

  void handle_timeout(TimePoint now);
  [[nodiscard]] std::optional<Transmit> poll_transmit();
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;

  /// No allocation is under way that may still bring a relayed address.
  [[nodiscard]] bool settled() const;
  /// Every allocation was given back, or given up.
  [[nodiscard]] bool empty() const { return relays_.empty(); }
  [[nodiscard]] const turn::Client* client(RelayId relay) const;

 private:
  struct Relay {
    RelayId id;
    turn::Client client;
    /// What it last had: a loss is told with it.
    std::optional<Address> relayed;
  };

  [[nodiscard]] Relay* find(RelayId relay);
  [[nodiscard]] Relay* find(const Address& relayed);
  [[nodiscard]] const Relay* find(const Address& relayed) const;
  /// Takes what the clients say; forgets those that are released.
  void collect_all();
  /// False if the client is done for.
  [[nodiscard]] bool translate(Relay& relay, turn::Event event);

  turn::Settings settings_;
  Random random_;
  std::uint32_t next_id_ = 1;
  std::vector<Relay> relays_;
  std::optional<RelayId> receiving_;
  std::deque<Event> events_;
};

}  // namespace isotube::peer
