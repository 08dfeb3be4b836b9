#include "isolation/alerts.hpp"

#include <utility>

namespace isotube::isolation {

namespace {

/// A counter that went back belongs to something that began anew: all of it is new.
[[nodiscard]] std::uint64_t growth(std::uint64_t before, std::uint64_t now) {
  return now >= before ? now - before : now;
}

void note(std::vector<AlertChange>& changes, bool& firing, bool wanted, AlertChange change) {
  if (std::exchange(firing, wanted) == wanted) return;
  change.state = wanted ? AlertState::Firing : AlertState::Resolved;
  changes.push_back(change);
}

}  // namespace

std::string_view to_string(AlertKind kind) {
  switch (kind) {
    case AlertKind::BreakerOpensOften:
      return "breaker-opens-often";
    case AlertKind::TurnFailureRate:
      return "turn-failure-rate";
    case AlertKind::ErrorTypeSpike:
      return "error-type-spike";
    case AlertKind::SparesExhausted:
      break;
  }
  return "spares-exhausted";
}

std::vector<AlertChange> TubeAlerts::look(TimePoint now, const AlertCounters& counters) {
  count(now, counters);
  std::vector<AlertChange> changes;

  const std::uint64_t opens = opens_.sum();
  note(changes, opens_often_, opens > limits_.opens_per_hour,
       {.kind = AlertKind::BreakerOpensOften, .at = now, .value = static_cast<double>(opens)});

  const std::uint64_t transactions = transactions_.sum();
  const double rate = transactions == 0 ? 0 : static_cast<double>(failures_.sum()) / static_cast<double>(transactions);
  note(changes, turn_fails_, transactions >= limits_.turn_transactions && rate > limits_.turn_failure_rate,
       {.kind = AlertKind::TurnFailureRate, .at = now, .value = rate});

  for (const ErrorType type : kErrorTypes) {
    const std::uint64_t lately = errors_lately_[type].sum();
    const double average = static_cast<double>(errors_in_hour_[type].sum()) / double{kLongSteps};
    const bool spikes = lately >= limits_.errors && static_cast<double>(lately) > limits_.error_factor * average;
    note(changes, spiking_[type], spikes,
         {.kind = AlertKind::ErrorTypeSpike, .at = now, .type = type, .value = static_cast<double>(lately)});
  }
  return changes;
}

bool TubeAlerts::firing(AlertKind kind) const {
  switch (kind) {
    case AlertKind::BreakerOpensOften:
      return opens_often_;
    case AlertKind::TurnFailureRate:
      return turn_fails_;
    case AlertKind::ErrorTypeSpike:
      for (const ErrorType type : kErrorTypes) {
        if (spiking_[type]) return true;
      }
      return false;
    case AlertKind::SparesExhausted:
      break;
  }
  return false;
}

void TubeAlerts::count(TimePoint now, const AlertCounters& counters) {
  const std::int64_t short_step = now.time_since_epoch() / kShortStep;
  const std::int64_t long_step = now.time_since_epoch() / kLongStep;
  opens_.add(long_step, growth(seen_.circuit_opens, counters.circuit_opens));
  transactions_.add(short_step, growth(seen_.turn_transactions, counters.turn_transactions));
  failures_.add(short_step, growth(seen_.turn_failures, counters.turn_failures));
  for (const ErrorType type : kErrorTypes) {
    const std::uint64_t errors = growth(seen_.error_type_counts[type], counters.error_type_counts[type]);
    errors_lately_[type].add(short_step, errors);
    errors_in_hour_[type].add(long_step, errors);
  }
  seen_ = counters;
}

std::optional<AlertChange> SparesAlert::look(TimePoint now, std::uint32_t used, std::uint32_t all) {
  const bool exhausted = used > 0 && used >= all;
  if (std::exchange(firing_, exhausted) == exhausted) return std::nullopt;
  return AlertChange{.kind = AlertKind::SparesExhausted,
                     .state = exhausted ? AlertState::Firing : AlertState::Resolved,
                     .at = now,
                     .value = static_cast<double>(used)};
}

}  // namespace isotube::isolation
