// Changes of state, by outcomes and by hand.
#include "isolation/breaker.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace isotube::isolation {

Breaker::Breaker(const CircuitConfig& config, const Random& random, Observer observer, CircuitMode mode)
    : config_(config), observer_(std::move(observer)), random_(random), mode_(mode) {
  ISOTUBE_ASSERT(config.validate().has_value());
  if (config.window) window_.emplace(*config.window);
  if (mode == CircuitMode::ForcedOpen) state_ = CircuitState::Open;
  assume_posture();
}

void Breaker::trip(TimePoint now, ErrorType type, std::string_view reason) {
  Lock lock(mutex_);
  if (!counts_outcomes() || state_ == CircuitState::Open) return;
  open(now, type, type, TransitionCause::Tripped, reason);
  deliver(lock);
}

void Breaker::force_open(TimePoint now, std::string_view reason) {
  Lock lock(mutex_);
  if (mode_ == CircuitMode::ForcedOpen) {
    reason_ = reason.substr(0, kMaxReason);
    return;
  }
  change_mode(now, CircuitMode::ForcedOpen, TransitionCause::Forced, reason);
  deliver(lock);
}

void Breaker::reset(TimePoint now) {
  Lock lock(mutex_);
  if (mode_ == CircuitMode::ForcedOpen) mode_ = mode_before_force_;
  enter(now, CircuitState::Closed, TransitionCause::Reset);
  deliver(lock);
}

void Breaker::set_mode(TimePoint now, CircuitMode mode) {
  Lock lock(mutex_);
  if (mode == mode_) return;
  change_mode(now, mode, TransitionCause::ModeChanged);
  deliver(lock);
}

void Breaker::change_mode(TimePoint now, CircuitMode mode, TransitionCause cause, std::string_view reason) {
  const bool counted = counts_outcomes();
  if (mode == CircuitMode::ForcedOpen) mode_before_force_ = mode_;
  mode_ = mode;
  if (counted && counts_outcomes()) {
    // Observe sees what Normal would do: neither begins anew when the other takes over.
    latest_ = std::max(latest_, now);
    announce(state_, cause);
    return;
  }
  forget_failures();
  reason_ = reason.substr(0, kMaxReason);
  enter(now, mode == CircuitMode::ForcedOpen ? CircuitState::Open : CircuitState::Closed, cause);
}

void Breaker::open(TimePoint now, ErrorType operation, ErrorType type, TransitionCause cause, std::string_view reason) {
  latest_ = std::max(latest_, now);
  open_until_ = latest_ + open_time_.next(config_.timeout, config_.factor_of(type), config_.max_open_time, random_);
  opened_by_ = type;
  failed_operation_ = operation;
  reason_ = reason.substr(0, kMaxReason);
  ++error_type_triggered_opens_[type];
  enter(now, CircuitState::Open, cause);
}

void Breaker::enter(TimePoint now, CircuitState to, TransitionCause cause) {
  latest_ = std::max(latest_, now);
  const CircuitState from = std::exchange(state_, to);
  ++epoch_;
  test_successes_ = 0;
  tests_in_flight_ = 0;
  if (to == CircuitState::Open && from != CircuitState::Open) ++circuit_opens_;
  if (to == CircuitState::Closed) {
    if (from != CircuitState::Closed) ++circuit_closes_;
    forget_failures();
  }
  if (to != CircuitState::Open) open_until_.reset();
  assume_posture();
  announce(from, cause);
}

void Breaker::forget_failures() {
  streak_ = 0;
  streaks_ = {};
  if (window_) window_->clear();
  open_time_.forget();
  open_until_.reset();
  opened_by_.reset();
  reason_.clear();
}

void Breaker::assume_posture() {
  const bool closed = state_ == CircuitState::Closed;
  Gate::Posture posture{.epoch = epoch_,
                        .guard_entry = !closed || mode_ == CircuitMode::Disabled,
                        .guard_success = !closed || (window_ && counts_outcomes()),
                        .streak = closed && streak_ > 0};
  for (const ErrorType type : kErrorTypes) posture.streaks[type] = closed && streaks_[type] > 0;
  gate_.assume(posture);
}

void Breaker::announce(CircuitState from, TransitionCause cause) {
  ++transitions_;
  if (!observer_) return;
  if (pending_.size() == kMaxPending) {
    pending_.erase(pending_.begin());
    ++transitions_lost_;
  }
  pending_.push_back({.number = transitions_,
                      .from = from,
                      .to = state_,
                      .cause = cause,
                      .mode = mode_,
                      .at = latest_,
                      .open_until = open_until_,
                      .opened_by = opened_by_,
                      .reason = reason_});
}

void Breaker::deliver(Lock& lock) {
  // Whoever finds the observer free delivers until nothing is left, others go on with their work: so transitions arrive
  // in order, and an observer that uses the breaker waits for nobody.
  if (delivering_ || pending_.empty()) return;
  delivering_ = true;
  while (!pending_.empty()) {
    const Transition transition = std::move(pending_.front());
    pending_.erase(pending_.begin());
    lock.unlock();
    bool failed = false;
    try {
      observer_(transition);
    } catch (...) {
      failed = true;
    }
    lock.lock();
    if (failed) ++observer_failures_;
  }
  delivering_ = false;
}

std::uint64_t Breaker::observer_failures() const {
  const Lock lock(mutex_);
  return observer_failures_;
}

}  // namespace isotube::isolation
