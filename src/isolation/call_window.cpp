#include "isolation/call_window.hpp"

#include <algorithm>

namespace isotube::isolation {

namespace {

constexpr std::size_t kTenths = 10;

}  // namespace

CallWindow::CallWindow(const CircuitWindow& config)
    : config_(config), slots_(config.kind == CircuitWindow::Kind::LastCalls ? config.calls : kTenths) {}

CallWindow::Verdict CallWindow::record(TimePoint now, Call call) {
  Slot& slot = slot_for(now);
  const Slot one{.calls = 1, .failed = call.failed ? 1U : 0U, .slow = call.took >= config_.slow_call ? 1U : 0U};
  for (Slot* each : {&slot, &sum_}) {
    each->calls += one.calls;
    each->failed += one.failed;
    each->slow += one.slow;
  }
  if (sum_.calls < config_.minimum_calls) return Verdict::Fine;
  const auto calls = static_cast<double>(sum_.calls);
  if (sum_.failed >= config_.failure_rate * calls) return Verdict::TooManyFail;
  if (sum_.slow >= config_.slow_call_rate * calls) return Verdict::TooManySlow;
  return Verdict::Fine;
}

void CallWindow::clear() {
  std::ranges::fill(slots_, Slot{});
  sum_ = {};
}

CallWindow::Slot& CallWindow::slot_for(TimePoint now) {
  if (config_.kind == CircuitWindow::Kind::LastCalls) {
    newest_ = (newest_ + 1) % slots_.size();
    empty(slots_[newest_]);
    return slots_[newest_];
  }
  const std::int64_t tenth = now.time_since_epoch() / std::max(config_.span / std::int64_t{kTenths}, Duration(1));
  // Callers on several threads may hand in times that overtake each other by a little: those count as the newest.
  const std::int64_t passed = std::clamp<std::int64_t>(tenth - newest_tenth_, 0, std::int64_t{kTenths});
  for (std::int64_t i = 0; i < passed; ++i) {
    newest_ = (newest_ + 1) % slots_.size();
    empty(slots_[newest_]);
  }
  newest_tenth_ = std::max(tenth, newest_tenth_);
  return slots_[newest_];
}

void CallWindow::empty(Slot& slot) {
  sum_.calls -= slot.calls;
  sum_.failed -= slot.failed;
  sum_.slow -= slot.slow;
  slot = {};
}

}  // namespace isotube::isolation
