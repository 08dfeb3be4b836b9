// Which path is used, and whether it may be: nomination (RFC 8445 8), consent (RFC 7675), and a generation's states.
#include <algorithm>

#include "ice/generation.hpp"

namespace isotube::ice {
namespace {

/// A controlling peer that goes on sending USE-CANDIDATE (RFC 5245's aggressive nomination, libwebrtc) has left a pair
/// when it stopped doing so there for this long.
constexpr Duration kNominationStale = std::chrono::seconds(5);

}  // namespace

void Generation::switch_role(Role role) {
  role_ = role;
  list_.compute_priorities(role);
  nominee_ = nullptr;
  nomination_at_ = kNever;
}

void Generation::forget_nominations() {
  nominated_ = nullptr;
  nominee_ = nullptr;
  nomination_at_ = kNever;
}

bool Generation::is_fresh(TimePoint now, const Pair& pair) const {
  // RFC 7675 5.1: a check that passed long ago is no consent to send now.
  return &pair == selected_ || now - pair.last_answer < shared_.settings.consent_interval;
}

void Generation::note_use_candidate(TimePoint now, Pair& pair) {
  pair.last_use_candidate = now;
  if (!may_follow_nomination(now, pair)) return;
  if (pair.state == PairState::Succeeded && is_fresh(now, pair)) {
    nominate(now, pair);
    select_best(now);
    return;
  }
  pair.nominate_on_success = true;
  if (pair.state == PairState::Succeeded) pair.state = PairState::Waiting;
}

bool Generation::may_follow_nomination(TimePoint now, const Pair& pair) const {
  if (nominated_ == nullptr || nominated_ == &pair || state_ == State::Disconnected) return true;
  // RFC 8445 nominates once. Of several nominations, as RFC 5245 8.1.1.2 makes them, the highest priority holds, unless
  // the peer has gone elsewhere.
  if (pair.priority > nominated_->priority) return true;
  return !nominated_->last_use_candidate || now - *nominated_->last_use_candidate > kNominationStale;
}

void Generation::nominate(TimePoint now, Pair& pair) {
  nominated_ = &pair;
  nominee_ = nullptr;
  nomination_at_ = kNever;
  if (state_ != State::Disconnected) stop_other_checks(now);
}

void Generation::stop_other_checks(TimePoint now) {
  // RFC 8445 8.1.2. What the peer has nominated is still to be checked.
  for (Pair& pair : list_.pairs()) {
    if (&pair == nominated_ || pair.nominate_on_success) continue;
    list_.untrigger(pair);
    pair.cancel_checks(now);
    if (pair.state == PairState::InProgress) pair.state = PairState::Waiting;
  }
}

void Generation::plan_nomination(TimePoint now) {
  if (role_ != Role::Controlling || nominated_ != nullptr || nominee_ != nullptr) return;
  if (list_.best_succeeded() == nullptr) {
    nomination_at_ = kNever;
  } else if (nomination_at_ == kNever) {
    nomination_at_ = now + shared_.settings.nomination_delay;
  }
}

void Generation::run_nomination(TimePoint now) {
  // RFC 8445 8.1.1: regular nomination, paced as any check.
  if (now < nomination_at_ || now < next_check_at_) return;
  nomination_at_ = kNever;
  nominee_ = list_.best_succeeded();
  if (nominee_ != nullptr) start_check(now, *nominee_, true);
}

void Generation::select_best(TimePoint now) {
  Pair* best = nominated_ != nullptr ? nominated_ : list_.best_succeeded();
  if (best == nullptr || best == selected_ || !is_fresh(now, *best)) return;
  select(now, *best);
}

void Generation::select(TimePoint now, Pair& pair) {
  selected_ = &pair;
  consent_.start(now, pair.last_answer);
  news_.emplace_back(*selection());
  enter(State::Connected);
}

void Generation::fail_over(TimePoint now, Pair& pair) {
  // The selected path is silent and this one has just answered. Until the peer nominates again, each side sends where
  // it was answered (RFC 8445 12.1 lets it use any valid pair).
  if (selected_ != nullptr) selected_->state = PairState::Failed;
  forget_nominations();
  select(now, pair);
}

void Generation::release(const Pair& pair) {
  if (&pair == nominee_) nominee_ = nullptr;
  if (&pair == nominated_) nominated_ = nullptr;
  if (&pair == selected_) selected_ = nullptr;
}

void Generation::leave_path(TimePoint now) {
  // Nothing can be sent there any more, so its silence is not waited for.
  forget_nominations();
  consent_.hold();
  Pair* next = list_.best_succeeded();
  if (state_ == State::Connected && next != nullptr && is_fresh(now, *next)) {
    select(now, *next);
  } else {
    lose_path();
  }
}

void Generation::run_consent(TimePoint now) {
  for (;;) {
    switch (consent_.due(now)) {
      case Consent::Due::Nothing:
        return;
      case Consent::Due::Check:
        send_consent_check(now);
        break;
      case Consent::Due::Unanswered:
        news_.emplace_back(ConsentUnanswered{selected_->path});
        break;
      case Consent::Due::Silent:
        lose_path();
        break;
      case Consent::Due::Expired:
        fail();
        return;
    }
  }
}

void Generation::send_consent_check(TimePoint now) {
  // RFC 7675 5.1: each with a new transaction id, never repeated.
  const stun::TransactionId id = stun::TransactionId::draw(transaction_ids_);
  shared_.transmit(selected_->path, build_check(id, *selected_, false));
  ++shared_.counters.checks_sent;
  consent_.sent(now, id, shared_.settings.check_rto_min + selected_->round_trip.value_or(Duration{0}));
}

void Generation::lose_path() {
  enter(State::Disconnected);
  // Whatever worked is tried again. The selected pair too: consent checks are never repeated (RFC 7675 5.1), and on a
  // lossy path six of them may well be lost in a row; an ordinary check is repeated, and its answer counts as consent.
  for (Pair& pair : list_.pairs()) {
    if (pair.state == PairState::Succeeded) pair.state = PairState::Waiting;
  }
}

void Generation::regain_path(TimePoint now) {
  enter(State::Connected);
  if (nominee_ != selected_) selected_->cancel_checks(now);
  if (nominated_ != nullptr) stop_other_checks(now);
}

void Generation::conclude_failure(TimePoint now) {
  if (state_ != State::Checking) return;
  if (now >= give_up_at_) return fail();
  // RFC 8838 8.2, RFC 8863 4: candidates may still come, the peer's checks may still make pairs, or a check may be
  // answered.
  if (now < patience_at_ || !remotes_ended_ || !shared_.locals_complete || list_.is_hopeful()) return;
  fail();
}

void Generation::fail() {
  enter(State::Failed);
  consent_.stop();
  list_.untrigger_all();
  for (Pair& pair : list_.pairs()) pair.checks.clear();
  selected_ = nullptr;
  forget_nominations();
}

void Generation::enter(State state) {
  if (state == state_) return;
  state_ = state;
  news_.emplace_back(StateChanged{state});
}

}  // namespace isotube::ice
