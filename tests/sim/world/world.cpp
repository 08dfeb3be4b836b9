#include "sim/world/world.hpp"

#include <algorithm>

namespace isotube::sim {

End World::run_until(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = now + limit;
  std::uint64_t steps_in_this_moment = 0;
  for (std::uint64_t steps = 0; steps < kMaxSteps && steps_in_this_moment < kMaxStepsInAMoment; ++steps) {
    if (done()) return End::Done;
    ++steps_in_this_moment;
    if (step()) continue;
    const TimePoint next = next_wakeup();
    if (next == kNever) return End::Idle;
    if (next > end) return End::TimeUp;
    if (next > now) steps_in_this_moment = 0;
    now = std::max(now, next);
    wake();
  }
  return End::Livelock;
}

End World::run_for(Duration time) {
  const TimePoint end = now + time;
  const End how = run_until([] { return false; }, time);
  if (how != End::Livelock) now = end;
  return how;
}

/// One arrival, or one round of what the nodes have to say. False if there is nothing of both.
bool World::step() {
  Outlet outlet(network, transcript);
  bool moved = false;
  for (Node* node : nodes_) moved = node->drain(now, outlet) || moved;
  const std::optional<Arrival> arrival = network.take(now);
  if (!arrival) return moved;
  for (Node* node : nodes_) {
    if (node->owns(arrival->path.local)) node->handle_datagram(now, arrival->path, arrival->datagram);
  }
  return true;
}

TimePoint World::next_wakeup() const {
  TimePoint next = network.next_arrival();
  for (const Node* node : nodes_) next = std::min(next, node->next_timeout());
  return next;
}

void World::wake() {
  for (Node* node : nodes_) {
    if (node->next_timeout() <= now) node->handle_timeout(now);
  }
}

}  // namespace isotube::sim
