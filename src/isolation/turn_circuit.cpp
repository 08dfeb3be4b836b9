#include "isolation/turn_circuit.hpp"

#include <algorithm>
#include <utility>

namespace isotube::isolation {

namespace {

[[nodiscard]] bool concerns_credentials(const turn::TurnError& error) {
  return error.cause == turn::Cause::ErrorResponse && (error.code == 401 || error.code == 441);
}

}  // namespace

TurnFailure classify(const turn::TurnError& error) {
  if (error.cause != turn::Cause::ErrorResponse) return TurnFailure::Counts;
  switch (error.code) {
    case 401:
    case 441:
    case 486:
    case 508:
      return TurnFailure::OpensAtOnce;
    case 400:
    case 403:
    case 443: {
      const bool about_a_peer =
          error.method == stun::Method::CreatePermission || error.method == stun::Method::ChannelBind;
      return about_a_peer ? TurnFailure::PeerRefused : TurnFailure::Counts;
    }
    default:
      return TurnFailure::Counts;
  }
}

TurnCircuit::TurnCircuit(const TurnCircuitConfig& config, const Random& random) : config_(config), random_(random) {}

std::expected<AllocateTicket, TurnRefusal> TurnCircuit::try_allocate(TimePoint now) {
  switch (state_) {
    case CircuitState::Closed:
      return AllocateTicket{epoch_};
    case CircuitState::Open:
      if (now < until_) return std::unexpected(TurnRefusal{until_ - now});
      break;
    case CircuitState::HalfOpen:
      if (now < until_) return std::unexpected(TurnRefusal{});
      break;
  }
  enter(now, CircuitState::HalfOpen);
  until_ = now + config_.probe_limit;
  return AllocateTicket{epoch_};
}

void TurnCircuit::allocated(TimePoint now, AllocateTicket ticket) {
  if (ticket.epoch != epoch_) return;
  if (state_ == CircuitState::HalfOpen) return enter(now, CircuitState::Closed);
  streak_ = 0;
}

void TurnCircuit::allocate_failed(TimePoint now, AllocateTicket ticket, const turn::TurnError& error) {
  if (ticket.epoch == epoch_) return count_failure(now, error, classify(error));
  // It began before the circuit last changed: it is counted, but the state is about what came after it.
  ++failure_count_;
}

void TurnCircuit::allocate_cancelled(TimePoint now, AllocateTicket ticket) {
  if (ticket.epoch != epoch_ || state_ != CircuitState::HalfOpen) return;
  until_ = now;
  enter(now, CircuitState::Open);
}

void TurnCircuit::succeeded() {
  if (state_ == CircuitState::Closed) streak_ = 0;
}

void TurnCircuit::failed(TimePoint now, const turn::TurnError& error) {
  const TurnFailure kind = classify(error);
  if (kind == TurnFailure::PeerRefused) {
    ++peers_refused_;
    return;
  }
  if (state_ == CircuitState::Closed) return count_failure(now, error, kind);
  ++failure_count_;
}

void TurnCircuit::all_peers_refused(TimePoint now, const turn::TurnError& error) {
  if (state_ == CircuitState::Closed) return count_failure(now, error, TurnFailure::Counts);
  ++failure_count_;
}

void TurnCircuit::count_failure(TimePoint now, const turn::TurnError& error, TurnFailure kind) {
  ++failure_count_;
  ++streak_;
  const bool opens =
      state_ == CircuitState::HalfOpen || kind == TurnFailure::OpensAtOnce || streak_ >= config_.failure_threshold;
  if (opens) open(now, error);
}

void TurnCircuit::credentials_changed(TimePoint now) {
  if (state_ == CircuitState::Closed || !opened_by_credentials_) return;
  until_ = now;
  // A probe under way still shows the old ones.
  if (state_ == CircuitState::HalfOpen) enter(now, CircuitState::Open);
}

void TurnCircuit::reset(TimePoint now) {
  if (state_ == CircuitState::Closed) {
    streak_ = 0;
    return;
  }
  enter(now, CircuitState::Closed);
}

std::optional<TimePoint> TurnCircuit::next_probe() const {
  if (state_ == CircuitState::Closed) return std::nullopt;
  return until_;
}

std::optional<TurnTransition> TurnCircuit::poll_transition() {
  if (pending_.empty()) return std::nullopt;
  TurnTransition transition = std::move(pending_.front());
  pending_.erase(pending_.begin());
  return transition;
}

void TurnCircuit::open(TimePoint now, const turn::TurnError& error) {
  until_ = now + open_time_.next(config_.open_time, 1.0, config_.max_open_time, random_);
  opened_by_credentials_ = concerns_credentials(error);
  enter(now, CircuitState::Open, error);
}

void TurnCircuit::enter(TimePoint now, CircuitState to, std::optional<turn::TurnError> failure) {
  const CircuitState from = std::exchange(state_, to);
  ++epoch_;
  if (to == CircuitState::Closed) {
    streak_ = 0;
    open_time_.forget();
    until_ = kNever;
  }
  if (pending_.size() == kMaxPending) pending_.erase(pending_.begin());
  pending_.push_back({.number = ++transitions_,
                      .from = from,
                      .to = to,
                      .at = now,
                      .open_until = to == CircuitState::Open ? std::optional(until_) : std::nullopt,
                      .failure = std::move(failure)});
}

}  // namespace isotube::isolation
