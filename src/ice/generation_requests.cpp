// The peer's checks: the server side of RFC 8445 7.3.
#include <algorithm>

#include "ice/agent_impl.hpp"

namespace isotube::ice {
namespace {

using stun::AttributeType;

/// What a Binding request may carry that we have to understand.
constexpr std::array<AttributeType, 3> kUnderstood = {AttributeType::Username, AttributeType::Priority,
                                                      AttributeType::UseCandidate};

/// A peer checks a few paths before its description arrives here, not more.
constexpr std::size_t kMostEarly = 16;

/// A check under way is begun anew at once when the peer's request arrives, for our first one may have met a closed
/// NAT. If answers never arrive, two agents would do this to each other at the rate of the path: later restarts wait.
constexpr Duration kFirstRestartGap = std::chrono::milliseconds(50);
constexpr int kMostRestartDoublings = 4;

}  // namespace

void Agent::Impl::handle_request(TimePoint now, const Path& path, const stun::MessageView& request) {
  if (const auto code = authenticate(request)) return refuse(now, path, request, *code);
  const auto unknown = request.not_understood(kUnderstood);
  if (!unknown.empty()) {
    ++counters_.requests_refused;
    return answer_error(path, request, stun::error_code::kUnknownAttribute, unknown);
  }
  if (!settle_role_conflict(request)) {
    ++counters_.requests_refused;
    return answer_error(path, request, stun::error_code::kRoleConflict, {});
  }
  // RFC 8445 7.3.1.3 takes the priority of an unknown candidate from the request; one that forgot it ranks last.
  const EarlyRequest known{
      path, request.u32(AttributeType::Priority).value_or(candidate_priority(CandidateType::PeerReflexive, 0)),
      request.has(AttributeType::UseCandidate)};
  if (!remote_ && !keep_early(known)) {
    // Unanswered it is sent again, and by then there may be room.
    ++counters_.requests_refused;
    return;
  }
  ++counters_.checks_received;
  answer(path, request);
  if (remote_) learn_from_request(now, known);
}

std::optional<int> Agent::Impl::authenticate(const stun::MessageView& request) {
  const auto username = request.text(AttributeType::Username);
  const auto check = local_key_.check(request);
  // RFC 8489 9.1.3.
  if (!username || check == stun::IntegrityCheck::Missing) return stun::error_code::kBadRequest;
  // RFC 8445 7.3: the part before the colon is ours; what follows may not be known yet.
  const bool ours = username->starts_with(local_.ufrag) && username->substr(local_.ufrag.size()).starts_with(":");
  if (!ours || check == stun::IntegrityCheck::Wrong) return stun::error_code::kUnauthenticated;
  return std::nullopt;
}

void Agent::Impl::refuse(TimePoint now, const Path& path, const stun::MessageView& request, int code) {
  ++counters_.requests_refused;
  if (!refusals_.take(now)) return;
  // No integrity: there is no key that both sides know (RFC 8489 9.1.3).
  Bytes response = stun::MessageBuilder(stun::Class::Error, stun::Method::Binding, request.transaction_id())
                       .error(code, {})
                       .fingerprint()
                       .take();
  // Nobody gets more bytes out of us than he sent.
  if (response.size() <= request.bytes().size()) transmit(path, std::move(response));
}

bool Agent::Impl::settle_role_conflict(const stun::MessageView& request) {
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

bool Agent::Impl::keep_early(const EarlyRequest& early) {
  const auto known = std::ranges::find(early_, early.path, &EarlyRequest::path);
  if (known != early_.end()) {
    known->use_candidate = known->use_candidate || early.use_candidate;
    return true;
  }
  if (early_.size() >= kMostEarly) return false;
  early_.push_back(early);
  return true;
}

void Agent::Impl::answer(const Path& path, const stun::MessageView& request) {
  const auto integrity = request.integrity_sha256() ? stun::Integrity::Sha256 : stun::Integrity::Sha1;
  transmit(path, stun::MessageBuilder(stun::Class::Success, stun::Method::Binding, request.transaction_id())
                     .xor_address(AttributeType::XorMappedAddress, path.remote)
                     .integrity(integrity, local_key_)
                     .fingerprint()
                     .take());
}

void Agent::Impl::answer_error(const Path& path, const stun::MessageView& request, int code,
                               std::span<const stun::AttributeType> unknown) {
  stun::MessageBuilder builder(stun::Class::Error, stun::Method::Binding, request.transaction_id());
  builder.error(code, {});
  if (!unknown.empty()) builder.unknown_attributes(unknown);
  const auto integrity = request.integrity_sha256() ? stun::Integrity::Sha256 : stun::Integrity::Sha1;
  transmit(path, builder.integrity(integrity, local_key_).fingerprint().take());
}

void Agent::Impl::learn_from_request(TimePoint now, const EarlyRequest& request) {
  Pair* pair = list_.find(request.path);
  const bool is_new = pair == nullptr;
  if (is_new) pair = add_pair_for(request);
  if (pair == nullptr) {
    ++counters_.candidates_dropped;
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

Pair* Agent::Impl::add_pair_for(const EarlyRequest& request) {
  if (list_.size() >= settings_.max_pairs && !make_room_for_triggered()) return nullptr;
  Pair pair;
  pair.path = request.path;
  // An address that was not offered ranks last among ours.
  if (const LocalEntry* local = locals_.best_of_base(request.path.local)) {
    pair.local_priority = local->candidate.priority;
    pair.local_preference = local->preference;
    pair.local_foundation = local->candidate.foundation;
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

bool Agent::Impl::make_room_for_triggered() {
  // A peer whose address changes again and again must not fill the list for good.
  const std::array<const Pair*, 3> pinned = {selected_, nominated_, nominee_};
  const Pair* victim = list_.least_promising();
  if (victim == nullptr) victim = list_.stalest(pinned);
  if (victim == nullptr) return false;
  list_.remove(*victim);
  return true;
}

void Agent::Impl::trigger_check(TimePoint now, Pair& pair) {
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
