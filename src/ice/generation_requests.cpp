// The peer's checks: the server side of RFC 8445 7.3.
#include <algorithm>

#include "ice/generation.hpp"

namespace isotube::ice {
namespace {

using stun::AttributeType;

/// A peer checks a few paths before its description arrives here, not more.
constexpr std::size_t kMostEarly = 16;

/// A check under way is begun anew at once when the peer's request arrives, for our first one may have met a closed
/// NAT. If answers never arrive, two agents would do this to each other at the rate of the path: later restarts wait.
constexpr Duration kFirstRestartGap = std::chrono::milliseconds(50);
constexpr int kMostRestartDoublings = 4;

}  // namespace

void Generation::handle_request(TimePoint now, const Path& path, const stun::MessageView& request) {
  if (state_ == State::Failed) return;
  const auto unknown = not_understood(request);
  if (!unknown.empty()) {
    ++shared_.counters.requests_refused;
    return shared_.transmit(path, local_.error(request, stun::error_code::kUnknownAttribute, unknown));
  }
  if (!settle_role_conflict(request)) {
    ++shared_.counters.requests_refused;
    return shared_.transmit(path, local_.error(request, stun::error_code::kRoleConflict, {}));
  }
  // RFC 8445 7.3.1.3 takes the priority of an unknown candidate from the request; one that forgot it ranks last.
  const EarlyRequest known{
      path, request.u32(AttributeType::Priority).value_or(candidate_priority(CandidateType::PeerReflexive, 0)),
      request.has(AttributeType::UseCandidate)};
  if (!remote_ && !keep_early(known)) {
    // Unanswered it is sent again, and by then there may be room.
    ++shared_.counters.requests_refused;
    return;
  }
  heard_ = true;
  ++shared_.counters.checks_received;
  shared_.transmit(path, local_.success(path.remote, request));
  if (remote_) learn_from_request(now, known);
}

bool Generation::settle_role_conflict(const stun::MessageView& request) {
  // RFC 8445 7.3.1.1: the larger tie-breaker controls. A peer of RFC 3489's time sends neither attribute.
  const bool controlling = role_ == Role::Controlling;
  const auto claim = request.u64(controlling ? AttributeType::IceControlling : AttributeType::IceControlled);
  if (!claim) return true;
  const bool we_control = tie_breaker_ >= *claim;
  // Who already has the role that the tie-breakers give him refuses, so that the other one switches.
  if (we_control == controlling) return false;
  switch_role(we_control ? Role::Controlling : Role::Controlled);
  return true;
}

bool Generation::keep_early(const EarlyRequest& early) {
  const auto known = std::ranges::find(early_, early.path, &EarlyRequest::path);
  if (known != early_.end()) {
    known->use_candidate = known->use_candidate || early.use_candidate;
    return true;
  }
  if (early_.size() >= kMostEarly) return false;
  early_.push_back(early);
  return true;
}

void Generation::learn_from_request(TimePoint now, const EarlyRequest& request) {
  Pair* pair = list_.find(request.path);
  const bool is_new = pair == nullptr;
  if (is_new) pair = add_pair_for(request);
  if (pair == nullptr) {
    ++shared_.counters.candidates_dropped;
    return;
  }
  pair->heard = true;
  if (request.use_candidate && role_ == Role::Controlled) note_use_candidate(now, *pair);
  if (pair->state == PairState::Succeeded) return;
  // Once a pair is nominated, checks of others are over (RFC 8445 8.1.2), but for what the peer wants to use, and for
  // a path that was not there before: a NAT in the peer's way has changed its mind.
  if (!checks_may_run() && !pair->nominate_on_success && !is_new) return;
  trigger_check(now, *pair);
}

Pair* Generation::add_pair_for(const EarlyRequest& request) {
  if (list_.size() >= shared_.settings.max_pairs && !make_room_for_triggered()) return nullptr;
  Pair pair;
  pair.path = request.path;
  // An address that was not offered ranks last among ours.
  if (const LocalEntry* local = shared_.locals.best_of_base(request.path.local)) {
    pair.local_priority = local->candidate.priority;
    pair.local_preference = local->preference;
    pair.local_foundation = local->candidate.foundation;
    pair.local_type = local->candidate.type;
  } else {
    pair.local_priority = candidate_priority(CandidateType::Host, 0);
  }
  const auto signalled = std::ranges::find(remotes_, request.path.remote, &Candidate::address);
  if (signalled != remotes_.end()) {
    pair.remote_priority = signalled->priority;
    pair.remote_foundation = signalled->foundation;
    pair.remote_type = signalled->type;
  } else {
    // RFC 8445 7.3.1.3: a foundation unlike any other. An address is no ice-char text, so no peer can send it.
    pair.remote_priority = request.priority;
    pair.remote_foundation = request.path.remote.to_string();
    pair.remote_type = CandidateType::PeerReflexive;
  }
  return &list_.add(std::move(pair), role_);
}

bool Generation::make_room_for_triggered() {
  // A peer whose address changes again and again must not fill the list for good.
  const std::array<const Pair*, 3> pinned = {selected_, nominated_, nominee_};
  const Pair* victim = list_.least_promising();
  if (victim == nullptr) victim = list_.stalest(pinned);
  if (victim == nullptr) return false;
  list_.remove(*victim);
  return true;
}

void Generation::trigger_check(TimePoint now, Pair& pair) {
  if (pair.state == PairState::InProgress && !pair.checks.empty()) {
    // RFC 8445 7.3.1.4: the check under way is no longer repeated, and a new one goes out.
    const int doublings = std::min(pair.restarts - 1, kMostRestartDoublings);
    const Duration gap = pair.restarts == 0 ? Duration{0} : kFirstRestartGap * (1 << doublings);
    if (now < pair.checks.front().sent_at + gap) return;
    ++pair.restarts;
    pair.cancel_checks(now);
  }
  pair.state = PairState::Waiting;
  list_.trigger(pair);
}

}  // namespace isotube::ice
