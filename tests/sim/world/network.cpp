#include "sim/world/network.hpp"

#include <algorithm>

#include "sim/world/dice.hpp"

namespace isotube::sim {
namespace {

/// IPv6's 40 would do as well; no test has both.
constexpr std::size_t kIpAndUdpHeaders = 28;

Duration part_of(Duration whole, double share) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(whole.count()) * share));
}

std::uint64_t key_of(const Address& address) {
  std::uint64_t key = address.port;
  for (const std::uint8_t octet : address.ip.octets()) key = Dice{key, octet}.next();
  return key;
}

bool swallows(const LinkSettings& settings, TimePoint now) {
  return std::ranges::any_of(settings.blackholes,
                             [now](const Blackhole& hole) { return now >= hole.begin && now < hole.end; });
}

}  // namespace

void Network::join(const Address& one, const Address& other, const LinkSettings& settings) {
  join(one, other, settings, settings);
}

void Network::join(const Address& one, const Address& other, const LinkSettings& there, const LinkSettings& back) {
  set_direction(one, other, there);
  set_direction(other, one, back);
}

void Network::set_direction(const Address& from, const Address& to, const LinkSettings& settings) {
  Direction& direction = directions_[{from, to}];
  direction.settings = settings;
  direction.key = Dice{key_of(from), key_of(to)}.next();
}

void Network::send(TimePoint now, const Path& path, ByteView datagram) {
  ++counters_.sent;
  const auto found = directions_.find({path.local, path.remote});
  if (found == directions_.end()) {
    ++counters_.lost;
    return;
  }
  Direction& direction = found->second;
  const LinkSettings& settings = direction.settings;
  Dice dice{seed_, direction.key, direction.number++};
  // All dice are thrown for every datagram: what one setting does never shifts another's luck.
  const bool is_lost = dice.falls(settings.loss);
  const bool is_late = dice.falls(settings.reorder);
  const bool is_doubled = dice.falls(settings.duplicate);
  const Duration jitter = part_of(settings.jitter, dice.unit());
  const Duration copy_delay = part_of(settings.jitter + settings.reorder_delay, dice.unit());
  const std::optional<TimePoint> leaves = departure(direction, now, datagram.size() + kIpAndUdpHeaders);
  if (is_lost || !leaves || swallows(settings, now)) {
    ++counters_.lost;
    return;
  }
  TimePoint arrives = *leaves + settings.delay + jitter;
  if (is_late) {
    arrives += settings.reorder_delay;
  } else {
    arrives = std::max(arrives, direction.last_arrival);
    direction.last_arrival = arrives;
  }
  const Path as_received{path.remote, path.local};
  deliver(arrives, as_received, datagram);
  if (is_doubled) {
    ++counters_.duplicated;
    deliver(arrives + copy_delay, as_received, datagram);
  }
}

/// When the last bit has left; nothing if it never does.
std::optional<TimePoint> Network::departure(Direction& direction, TimePoint now, std::size_t size) const {
  const LinkSettings& settings = direction.settings;
  if (size > settings.mtu) return std::nullopt;
  if (!settings.rate) return now;
  const double nanoseconds_per_byte = 1e9 / static_cast<double>(*settings.rate);
  const TimePoint begins = std::max(now, direction.busy_until);
  const double queued = static_cast<double>((begins - now).count()) / nanoseconds_per_byte;
  if (queued + static_cast<double>(size) > static_cast<double>(settings.queue_bytes)) return std::nullopt;
  direction.busy_until =
      begins + Duration(static_cast<Duration::rep>(static_cast<double>(size) * nanoseconds_per_byte));
  return direction.busy_until;
}

void Network::deliver(TimePoint when, const Path& path, ByteView datagram) {
  on_their_way_.emplace(std::pair{when, sequence_++}, Arrival{path, to_bytes(datagram)});
}

TimePoint Network::next_arrival() const { return on_their_way_.empty() ? kNever : on_their_way_.begin()->first.first; }

std::optional<Arrival> Network::take(TimePoint now) {
  if (next_arrival() > now) return std::nullopt;
  ++counters_.arrived;
  return std::move(on_their_way_.extract(on_their_way_.begin()).mapped());
}

}  // namespace isotube::sim
