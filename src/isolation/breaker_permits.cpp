// Requests and their outcomes.
#include <algorithm>
#include <utility>

#include "isolation/breaker.hpp"

namespace isotube::isolation {

Permit& Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    cancel();
    take(other);
  }
  return *this;
}

void Permit::take(Permit& other) noexcept {
  breaker_ = std::exchange(other.breaker_, nullptr);
  started_ = other.started_;
  epoch_ = other.epoch_;
  operation_ = other.operation_;
}

void Permit::failure(TimePoint now, ErrorType type) {
  if (Breaker* breaker = std::exchange(breaker_, nullptr)) breaker->fail(*this, now, type, Breaker::Ending::Failed);
}

void Permit::timeout(TimePoint now) {
  if (Breaker* breaker = std::exchange(breaker_, nullptr)) {
    breaker->fail(*this, now, operation_, Breaker::Ending::TimedOut);
  }
}

void Permit::cancel() noexcept {
  if (Breaker* breaker = std::exchange(breaker_, nullptr)) breaker->cancel(*this);
}

std::expected<Permit, CircuitRefusal> Breaker::acquire_slowly(TimePoint now, ErrorType operation) {
  Lock lock(mutex_);
  if (mode_ == CircuitMode::Disabled) return Permit();
  if (!gate_.enter_guarded()) {
    ++refused_;
    return std::unexpected(CircuitRefusal{.kind = CircuitErrorKind::TooManyTestRequests});
  }
  const std::expected<Epoch, CircuitRefusal> admitted = admit(now);
  if (admitted) {
    deliver(lock);
    return Permit(*this, now, *admitted, operation);
  }
  if (mode_ == CircuitMode::Observe) return Permit(*this, now, kObserved, operation);
  gate_.leave();
  ++refused_;
  return std::unexpected(admitted.error());
}

std::expected<Epoch, CircuitRefusal> Breaker::admit(TimePoint now) {
  if (state_ == CircuitState::Open) {
    if (!open_until_ || now < *open_until_) return std::unexpected(open_refusal(now));
    // The request that finds the open time over is the first test request itself.
    enter(now, CircuitState::HalfOpen, TransitionCause::OpenTimeEnded);
  }
  if (state_ == CircuitState::HalfOpen) {
    if (tests_in_flight_ >= config_.max_half_open_requests) {
      return std::unexpected(CircuitRefusal{.kind = CircuitErrorKind::TooManyTestRequests, .opened_by = opened_by_});
    }
    ++tests_in_flight_;
    latest_ = std::max(latest_, now);
    last_test_ = latest_;
  }
  return epoch_ & Gate::kEpochMask;
}

CircuitRefusal Breaker::open_refusal(TimePoint now) const {
  CircuitRefusal refusal{.kind = CircuitErrorKind::CircuitOpen, .opened_by = opened_by_};
  if (open_until_) refusal.time_left = *open_until_ - now;
  return refusal;
}

void Breaker::succeed_slowly(const Permit& permit, TimePoint now) {
  Lock lock(mutex_);
  gate_.leave();
  successful_ += 1 + gate_.take_successes();
  if (is_current(permit)) {
    drive(now,
          {.operation = permit.operation_, .type = permit.operation_, .took = now - permit.started_, .failed = false});
  }
  deliver(lock);
}

void Breaker::fail(const Permit& permit, TimePoint now, ErrorType type, Ending ending) {
  Lock lock(mutex_);
  gate_.leave();
  ++failed_;
  ++error_type_counts_[type];
  if (ending == Ending::TimedOut) ++timeouts_;
  if (is_current(permit)) {
    drive(now, {.operation = permit.operation_, .type = type, .took = now - permit.started_, .failed = true});
  }
  deliver(lock);
}

void Breaker::cancel(const Permit& permit) {
  const Lock lock(mutex_);
  gate_.leave();
  ++cancelled_;
  if (is_current(permit) && state_ == CircuitState::HalfOpen) --tests_in_flight_;
}

void Breaker::report_failure(TimePoint now, ErrorType type) {
  Lock lock(mutex_);
  if (mode_ == CircuitMode::Disabled) return;
  ++failed_;
  ++error_type_counts_[type];
  drive(now, {.operation = type, .type = type, .took = Duration(0), .failed = true});
  deliver(lock);
}

void Breaker::drive(TimePoint now, const Outcome& outcome) {
  if (!counts_outcomes()) return;
  switch (state_) {
    case CircuitState::Open:
      return;
    case CircuitState::HalfOpen:
      return judge_test(now, outcome);
    case CircuitState::Closed:
      break;
  }
  if (window_) return judge_window(now, outcome);
  if (outcome.failed) return extend_streak(now, outcome);
  end_streak(outcome.operation);
}

void Breaker::judge_test(TimePoint now, const Outcome& outcome) {
  if (outcome.failed) return open(now, outcome.operation, outcome.type, TransitionCause::TestFailed);
  --tests_in_flight_;
  ++test_successes_;
  if (test_successes_ >= config_.success_threshold) enter(now, CircuitState::Closed, TransitionCause::TestsSucceeded);
}

void Breaker::judge_window(TimePoint now, const Outcome& outcome) {
  switch (window_->record(now, {.took = outcome.took, .failed = outcome.failed})) {
    case CallWindow::Verdict::Fine:
      return;
    case CallWindow::Verdict::TooManyFail:
      return open(now, outcome.operation, outcome.type, TransitionCause::FailureRate);
    case CallWindow::Verdict::TooManySlow:
      return open(now, outcome.operation, outcome.type, TransitionCause::SlowCallRate);
  }
}

void Breaker::end_streak(ErrorType operation) {
  streak_ = 0;
  streaks_[operation] = 0;
  assume_posture();
}

void Breaker::extend_streak(TimePoint now, const Outcome& failure) {
  ++streak_;
  const std::uint32_t of_type = ++streaks_[failure.type];
  if (streak_ >= config_.failure_threshold) {
    open(now, failure.operation, failure.type, TransitionCause::FailureThreshold);
  } else if (of_type >= config_.threshold_of(failure.type)) {
    open(now, failure.operation, failure.type, TransitionCause::TypeThreshold);
  } else {
    assume_posture();
  }
}

}  // namespace isotube::isolation
