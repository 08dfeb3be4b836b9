#include "isolation/progress_watchdog.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "world.hpp"

namespace isotube::isolation {
namespace {

constexpr Progress kQueued{.data_queued = true, .may_send = true};
constexpr Progress kHeldBack{.data_queued = true, .may_send = false};

/// A watchdog that is looked at as it asks for.
class WatchdogWorld {
 public:
  void change(const Progress& progress) {
    progress_ = progress;
    look();
  }
  /// Seconds after `from` at which it was found stuck, while time passes.
  [[nodiscard]] std::vector<int> stuck_within(Duration time) {
    stuck_.clear();
    const TimePoint from = now;
    while (watchdog.next_timeout() <= from + time) {
      now = watchdog.next_timeout();
      look(from);
    }
    now = from + time;
    return stuck_;
  }

  TimePoint now = kStart;
  ProgressWatchdog watchdog;

 private:
  void look(TimePoint from = kStart) {
    if (watchdog.look(now, progress_) == ProgressVerdict::Stuck) stuck_.push_back(static_cast<int>((now - from) / 1s));
  }

  Progress progress_;
  std::vector<int> stuck_;
};

using Seconds = std::vector<int>;

TEST(ProgressWatchdog, AsksForNothingWhenNothingIsQueued) {
  WatchdogWorld world;
  EXPECT_EQ(world.watchdog.next_timeout(), kNever);
  world.change({.may_send = true});
  EXPECT_EQ(world.watchdog.next_timeout(), kNever);
}

TEST(ProgressWatchdog, FindsDataStuckAfterTenSecondsAndAgainEachTenSeconds) {
  WatchdogWorld world;
  world.change(kQueued);
  EXPECT_EQ(world.stuck_within(35s), (Seconds{10, 20, 30}));
}

TEST(ProgressWatchdog, OneAcknowledgedByteIsEnough) {
  WatchdogWorld world;
  Progress progress = kQueued;
  world.change(progress);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(world.stuck_within(9s), Seconds{});
    ++progress.bytes_acknowledged;
    world.change(progress);
  }
}

TEST(ProgressWatchdog, CountsFromWhenTheDataWasQueued) {
  WatchdogWorld world;
  world.change({.may_send = true});
  world.now += 1min;
  world.change(kQueued);
  EXPECT_EQ(world.stuck_within(9999ms), Seconds{});
  EXPECT_EQ(world.stuck_within(1s), Seconds{0});
}

TEST(ProgressWatchdog, BackpressureOfAPeerThatAnswersIsNoFailure) {
  WatchdogWorld world;
  Progress progress = kHeldBack;
  world.change(progress);
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(world.stuck_within(5s), Seconds{});
    ++progress.probes_answered;
    world.change(progress);
  }
}

TEST(ProgressWatchdog, BackpressureOfAPeerThatIsSilentIsOne) {
  WatchdogWorld world;
  world.change(kHeldBack);
  EXPECT_EQ(world.stuck_within(25s), (Seconds{10, 20}));
}

TEST(ProgressWatchdog, AnsweredProbesDoNotExcuseDataThatMayGo) {
  WatchdogWorld world;
  Progress progress = kQueued;
  world.change(progress);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(world.stuck_within(1s), Seconds{});
    ++progress.probes_answered;
    world.change(progress);
  }
  EXPECT_EQ(world.stuck_within(1s), Seconds{1});
}

TEST(ProgressWatchdog, AWindowThatOpensGivesTheDataTenSeconds) {
  WatchdogWorld world;
  world.change(kHeldBack);
  EXPECT_EQ(world.stuck_within(9s), Seconds{});
  world.change(kQueued);
  EXPECT_EQ(world.stuck_within(9s), Seconds{});
  EXPECT_EQ(world.stuck_within(1s), Seconds{1});
}

TEST(ProgressWatchdog, APauseOfTheProcessConvictsNobody) {
  WatchdogWorld world;
  world.change(kQueued);
  EXPECT_EQ(world.stuck_within(5s), Seconds{});
  world.now += 1h;
  EXPECT_EQ(world.watchdog.look(world.now, kQueued), ProgressVerdict::Fine);
  EXPECT_EQ(world.stuck_within(3s), Seconds{});
  EXPECT_EQ(world.stuck_within(2s), Seconds{1});
}

}  // namespace
}  // namespace isotube::isolation
