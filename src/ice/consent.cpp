#include "ice/consent.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace isotube::ice {
namespace {

/// So many checks in a row tell a path that fails from a lost datagram.
constexpr std::size_t kSilence = 2;

}  // namespace

void Consent::start(TimePoint now, TimePoint granted) {
  hold();
  expires_at_ = granted + expiry_;
  check_at_ = now + draw_interval();
}

void Consent::stop() {
  hold();
  expires_at_ = kNever;
}

void Consent::hold() {
  unanswered_.clear();
  check_at_ = unanswered_at_ = silent_at_ = kNever;
}

Duration Consent::draw_interval() {
  // RFC 7675 5.1: from 0.8 to 1.2 of the interval, so that checks of many paths do not fall together.
  return std::chrono::duration_cast<Duration>(interval_ * (0.8 + 0.4 * random_.unit()));
}

Consent::Due Consent::due(TimePoint now) {
  if (now >= expires_at_) {
    stop();
    return Due::Expired;
  }
  if (now >= unanswered_at_) {
    unanswered_at_ = kNever;
    return Due::Unanswered;
  }
  if (now >= silent_at_) {
    silent_at_ = kNever;
    return Due::Silent;
  }
  if (now >= check_at_) {
    check_at_ = now + std::max(draw_interval(), Duration{1});
    return Due::Check;
  }
  return Due::Nothing;
}

void Consent::sent(TimePoint now, const stun::TransactionId& id, Duration patience) {
  unanswered_.push_back({id, now});
  if (unanswered_.size() == 1) unanswered_at_ = now + patience;
  if (unanswered_.size() == kSilence) silent_at_ = now + patience;
}

bool Consent::owns(const stun::TransactionId& id) const {
  return std::ranges::find(unanswered_, id, &Sent::id) != unanswered_.end();
}

Duration Consent::answered(TimePoint now, const stun::TransactionId& id) {
  const auto found = std::ranges::find(unanswered_, id, &Sent::id);
  ISOTUBE_ASSERT(found != unanswered_.end());
  const Duration round_trip = now - found->at;
  renew(now);
  return round_trip;
}

void Consent::renew(TimePoint now) {
  unanswered_.clear();
  unanswered_at_ = silent_at_ = kNever;
  expires_at_ = now + expiry_;
}

TimePoint Consent::deadline() const { return std::min({check_at_, unanswered_at_, silent_at_, expires_at_}); }

}  // namespace isotube::ice
