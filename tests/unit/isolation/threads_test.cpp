// One breaker asked from many threads at once. What it proves, it proves best under TSan.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "world.hpp"

namespace isotube::isolation {
namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 20'000;

/// What one thread did, counted on its own.
struct Done {
  std::uint64_t successful = 0;
  std::uint64_t failed = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t refused = 0;

  void add(const Done& other) {
    successful += other.successful;
    failed += other.failed;
    timeouts += other.timeouts;
    cancelled += other.cancelled;
    refused += other.refused;
  }
};

/// Requests with every outcome, some held while others are asked for.
[[nodiscard]] Done ask_at_random(Breaker& breaker, std::atomic<std::int64_t>& clock, std::uint64_t seed) {
  Done done;
  Random random = seeded(seed);
  std::vector<Permit> held;
  for (int i = 0; i < kRounds; ++i) {
    const TimePoint now{Duration(clock.fetch_add(100'000'000, std::memory_order_relaxed))};
    const ErrorType type = kErrorTypes[random.below(kErrorTypes.size())];
    if (auto permit = breaker.try_acquire(now, type)) {
      held.push_back(std::move(*permit));
    } else {
      ++done.refused;
    }
    if (held.size() < 1 + random.below(5)) continue;
    switch (random.below(8)) {
      case 0:
        held.back().failure(now, type);
        ++done.failed;
        break;
      case 1:
        held.back().timeout(now);
        ++done.failed;
        ++done.timeouts;
        break;
      case 2:
        ++done.cancelled;
        break;
      default:
        held.back().success(now);
        ++done.successful;
    }
    held.pop_back();
  }
  done.cancelled += held.size();
  return done;
}

void expect_consistent(const Snapshot& snapshot) {
  ASSERT_EQ(snapshot.total(),
            snapshot.successful + snapshot.failed + snapshot.refused + snapshot.cancelled + snapshot.in_flight);
  ASSERT_LE(snapshot.timeouts, snapshot.failed);
  ASSERT_LE(snapshot.in_flight, std::uint64_t{kThreads} * 6) << "no moment had that many";
  ASSERT_LE(snapshot.tests_in_flight, 3U);
  ASSERT_LT(snapshot.test_successes, 3U);
  std::uint64_t by_type = 0;
  for (const ErrorType type : kErrorTypes) by_type += snapshot.error_type_counts[type];
  ASSERT_EQ(by_type, snapshot.failed);
}

TEST(BreakerThreads, CountEveryOutcomeOnceAndEverySnapshotIsOfOneMoment) {
  std::vector<std::uint64_t> numbers;
  std::vector<TimePoint> times;
  // Delivered one at a time and in order: the vectors need no lock.
  Breaker breaker({}, seeded(1), [&](const Transition& each) {
    numbers.push_back(each.number);
    times.push_back(each.at);
  });
  std::atomic<std::int64_t> clock{kStart.time_since_epoch().count()};
  std::atomic<bool> ended{false};
  std::latch ready(kThreads + 2);
  std::vector<Done> done(kThreads);

  std::jthread looker([&] {
    ready.arrive_and_wait();
    std::uint64_t total = 0;
    while (!ended.load()) {
      const Snapshot snapshot = breaker.snapshot();
      expect_consistent(snapshot);
      ASSERT_GE(snapshot.total(), total);
      total = snapshot.total();
      (void)breaker.next_probe();
    }
  });
  std::jthread operator_at_work([&] {
    ready.arrive_and_wait();
    Random random = seeded(99);
    while (!ended.load()) {
      const TimePoint now{Duration(clock.load())};
      switch (random.below(4)) {
        case 0:
          breaker.reset(now);
          break;
        case 1:
          breaker.force_open(now, "drill");
          break;
        case 2:
          breaker.set_mode(now, CircuitMode::Normal);
          break;
        default:
          breaker.set_mode(now, random.below(2) == 0 ? CircuitMode::Observe : CircuitMode::Normal);
      }
      std::this_thread::yield();
    }
  });
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        ready.arrive_and_wait();
        done[static_cast<std::size_t>(i)] = ask_at_random(breaker, clock, static_cast<std::uint64_t>(i));
      });
    }
  }
  ended = true;
  looker.join();
  operator_at_work.join();

  Done all;
  for (const Done& each : done) all.add(each);
  const Snapshot last = breaker.snapshot();
  EXPECT_EQ(last.successful, all.successful);
  EXPECT_EQ(last.failed, all.failed);
  EXPECT_EQ(last.timeouts, all.timeouts);
  EXPECT_EQ(last.cancelled, all.cancelled);
  EXPECT_EQ(last.refused, all.refused);
  EXPECT_EQ(last.in_flight, 0U);
  EXPECT_EQ(last.total(), std::uint64_t{kThreads} * kRounds);
  EXPECT_GT(last.circuit_opens, 0U);
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_TRUE(std::ranges::is_sorted(times));
  EXPECT_EQ(numbers.size(), last.transitions - last.transitions_lost);
}

TEST(BreakerThreads, LetNoMoreThanTheTestsThroughHoweverManyAskAtOnce) {
  for (int round = 0; round < 50; ++round) {
    BreakerWorld world;
    world.fail(ErrorType::IceConnectionFailed, 5);
    world.sit_out_open_time();
    std::latch ready(kThreads);
    std::atomic<int> passed{0};
    std::vector<Permit> permits(kThreads);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
          ready.arrive_and_wait();
          if (auto permit = world.breaker.try_acquire(world.now, ErrorType::IceConnectionFailed)) {
            permits[static_cast<std::size_t>(i)] = std::move(*permit);
            ++passed;
          }
        });
      }
    }
    ASSERT_EQ(passed, 3);
    ASSERT_EQ(world.breaker.snapshot().refused, kThreads - 3);
  }
}

TEST(BreakerThreads, OpenOnceForFailuresThatComeTogether) {
  for (int round = 0; round < 50; ++round) {
    BreakerWorld world;
    std::vector<Permit> permits;
    for (int i = 0; i < kThreads; ++i) permits.push_back(world.acquire());
    std::latch ready(kThreads);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
          ready.arrive_and_wait();
          permits[static_cast<std::size_t>(i)].failure(world.now, ErrorType::IceConnectionFailed);
        });
      }
    }
    ASSERT_EQ(world.breaker.snapshot().circuit_opens, 1U);
    ASSERT_EQ(world.breaker.snapshot().failed, std::uint64_t{kThreads});
    ASSERT_EQ(world.transitions.size(), 1U);
  }
}

}  // namespace
}  // namespace isotube::isolation
