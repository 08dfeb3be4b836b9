// Our checks and what comes back: the client side of RFC 8445 7.2.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "ice/generation.hpp"
#include "stun/builder.hpp"

namespace isotube::ice {

using stun::AttributeType;

bool Generation::checks_may_run() const {
  if (!remote_ || state_ == State::Failed) return false;
  return nominated_ == nullptr || state_ == State::Disconnected;
}

bool Generation::has_check_to_send() const {
  if (!remote_ || state_ == State::Failed) return false;
  return list_.has_triggered() || (checks_may_run() && list_.has_ordinary());
}

void Generation::send_next_check(TimePoint now) {
  Pair* pair = list_.take_triggered();
  if (pair == nullptr) pair = list_.next_ordinary();
  ISOTUBE_ASSERT(pair != nullptr);
  start_check(now, *pair, false);
}

void Generation::start_check(TimePoint now, Pair& pair, bool nominates) {
  const stun::TransactionId id = stun::TransactionId::draw(transaction_ids_);
  const Duration rto = check_rto();
  Bytes datagram = build_check(id, pair, nominates);
  shared_.transmit(pair.path, datagram);
  ++shared_.counters.checks_sent;
  Check check{.id = id,
              .role = role_,
              .nominates = nominates,
              .sent_at = now,
              .retransmission = stun::Retransmission(now, rto),
              .datagram = std::move(datagram)};
  pair.add_check(std::move(check));
  if (!nominates) pair.state = PairState::InProgress;
  next_check_at_ = now + pacing_;
}

Bytes Generation::build_check(const stun::TransactionId& id, const Pair& pair, bool nominates) {
  stun::MessageBuilder builder(stun::Class::Request, stun::Method::Binding, id);
  builder.text(AttributeType::Username, remote_->username)
      .u32(AttributeType::Priority, candidate_priority(CandidateType::PeerReflexive, pair.local_preference))
      .u64(role_ == Role::Controlling ? AttributeType::IceControlling : AttributeType::IceControlled, tie_breaker_);
  if (nominates) builder.flag(AttributeType::UseCandidate);
  return builder.integrity(stun::Integrity::Sha1, remote_->key).fingerprint().take();
}

Duration Generation::check_rto() const {
  // RFC 8445 14.3: never faster than the whole list is checked once.
  return std::max(shared_.settings.check_rto_min, pacing_ * list_.active());
}

void Generation::repeat_checks(TimePoint now) {
  for (Pair& pair : list_.pairs()) {
    // By index: giving a check up may stop others of the same pair.
    for (std::size_t i = 0; i < pair.checks.size();) {
      Check& check = pair.checks[i];
      switch (check.retransmission.step(now)) {
        case stun::Retransmission::Step::Wait:
          ++i;
          break;
        case stun::Retransmission::Step::SendAgain:
          check.repeated = true;
          shared_.transmit(pair.path, check.datagram);
          ++i;
          break;
        case stun::Retransmission::Step::GiveUp: {
          const Check lost = std::move(check);
          pair.checks.erase(pair.checks.begin() + static_cast<std::ptrdiff_t>(i));
          if (!lost.cancelled) lose_check(now, pair, lost);
          break;
        }
      }
    }
  }
}

void Generation::lose_check(TimePoint now, Pair& pair, const Check& check) {
  if (check.nominates) {
    nominee_ = nullptr;
    pair.state = PairState::Failed;
  } else if (pair.state == PairState::InProgress) {
    pair.state = PairState::Failed;
  }
  plan_nomination(now);
}

bool Generation::handle_answer(TimePoint now, const Path& path, const stun::MessageView& answer) {
  const stun::TransactionId id = answer.transaction_id();
  // RFC 8445 7.2.5.2.1: an answer comes from where the request went, to where it came from. The RFC fails the pair
  // otherwise; here the answer just does not count, or a copy of it sent from elsewhere could fail a good pair.
  Pair* pair = list_.find(path);
  const bool is_consent = pair != nullptr && pair == selected_ && consent_.owns(id);
  const bool ours = pair != nullptr && (is_consent || pair->find_check(id) != nullptr);
  // RFC 8489 9.1.4: without the right integrity an answer is as if it had never come; 401 and 400 are of that kind.
  if (!ours || remote_->key.check(answer) != stun::IntegrityCheck::Right) return false;
  if (is_consent) {
    handle_consent_answer(now, answer);
  } else {
    handle_check_answer(now, *pair, id, answer);
  }
  return true;
}

void Generation::handle_check_answer(TimePoint now, Pair& pair, const stun::TransactionId& id,
                                     const stun::MessageView& answer) {
  constexpr std::array<AttributeType, 3> kUnderstood = {AttributeType::XorMappedAddress, AttributeType::ErrorCode,
                                                        AttributeType::UnknownAttributes};
  const bool success = answer.message_class() == stun::Class::Success;
  const auto mapped = answer.xor_address(AttributeType::XorMappedAddress);
  // RFC 8489 6.3.3: an answer that can't be understood is none.
  if (!answer.not_understood(kUnderstood).empty() || (success && !mapped) || (!success && !answer.error())) {
    ++shared_.counters.answers_dropped;
    return;
  }
  const auto found = std::ranges::find(pair.checks, id, &Check::id);
  const Check check = std::move(*found);
  pair.checks.erase(found);
  if (success) {
    handle_success(now, pair, check, *mapped);
  } else {
    handle_error(now, pair, check, answer);
  }
}

void Generation::handle_success(TimePoint now, Pair& pair, const Check& check, const Address& mapped) {
  if (!check.repeated) pair.note_round_trip(now - check.sent_at);
  // RFC 8445 7.2.5.3.1: an address of ours that we did not know is peer-reflexive.
  const LocalEntry* local = mapped == pair.path.local ? shared_.locals.find_base(mapped) : shared_.locals.find(mapped);
  const CandidateType unknown = mapped == pair.path.local ? CandidateType::Host : CandidateType::PeerReflexive;
  pair.local_type = local != nullptr ? local->candidate.type : unknown;
  pair.last_answer = now;
  pair.validated = true;
  pair.state = PairState::Succeeded;
  pair.restarts = 0;
  list_.untrigger(pair);
  list_.unfreeze_like(pair);
  const bool peer_nominated = role_ == Role::Controlled && std::exchange(pair.nominate_on_success, false);
  const bool we_nominated = check.nominates && nominee_ == &pair;
  if (nominee_ != &pair) pair.cancel_checks(now);
  if (&pair == selected_) {
    consent_.renew(now);
    if (state_ == State::Disconnected) regain_path(now);
  } else if (state_ == State::Disconnected) {
    fail_over(now, pair);
  }
  if (we_nominated || (peer_nominated && may_follow_nomination(now, pair))) nominate(now, pair);
  plan_nomination(now);
  select_best(now);
}

void Generation::handle_error(TimePoint now, Pair& pair, const Check& check, const stun::MessageView& answer) {
  if (answer.error()->code != stun::error_code::kRoleConflict) {
    // RFC 8445 7.2.5.2.4. A check that was cancelled has a successor to decide.
    if (!check.cancelled) lose_check(now, pair, check);
    return;
  }
  // RFC 8445 7.2.5.1: the role that the request claimed decides, not the one we hold by now.
  if (check.role == role_) {
    switch_role(role_ == Role::Controlling ? Role::Controlled : Role::Controlling);
    tie_breaker_ = tie_breakers_.next_u64();
  }
  plan_nomination(now);
  if (pair.state == PairState::Succeeded) return;
  pair.cancel_checks(now);
  pair.state = PairState::Waiting;
  list_.trigger(pair);
}

void Generation::handle_consent_answer(TimePoint now, const stun::MessageView& answer) {
  const stun::TransactionId id = answer.transaction_id();
  // RFC 7675 5.1: only a success gives consent. A role that is no longer ours says nothing about the path.
  if (answer.message_class() != stun::Class::Success) {
    ++shared_.counters.answers_dropped;
    return;
  }
  selected_->note_round_trip(consent_.answered(now, id));
  selected_->last_answer = now;
  // Whatever a check before it made of the pair, it works.
  selected_->state = PairState::Succeeded;
  list_.untrigger(*selected_);
  if (state_ == State::Disconnected) regain_path(now);
  plan_nomination(now);
}

}  // namespace isotube::ice
