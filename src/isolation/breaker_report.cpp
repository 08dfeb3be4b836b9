// What a breaker tells of itself.
#include <algorithm>
#include <map>

#include "isolation/breaker.hpp"

namespace isotube::isolation {

std::string_view to_string(TransitionCause cause) {
  switch (cause) {
    case TransitionCause::FailureThreshold:
      return "failure threshold";
    case TransitionCause::TypeThreshold:
      return "threshold of the error type";
    case TransitionCause::FailureRate:
      return "failure rate";
    case TransitionCause::SlowCallRate:
      return "slow-call rate";
    case TransitionCause::TestFailed:
      return "test request failed";
    case TransitionCause::OpenTimeEnded:
      return "open time ended";
    case TransitionCause::TestsSucceeded:
      return "test requests succeeded";
    case TransitionCause::Tripped:
      return "tripped";
    case TransitionCause::Forced:
      return "forced";
    case TransitionCause::Reset:
      return "reset";
    case TransitionCause::ModeChanged:
      break;
  }
  return "mode changed";
}

Snapshot Breaker::snapshot() const {
  const Lock lock(mutex_);
  // One load: what passes the gate meanwhile is either in both of its counts or in none.
  const Gate::Counts passed = gate_.counts();
  return {.state = state_,
          .mode = mode_,
          .successful = successful_ + passed.successes,
          .failed = failed_,
          .refused = refused_,
          .cancelled = cancelled_,
          .in_flight = passed.in_flight,
          .timeouts = timeouts_,
          .circuit_opens = circuit_opens_,
          .circuit_closes = circuit_closes_,
          .error_type_counts = error_type_counts_,
          .error_type_triggered_opens = error_type_triggered_opens_,
          .current_error_type_failures = streaks_,
          .current_failures = streak_,
          .test_successes = test_successes_,
          .tests_in_flight = tests_in_flight_,
          .success_threshold = config_.success_threshold,
          .open_until = open_until_,
          .opened_by = opened_by_,
          .reason = reason_,
          .transitions = transitions_,
          .transitions_lost = transitions_lost_};
}

std::optional<Probe> Breaker::next_probe() const {
  const Lock lock(mutex_);
  if (!opened_by_) return std::nullopt;
  Probe probe{.operation = failed_operation_, .opened_by = *opened_by_};
  if (state_ == CircuitState::Open) {
    probe.due = open_until_.value_or(kNever);
    return probe;
  }
  // The first test's outcome decides what the second is, so it is waited for.
  const std::uint32_t at_a_time = test_successes_ == 0 ? 1 : config_.max_half_open_requests;
  if (tests_in_flight_ >= at_a_time) return std::nullopt;
  probe.due = last_test_ + config_.probe_interval;
  probe.kind = test_successes_ == 0 ? Probe::Kind::FailedOperation : Probe::Kind::Ping;
  return probe;
}

CircuitMetrics metrics_of(const Snapshot& snapshot) {
  return {.total_requests = snapshot.total(),
          .successful_requests = snapshot.successful,
          .failed_requests = snapshot.failed,
          .circuit_opens = snapshot.circuit_opens,
          .circuit_closes = snapshot.circuit_closes,
          .timeouts = snapshot.timeouts};
}

std::string describe_state(const Snapshot& snapshot, TimePoint now) {
  switch (snapshot.state) {
    case CircuitState::Closed:
      break;
    case CircuitState::Open: {
      if (!snapshot.open_until)
        return snapshot.reason.empty() ? "Open (forced)" : "Open (forced: " + snapshot.reason + ")";
      const auto left = std::chrono::ceil<std::chrono::seconds>(std::max(*snapshot.open_until - now, Duration(0)));
      const ErrorType type = snapshot.opened_by.value_or(ErrorType::Unknown);
      return "Open (" + std::to_string(left.count()) + " s left, " + std::string(to_string(type)) + ")";
    }
    case CircuitState::HalfOpen:
      return "Half-Open (" + std::to_string(snapshot.test_successes) + "/" +
             std::to_string(snapshot.success_threshold) + " successes, " + std::to_string(snapshot.tests_in_flight) +
             " in flight)";
  }
  return "Closed";
}

namespace {

template <typename Count>
[[nodiscard]] std::map<std::string, std::uint64_t> by_name(const ByErrorType<Count>& counts) {
  std::map<std::string, std::uint64_t> named;
  for (const ErrorType type : kErrorTypes) {
    if (counts[type] > 0) named.emplace(to_string(type), counts[type]);
  }
  return named;
}

}  // namespace

CircuitBreakerStats stats_of(const Snapshot& snapshot, std::string tube_id, TimePoint now) {
  return {.tube_id = std::move(tube_id),
          .state = describe_state(snapshot, now),
          .total_requests = snapshot.total(),
          .successful_requests = snapshot.successful,
          .failed_requests = snapshot.failed,
          .circuit_opens = snapshot.circuit_opens,
          .circuit_closes = snapshot.circuit_closes,
          .timeouts = snapshot.timeouts,
          .error_type_counts = by_name(snapshot.error_type_counts),
          .error_type_triggered_opens = by_name(snapshot.error_type_triggered_opens),
          .current_error_type_failures = by_name(snapshot.current_error_type_failures),
          .refused = snapshot.refused,
          .cancelled = snapshot.cancelled,
          .in_flight = snapshot.in_flight};
}

}  // namespace isotube::isolation
