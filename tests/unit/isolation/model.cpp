#include "model.hpp"

namespace isotube::isolation {

Model::Model(const CircuitConfig& config, const Random& random, CircuitMode mode)
    : config_(config), random_(random), mode_(mode) {
  if (mode == CircuitMode::ForcedOpen) state_ = CircuitState::Open;
}

std::expected<Model::Ticket, CircuitRefusal> Model::acquire(TimePoint now, ErrorType operation) {
  if (mode_ == CircuitMode::Disabled) return Ticket{};
  Ticket ticket{.counted = true, .operation = operation, .started = now};
  if (state_ == CircuitState::Open && until_ && now >= *until_) {
    go(now, CircuitState::HalfOpen, TransitionCause::OpenTimeEnded);
  }
  std::optional<CircuitRefusal> refusal;
  if (state_ == CircuitState::Open) {
    refusal = CircuitRefusal{.kind = CircuitErrorKind::CircuitOpen, .opened_by = opened_by_};
    if (until_) refusal->time_left = *until_ - now;
  } else if (state_ == CircuitState::HalfOpen && tests_running_ == config_.max_half_open_requests) {
    refusal = CircuitRefusal{.kind = CircuitErrorKind::TooManyTestRequests, .opened_by = opened_by_};
  }
  if (refusal && mode_ != CircuitMode::Observe) {
    ++counts_.refused;
    return std::unexpected(*refusal);
  }
  if (!refusal) {
    ticket.run = run_;
    if (state_ == CircuitState::HalfOpen) {
      ++tests_running_;
      last_test_ = now;
    }
  }
  ++counts_.in_flight;
  return ticket;
}

void Model::finish(TimePoint now, const Ticket& ticket, Outcome outcome, ErrorType type) {
  if (!ticket.counted) return;
  --counts_.in_flight;
  const bool current = ticket.run == run_;
  if (current && state_ == CircuitState::HalfOpen) --tests_running_;
  if (outcome == Outcome::Dropped) {
    ++counts_.cancelled;
    return;
  }
  if (outcome == Outcome::Timeout) {
    type = ticket.operation;
    ++counts_.timeouts;
  }
  const bool failed = outcome != Outcome::Success;
  if (failed) {
    ++counts_.failed;
    ++counts_.error_type_counts[type];
  } else {
    ++counts_.successful;
    type = ticket.operation;
  }
  if (current) learn(now, ticket.operation, type, failed, now - ticket.started);
}

void Model::report_failure(TimePoint now, ErrorType type) {
  if (mode_ == CircuitMode::Disabled) return;
  ++counts_.failed;
  ++counts_.error_type_counts[type];
  learn(now, type, type, true, Duration(0));
}

void Model::learn(TimePoint now, ErrorType operation, ErrorType type, bool failed, Duration took) {
  if (!rules() || state_ == CircuitState::Open) return;
  if (state_ == CircuitState::HalfOpen) {
    if (failed) return open(now, operation, type, TransitionCause::TestFailed);
    if (++tests_succeeded_ == config_.success_threshold) {
      go(now, CircuitState::Closed, TransitionCause::TestsSucceeded);
    }
    return;
  }
  if (config_.window) return learn_in_window(now, operation, type, failed, took);
  if (!failed) {
    in_a_row_ = 0;
    in_a_row_by_type_[operation] = 0;
    return;
  }
  ++in_a_row_;
  ++in_a_row_by_type_[type];
  if (in_a_row_ == config_.failure_threshold) {
    open(now, operation, type, TransitionCause::FailureThreshold);
  } else if (in_a_row_by_type_[type] >= config_.threshold_of(type)) {
    open(now, operation, type, TransitionCause::TypeThreshold);
  }
}

void Model::learn_in_window(TimePoint now, ErrorType operation, ErrorType type, bool failed, Duration took) {
  const CircuitWindow& window = *config_.window;
  calls_.push_back({now, failed, took >= window.slow_call});
  if (window.kind == CircuitWindow::Kind::LastCalls) {
    if (calls_.size() > window.calls) calls_.pop_front();
  } else {
    const Duration tenth = window.span / 10;
    const auto step = [&](TimePoint at) { return at.time_since_epoch() / tenth; };
    while (step(calls_.front().ended) <= step(now) - 10) calls_.pop_front();
  }
  if (calls_.size() < window.minimum_calls) return;
  const auto all = static_cast<double>(calls_.size());
  const auto failures = static_cast<double>(std::ranges::count_if(calls_, &Call::failed));
  const auto slow = static_cast<double>(std::ranges::count_if(calls_, &Call::slow));
  if (failures >= window.failure_rate * all) {
    open(now, operation, type, TransitionCause::FailureRate);
  } else if (slow >= window.slow_call_rate * all) {
    open(now, operation, type, TransitionCause::SlowCallRate);
  }
}

void Model::trip(TimePoint now, ErrorType type, const std::string& reason) {
  if (rules() && state_ != CircuitState::Open) open(now, type, type, TransitionCause::Tripped, reason);
}

void Model::force_open(TimePoint now, const std::string& reason) {
  if (mode_ == CircuitMode::ForcedOpen) {
    reason_ = reason;
  } else {
    switch_mode(now, CircuitMode::ForcedOpen, TransitionCause::Forced, reason);
  }
}

void Model::reset(TimePoint now) {
  if (mode_ == CircuitMode::ForcedOpen) mode_ = before_force_;
  go(now, CircuitState::Closed, TransitionCause::Reset);
}

void Model::set_mode(TimePoint now, CircuitMode mode) {
  if (mode != mode_) switch_mode(now, mode, TransitionCause::ModeChanged, "");
}

void Model::switch_mode(TimePoint now, CircuitMode mode, TransitionCause cause, const std::string& reason) {
  const bool ruled = rules();
  if (mode == CircuitMode::ForcedOpen) before_force_ = mode_;
  mode_ = mode;
  if (ruled && rules()) return record(now, state_, cause);
  clean();
  if (mode == CircuitMode::ForcedOpen) reason_ = reason;
  go(now, mode == CircuitMode::ForcedOpen ? CircuitState::Open : CircuitState::Closed, cause);
}

void Model::open(TimePoint now, ErrorType operation, ErrorType type, TransitionCause cause, const std::string& reason) {
  if (openings_ == 0) share_ = 1 - 0.2 * random_.unit();
  const double first = static_cast<double>(config_.timeout.count()) * config_.factor_of(type) * share_;
  const auto limit = static_cast<double>(config_.max_open_time.count());
  Duration time = first < limit ? Duration(static_cast<Duration::rep>(first)) : config_.max_open_time;
  for (int i = 0; i < openings_; ++i) time = std::min(2 * time, config_.max_open_time);
  ++openings_;
  until_ = now + time;
  opened_by_ = type;
  failed_operation_ = operation;
  reason_ = reason;
  ++counts_.error_type_triggered_opens[type];
  go(now, CircuitState::Open, cause);
}

void Model::go(TimePoint now, CircuitState to, TransitionCause cause) {
  const CircuitState from = state_;
  state_ = to;
  ++run_;
  tests_running_ = 0;
  tests_succeeded_ = 0;
  if (to == CircuitState::Open && from != to) ++counts_.circuit_opens;
  if (to == CircuitState::Closed && from != to) ++counts_.circuit_closes;
  if (to == CircuitState::Closed) clean();
  if (to == CircuitState::HalfOpen) until_.reset();
  record(now, from, cause);
}

void Model::clean() {
  in_a_row_ = 0;
  in_a_row_by_type_.clear();
  calls_.clear();
  openings_ = 0;
  until_.reset();
  opened_by_.reset();
  reason_.clear();
}

void Model::record(TimePoint now, CircuitState from, TransitionCause cause) {
  transitions_.push_back({.number = transitions_.size() + 1,
                          .from = from,
                          .to = state_,
                          .cause = cause,
                          .mode = mode_,
                          .at = now,
                          .open_until = until_,
                          .opened_by = opened_by_,
                          .reason = reason_});
}

Snapshot Model::snapshot() const {
  Snapshot snapshot = counts_;
  snapshot.state = state_;
  snapshot.mode = mode_;
  for (const auto& [type, count] : in_a_row_by_type_) snapshot.current_error_type_failures[type] = count;
  snapshot.current_failures = in_a_row_;
  snapshot.test_successes = tests_succeeded_;
  snapshot.tests_in_flight = tests_running_;
  snapshot.success_threshold = config_.success_threshold;
  snapshot.open_until = until_;
  snapshot.opened_by = opened_by_;
  snapshot.reason = reason_;
  snapshot.transitions = transitions_.size();
  return snapshot;
}

std::optional<Probe> Model::next_probe() const {
  if (state_ == CircuitState::Closed || mode_ == CircuitMode::ForcedOpen) return std::nullopt;
  Probe probe{.due = last_test_ + config_.probe_interval, .operation = failed_operation_, .opened_by = *opened_by_};
  if (state_ == CircuitState::Open) {
    probe.due = *until_;
    return probe;
  }
  if (tests_succeeded_ == 0) {
    if (tests_running_ > 0) return std::nullopt;
    return probe;
  }
  if (tests_running_ == config_.max_half_open_requests) return std::nullopt;
  probe.kind = Probe::Kind::Ping;
  return probe;
}

}  // namespace isotube::isolation
