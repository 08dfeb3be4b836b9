#include "ice/check_list.hpp"

#include <algorithm>

namespace isotube::ice {
namespace {

/// RFC 8445 6.1.2.3: G is the controlling side's candidate, D the controlled one's.
std::uint64_t pair_priority(std::uint64_t g, std::uint64_t d) {
  return (std::min(g, d) << 32) + 2 * std::max(g, d) + (g > d ? 1 : 0);
}

}  // namespace

Check* Pair::find_check(const stun::TransactionId& id) {
  const auto found = std::ranges::find(checks, id, &Check::id);
  return found == checks.end() ? nullptr : &*found;
}

void Pair::cancel_checks(TimePoint now) {
  for (Check& check : checks) {
    if (check.cancelled) continue;
    check.cancelled = true;
    check.datagram.clear();
    check.retransmission.stop(now);
  }
}

void Pair::add_check(Check check) {
  if (checks.size() >= kMostChecks) checks.pop_back();
  checks.insert(checks.begin(), std::move(check));
}

void Pair::note_round_trip(Duration sample) {
  // RFC 6298 2.3's smoothing.
  round_trip = round_trip ? (*round_trip * 7 + sample) / 8 : sample;
}

Pair* CheckList::find(const Path& path) {
  const auto found = std::ranges::find(pairs_, path, &Pair::path);
  return found == pairs_.end() ? nullptr : &*found;
}

const Pair* CheckList::find(const Path& path) const {
  const auto found = std::ranges::find(pairs_, path, &Pair::path);
  return found == pairs_.end() ? nullptr : &*found;
}

Pair& CheckList::add(Pair pair, Role role) {
  compute_priority(pair, role);
  bool known = false;
  bool works = false;
  for (const Pair& other : pairs_) {
    if (!pair.same_foundation(other)) continue;
    known = true;
    works = works || other.state == PairState::Succeeded;
  }
  pair.state = known && !works ? PairState::Frozen : PairState::Waiting;
  pairs_.push_back(std::move(pair));
  return pairs_.back();
}

void CheckList::remove(const Pair& pair) {
  untrigger(pair);
  pairs_.remove_if([&](const Pair& each) { return &each == &pair; });
}

Pair* CheckList::least_promising() {
  Pair* least = nullptr;
  for (Pair& pair : pairs_) {
    if (pair.validated || pair.state == PairState::InProgress) continue;
    if (least == nullptr || pair.priority < least->priority) least = &pair;
  }
  return least;
}

Pair* CheckList::stalest(std::span<const Pair* const> pinned) {
  Pair* stalest = nullptr;
  for (Pair& pair : pairs_) {
    if (!pair.validated || std::ranges::find(pinned, &pair) != pinned.end()) continue;
    if (stalest == nullptr || pair.last_answer < stalest->last_answer) stalest = &pair;
  }
  return stalest;
}

void CheckList::compute_priority(Pair& pair, Role role) {
  pair.priority = role == Role::Controlling ? pair_priority(pair.local_priority, pair.remote_priority)
                                            : pair_priority(pair.remote_priority, pair.local_priority);
}

void CheckList::compute_priorities(Role role) {
  for (Pair& pair : pairs_) compute_priority(pair, role);
}

void CheckList::trigger(Pair& pair) {
  if (std::ranges::find(triggered_, &pair) == triggered_.end()) triggered_.push_back(&pair);
}

void CheckList::untrigger(const Pair& pair) { std::erase(triggered_, &pair); }

Pair* CheckList::take_triggered() {
  if (triggered_.empty()) return nullptr;
  Pair* pair = triggered_.front();
  triggered_.pop_front();
  return pair;
}

bool CheckList::has_ordinary() const {
  return std::ranges::any_of(
      pairs_, [this](const Pair& pair) { return pair.state == PairState::Waiting || can_unfreeze(pair); });
}

Pair* CheckList::highest(PairState state) {
  Pair* best = nullptr;
  for (Pair& pair : pairs_) {
    if (pair.state == state && (best == nullptr || pair.priority > best->priority)) best = &pair;
  }
  return best;
}

bool CheckList::can_unfreeze(const Pair& pair) const {
  return pair.state == PairState::Frozen && std::ranges::none_of(pairs_, [&](const Pair& other) {
           const bool active = other.state == PairState::Waiting || other.state == PairState::InProgress;
           return active && pair.same_foundation(other);
         });
}

Pair* CheckList::next_ordinary() {
  if (Pair* waiting = highest(PairState::Waiting)) return waiting;
  // RFC 8445 6.1.4.2: nothing waits, so one frozen pair of each foundation that is not being checked begins to. The
  // best of them is taken now; the others wait for their turn in the same way.
  Pair* best = nullptr;
  for (Pair& pair : pairs_) {
    if (!can_unfreeze(pair)) continue;
    if (best == nullptr || pair.priority > best->priority) best = &pair;
  }
  if (best != nullptr) best->state = PairState::Waiting;
  return best;
}

void CheckList::unfreeze_like(const Pair& pair) {
  for (Pair& other : pairs_) {
    if (other.state == PairState::Frozen && other.same_foundation(pair)) other.state = PairState::Waiting;
  }
}

Pair* CheckList::best_succeeded() { return highest(PairState::Succeeded); }

std::int64_t CheckList::active() const {
  return std::ranges::count_if(
      pairs_, [](const Pair& pair) { return pair.state == PairState::Waiting || pair.state == PairState::InProgress; });
}

bool CheckList::is_hopeful() const {
  return std::ranges::any_of(pairs_, [](const Pair& pair) { return pair.state != PairState::Failed; });
}

}  // namespace isotube::ice
