#include "isolation/restart_pacing.hpp"

#include <algorithm>
#include <array>

namespace isotube::isolation {

namespace {

using std::chrono::seconds;

/// After the first, second, third and fourth restart in a row.
constexpr std::array kGaps{Duration(seconds(5)), Duration(seconds(10)), Duration(seconds(20)), Duration(seconds(60))};
constexpr std::uint32_t kInARow = 5;
constexpr double kJitter = 0.2;

}  // namespace

std::expected<void, Duration> RestartPacing::try_start(TimePoint now) {
  if (now < next_allowed_) return std::unexpected(next_allowed_ - now);
  without_success_ = std::min(without_success_ + 1, kInARow);
  last_ = now;
  next_allowed_ = now + gap();
  return {};
}

void RestartPacing::succeeded() {
  if (without_success_ == 0) return;
  without_success_ = 0;
  // The gaps begin with the shortest again, counted from the restart that did it: a path that comes and goes does not
  // make restarts any denser.
  next_allowed_ = std::min(next_allowed_, last_ + jittered(kGaps.front()));
}

Duration RestartPacing::gap() {
  // Never more often than once a minute: no jitter below it.
  if (without_success_ >= kInARow) return kGaps.back();
  return jittered(kGaps.at(without_success_ - 1));
}

Duration RestartPacing::jittered(Duration gap) {
  const double share = 1 - kJitter + 2 * kJitter * random_.unit();
  return Duration(static_cast<Duration::rep>(static_cast<double>(gap.count()) * share));
}

}  // namespace isotube::isolation
