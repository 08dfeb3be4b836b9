// A network in virtual time that loses, repeats, reorders, delays and cuts off, all by dice that its seed fixes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/time.hpp"

namespace isotube::sim {

/// Nothing gets through from `begin` until before `end`.
struct Blackhole {
  TimePoint begin;
  TimePoint end;
};

/// One direction of a link.
struct LinkSettings {
  double loss = 0;       ///< share of datagrams that vanish
  double duplicate = 0;  ///< share that comes twice, each copy with a delay of its own
  double reorder = 0;    ///< share that is held up by `reorder_delay`, so that later ones overtake it
  Duration delay = std::chrono::milliseconds(10);
  Duration jitter = Duration::zero();  ///< up to this much more; datagrams do not overtake each other by it
  Duration reorder_delay = std::chrono::milliseconds(30);
  /// Largest IP packet; what is longer vanishes, as it does on a path that drops ICMP.
  std::size_t mtu = 1'500;
  /// Bytes a second, with a queue of `queue_bytes` before it; what does not fit there vanishes.
  std::optional<std::uint64_t> rate;
  std::size_t queue_bytes = 256 * 1024;
  std::vector<Blackhole> blackholes;
};

struct NetworkCounters {
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;  ///< by dice, MTU, queue or blackhole, or for want of a link
  std::uint64_t duplicated = 0;
  std::uint64_t arrived = 0;
};

struct Arrival {
  Path path;  ///< as the receiver sees it
  Bytes datagram;
};

/// Links join pairs of transport addresses. What arrives at the same time arrives in the order in which it was sent.
class Network {
 public:
  explicit Network(std::uint64_t seed) : seed_(seed) {}

  /// Both directions between `one` and `other`. A later call with the same pair changes it; its dice go on.
  void join(const Address& one, const Address& other, const LinkSettings& settings);
  void join(const Address& one, const Address& other, const LinkSettings& there, const LinkSettings& back);

  /// `path` as the sender sees it.
  void send(TimePoint now, const Path& path, ByteView datagram);
  [[nodiscard]] TimePoint next_arrival() const;
  /// What has arrived by `now`.
  [[nodiscard]] std::optional<Arrival> take(TimePoint now);
  [[nodiscard]] const NetworkCounters& counters() const { return counters_; }

 private:
  struct Direction {
    LinkSettings settings;
    std::uint64_t key = 0;     ///< from its ends alone, so that no other link shifts its dice
    std::uint64_t number = 0;  ///< datagrams so far
    TimePoint last_arrival{};
    TimePoint busy_until{};
  };

  void set_direction(const Address& from, const Address& to, const LinkSettings& settings);
  [[nodiscard]] std::optional<TimePoint> departure(Direction& direction, TimePoint now, std::size_t size) const;
  void deliver(TimePoint when, const Path& path, ByteView datagram);

  std::uint64_t seed_;
  std::uint64_t sequence_ = 0;
  std::map<std::pair<Address, Address>, Direction> directions_;
  std::map<std::pair<TimePoint, std::uint64_t>, Arrival> on_their_way_;
  NetworkCounters counters_;
};

}  // namespace isotube::sim
