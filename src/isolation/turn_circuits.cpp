#include "isolation/turn_circuits.hpp"

#include <algorithm>
#include <utility>

namespace isotube::isolation {

TurnCircuits::TurnCircuits(const TurnCircuitConfig& config, const Random& random) : config_(config), random_(random) {}

void TurnCircuits::configure(std::span<const std::string> servers) {
  std::vector<Entry> former = std::exchange(entries_, {});
  for (const std::string& server : servers) {
    if (at(server) != nullptr || entries_.size() == kMaxServers) continue;
    const auto known = std::ranges::find(former, server, &Entry::server);
    if (known == former.end()) {
      entries_.push_back({server, TurnCircuit(config_, random_.fork(server))});
    } else {
      entries_.push_back(std::move(*known));
      former.erase(known);
    }
  }
  for (const Entry& gone : former) failures_of_former_servers_ += gone.circuit.failure_count();
}

TurnCircuit* TurnCircuits::at(std::string_view server) {
  const auto entry = std::ranges::find(entries_, server, &Entry::server);
  return entry == entries_.end() ? nullptr : &entry->circuit;
}

const TurnCircuit* TurnCircuits::at(std::string_view server) const {
  const auto entry = std::ranges::find(entries_, server, &Entry::server);
  return entry == entries_.end() ? nullptr : &entry->circuit;
}

std::vector<std::string> TurnCircuits::servers() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const Entry& entry : entries_) names.push_back(entry.server);
  return names;
}

bool TurnCircuits::is_healthy() const {
  return entries_.empty() || std::ranges::any_of(entries_, [](const Entry& entry) {
           return entry.circuit.state() == CircuitState::Closed;
         });
}

std::uint64_t TurnCircuits::turn_failure_count() const {
  std::uint64_t count = failures_of_former_servers_;
  for (const Entry& entry : entries_) count += entry.circuit.failure_count();
  return count;
}

std::optional<TurnProbe> TurnCircuits::next_probe() const {
  std::optional<TurnProbe> first;
  for (const Entry& entry : entries_) {
    const std::optional<TimePoint> due = entry.circuit.next_probe();
    if (due && (!first || *due < first->due)) first = TurnProbe{entry.server, *due};
  }
  return first;
}

std::optional<Duration> TurnCircuits::time_left(TimePoint now) const {
  if (is_healthy()) return std::nullopt;
  const std::optional<TurnProbe> first = next_probe();
  return first ? std::optional(std::max(first->due - now, Duration(0))) : std::nullopt;
}

void TurnCircuits::credentials_changed(TimePoint now) {
  for (Entry& entry : entries_) entry.circuit.credentials_changed(now);
}

void TurnCircuits::reset(TimePoint now) {
  for (Entry& entry : entries_) entry.circuit.reset(now);
}

std::optional<ServerTransition> TurnCircuits::poll_transition() {
  for (Entry& entry : entries_) {
    if (std::optional<TurnTransition> transition = entry.circuit.poll_transition()) {
      return ServerTransition{entry.server, std::move(*transition)};
    }
  }
  return std::nullopt;
}

}  // namespace isotube::isolation
