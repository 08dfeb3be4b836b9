#include "ice/generation.hpp"

#include <algorithm>
#include <utility>

namespace isotube::ice {
namespace {

/// RFC 8839 5.4: ice-ufrag 4*256, ice-pwd 22*256.
constexpr std::size_t kMaxCredential = 256;

/// RFC 8839 5.5: a peer that offers none.
constexpr Duration kDefaultPacing = std::chrono::milliseconds(50);
/// Above, a peer's offer only keeps its own tube from opening (and sums of it must not overflow).
constexpr Duration kMostPacing = std::chrono::seconds(10);

}  // namespace

Generation::Generation(Shared& shared, Kind kind, Role role, const Random& random)
    : shared_(shared),
      kind_(kind),
      role_(role),
      transaction_ids_(random.fork("transactions")),
      tie_breakers_(random.fork("tie-breaker")),
      local_(random.fork("credentials")),
      tie_breaker_(tie_breakers_.next_u64()),
      pacing_(std::max(shared.settings.pacing, kDefaultPacing)),
      consent_(shared.settings.consent_interval, shared.settings.consent_expiry, random.fork("consent")) {}

void Generation::set_role(Role role) {
  if (!remote_) role_ = role;
}

void Generation::set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite) {
  if (remote_) return;
  remote_.emplace(Remote{credentials, credentials.ufrag + ":" + local_.credentials().ufrag,
                         stun::IntegrityKey(as_byte_view(credentials.pwd)), lite});
  enter(State::Checking);
  if (credentials.ufrag.size() > kMaxCredential || credentials.pwd.size() > kMaxCredential) {
    // No check can carry them.
    return fail();
  }
  // RFC 8445 6.1.1: a lite peer never controls.
  if (lite) role_ = Role::Controlling;
  const Settings& settings = shared_.settings;
  pacing_ = std::clamp(std::max(settings.pacing, pacing.value_or(kDefaultPacing)), kLeastPacing, kMostPacing);
  // RFC 8863 4: from when checks could start.
  patience_at_ = now + settings.patience;
  if (kind_ == Kind::Restart) give_up_at_ = now + settings.restart_limit;
  std::erase_if(remotes_, [&](const Candidate& candidate) {
    const bool stale = !candidate.ufrag.empty() && candidate.ufrag != credentials.ufrag;
    if (stale) ++shared_.counters.candidates_dropped;
    return stale;
  });
  for (const Candidate& candidate : remotes_) pair_with_locals(candidate);
  const std::vector<EarlyRequest> early = std::exchange(early_, {});
  for (const EarlyRequest& request : early) learn_from_request(now, request);
}

void Generation::add_remote_candidate(const Candidate& candidate) {
  if (remotes_.size() >= shared_.settings.max_remote_candidates) {
    ++shared_.counters.candidates_dropped;
    return;
  }
  const bool known =
      std::ranges::any_of(remotes_, [&](const Candidate& other) { return other.address == candidate.address; });
  if (known || state_ == State::Failed) return;
  remotes_.push_back(candidate);
  if (remote_) pair_with_locals(remotes_.back());
}

void Generation::pair_with_locals(const Candidate& remote) {
  // RFC 8838 11: what a check told of the peer before its signalling did is corrected. It stays a pair.
  for (Pair& pair : list_.pairs()) {
    if (pair.path.remote != remote.address) continue;
    pair.remote_type = remote.type;
    pair.remote_priority = remote.priority;
    pair.remote_foundation = remote.foundation;
    list_.compute_priority(pair, role_);
  }
  for (const LocalEntry& local : shared_.locals.entries()) add_pair(local, remote);
}

void Generation::add_local(const LocalEntry& local) {
  if (!remote_) return;
  for (const Candidate& remote : remotes_) add_pair(local, remote);
}

void Generation::add_pair(const LocalEntry& local, const Candidate& remote) {
  if (!can_pair(local.base.ip, remote.address.ip) || state_ == State::Failed) return;
  // RFC 8445 6.1.2.4: a reflexive candidate sends from its base, where the host candidate, found before, has the
  // higher priority.
  const Path path{local.base, remote.address};
  if (list_.find(path) != nullptr) return;
  Pair pair;
  pair.path = path;
  pair.local_priority = local.candidate.priority;
  pair.local_preference = local.preference;
  pair.local_foundation = local.candidate.foundation;
  pair.local_type = local.candidate.type;
  pair.remote_priority = remote.priority;
  pair.remote_foundation = remote.foundation;
  pair.remote_type = remote.type;
  list_.compute_priority(pair, role_);
  if (list_.size() >= shared_.settings.max_pairs) {
    // RFC 8445 6.1.2.5: the lowest priority goes.
    const Pair* least = list_.least_promising();
    if (least == nullptr || least->priority >= pair.priority) {
      ++shared_.counters.candidates_dropped;
      return;
    }
    list_.remove(*least);
  }
  list_.add(std::move(pair), role_);
}

void Generation::remove_local(TimePoint now, const Address& address) {
  std::erase_if(early_, [&](const EarlyRequest& request) { return request.path.local == address; });
  const bool in_use = selected_ != nullptr && selected_->path.local == address;
  for (auto pair = list_.pairs().begin(); pair != list_.pairs().end();) {
    Pair& each = *pair++;
    if (each.path.local != address) continue;
    release(each);
    list_.remove(each);
  }
  if (in_use) leave_path(now);
  if (remote_) plan_nomination(now);
}

void Generation::fail_path(TimePoint now, const Path& path) {
  Pair* pair = list_.find(path);
  if (pair == nullptr || state_ == State::Failed) return;
  const bool in_use = pair == selected_;
  release(*pair);
  list_.untrigger(*pair);
  pair->checks.clear();
  pair->state = PairState::Failed;
  pair->nominate_on_success = false;
  if (in_use) leave_path(now);
  plan_nomination(now);
}

void Generation::settle(TimePoint now) {
  if (state_ == State::Failed) return;
  repeat_checks(now);
  run_consent(now);
  run_nomination(now);
  if (now >= next_check_at_ && has_check_to_send()) send_next_check(now);
  conclude_failure(now);
}

TimePoint Generation::deadline(TimePoint now) const {
  if (state_ == State::Failed) return kNever;
  TimePoint deadline = consent_.deadline();
  if (nomination_at_ != kNever) deadline = std::min(deadline, std::max(nomination_at_, next_check_at_));
  if (has_check_to_send()) deadline = std::min(deadline, next_check_at_);
  for (const Pair& pair : list_.pairs()) {
    for (const Check& check : pair.checks) deadline = std::min(deadline, check.retransmission.deadline());
  }
  if (state_ != State::Checking) return deadline;
  // Once patience is over, failure is concluded by what happens, not by time.
  if (now < patience_at_) deadline = std::min(deadline, patience_at_);
  return std::min(deadline, give_up_at_);
}

std::optional<Path> Generation::selected_path() const {
  return selected_ == nullptr ? std::nullopt : std::optional(selected_->path);
}

std::optional<PathSelected> Generation::selection() const {
  if (selected_ == nullptr) return std::nullopt;
  return PathSelected{selected_->path, selected_->local_type, selected_->remote_type};
}

bool Generation::is_validated(const Path& path) const {
  const Pair* pair = list_.find(path);
  return pair != nullptr && (pair->validated || pair->heard);
}

std::vector<Path> Generation::validated_paths() const {
  std::vector<Path> paths;
  for (const Pair& pair : list_.pairs()) {
    if (pair.validated || pair.heard) paths.push_back(pair.path);
  }
  return paths;
}

std::optional<Duration> Generation::round_trip() const {
  return selected_ == nullptr ? std::nullopt : selected_->round_trip;
}

}  // namespace isotube::ice
