// What a breaker tells: transitions, probes, statistics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "isolation/breaker.hpp"
#include "world.hpp"

namespace isotube::isolation {
namespace {

using testing::ElementsAre;

TEST(BreakerRecovery, AsksForTheFailedOperationAndThenForPings) {
  BreakerWorld world;
  EXPECT_FALSE(world.breaker.next_probe());
  world.fail(ErrorType::IceConnectionFailed, 4);
  world.acquire(ErrorType::IceConnectionFailed).failure(world.now, ErrorType::AuthenticationFailed);
  const std::optional<Probe> first = world.breaker.next_probe();
  EXPECT_EQ(first, (Probe{.due = *world.breaker.snapshot().open_until,
                          .kind = Probe::Kind::FailedOperation,
                          .operation = ErrorType::IceConnectionFailed,
                          .opened_by = ErrorType::AuthenticationFailed}));
  world.sit_out_open_time();
  Permit test = world.acquire();
  EXPECT_FALSE(world.breaker.next_probe()) << "its outcome decides what the next is";
  world.now += 300ms;
  test.success(world.now);
  EXPECT_EQ(world.breaker.next_probe()->kind, Probe::Kind::Ping);
  EXPECT_EQ(world.breaker.next_probe()->due, world.now + 700ms);
}

TEST(BreakerRecovery, ClosesAnIdleTubesCircuitWithinFiveSecondsOfTheFirstProbe) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  const TimePoint opened = world.now;
  std::optional<TimePoint> first;
  while (const std::optional<Probe> probe = world.breaker.next_probe()) {
    world.now = std::max(world.now, probe->due);
    if (!first) first = world.now;
    Permit test = world.acquire(probe->operation);
    world.now += 250ms;
    test.success(world.now);
  }
  EXPECT_EQ(world.state(), CircuitState::Closed);
  EXPECT_LE(*first - opened, 45s);
  EXPECT_LE(world.now - *first, 5s);
}

TEST(BreakerRecovery, TriesAgainAfterATestThatWasDropped) {
  BreakerWorld world;
  world.fail(ErrorType::SignalingFailed, 3);
  world.sit_out_open_time();
  world.acquire(ErrorType::SignalingFailed).cancel();
  EXPECT_EQ(world.breaker.next_probe(), (Probe{.due = world.now + 1s,
                                               .kind = Probe::Kind::FailedOperation,
                                               .operation = ErrorType::SignalingFailed,
                                               .opened_by = ErrorType::SignalingFailed}));
}

TEST(BreakerObserver, GetsEveryTransitionNumberedWithCauseAndTime) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  for (int i = 0; i < 3; ++i) world.succeed();
  world.breaker.force_open(world.now, "why not");
  world.breaker.reset(world.now);
  std::vector<TransitionCause> causes;
  for (std::size_t i = 0; i < world.transitions.size(); ++i) {
    EXPECT_EQ(world.transitions[i].number, i + 1);
    causes.push_back(world.transitions[i].cause);
  }
  EXPECT_THAT(causes, ElementsAre(TransitionCause::FailureThreshold, TransitionCause::OpenTimeEnded,
                                  TransitionCause::TestsSucceeded, TransitionCause::Forced, TransitionCause::Reset));
  EXPECT_EQ(world.transitions[0].at, kStart);
  EXPECT_EQ(world.transitions[1].at, *world.transitions[0].open_until);
  EXPECT_EQ(world.transitions[3].reason, "why not");
}

TEST(BreakerObserver, MayUseTheBreakerAndSeesWhatItCausedInOrder) {
  std::vector<std::uint64_t> numbers;
  Breaker* self = nullptr;
  Breaker breaker({}, seeded(1), [&](const Transition& each) {
    numbers.push_back(each.number);
    if (each.to == CircuitState::Open) self->reset(each.at);
    EXPECT_EQ(self->snapshot().in_flight, 0U);
  });
  self = &breaker;
  breaker.trip(kStart, ErrorType::Stalled, "");
  EXPECT_EQ(breaker.snapshot().state, CircuitState::Closed);
  EXPECT_THAT(numbers, ElementsAre(1, 2));
}

TEST(BreakerObserver, WhatItThrowsIsCountedAndGoesNoFurther) {
  Breaker breaker({}, seeded(1), [](const Transition&) { throw std::runtime_error("not mine"); });
  EXPECT_NO_THROW(breaker.trip(kStart, ErrorType::Stalled, ""));
  EXPECT_NO_THROW(breaker.reset(kStart));
  EXPECT_EQ(breaker.observer_failures(), 2U);
  EXPECT_EQ(breaker.snapshot().state, CircuitState::Closed);
}

TEST(BreakerObserver, OneThatFloodsItselfLosesTheOldestAndTheNumbersShowIt) {
  std::vector<std::uint64_t> numbers;
  Breaker* self = nullptr;
  Breaker breaker({}, seeded(1), [&](const Transition& each) {
    numbers.push_back(each.number);
    if (each.number != 1) return;
    for (int i = 0; i < 100; ++i) self->reset(kStart);
  });
  self = &breaker;
  breaker.reset(kStart);
  EXPECT_EQ(numbers.size(), 1 + Breaker::kMaxPending);
  EXPECT_EQ(numbers.back(), 101U);
  EXPECT_EQ(breaker.snapshot().transitions_lost, 100 - Breaker::kMaxPending);
}

TEST(BreakerTime, ThatOtherThreadsHaveOvertakenNeverTakesTransitionsBack) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.now -= 1min;
  world.breaker.reset(world.now);
  EXPECT_EQ(world.transitions[1].at, kStart);
}

TEST(BreakerStats, HaveTheSeedsNamesAndTexts) {
  BreakerWorld world;
  EXPECT_EQ(world.state_text(), "Closed");
  world.fail(ErrorType::IceConnectionFailed, 4);
  world.acquire().timeout(world.now);
  EXPECT_TRUE(world.refusal());
  world.sit_out_open_time();
  world.now -= 26500ms;
  EXPECT_EQ(world.state_text(), "Open (27 s left, IceConnectionFailed)");
  world.sit_out_open_time();
  EXPECT_EQ(world.state_text(), "Open (0 s left, IceConnectionFailed)");
  world.succeed();
  const Permit one = world.acquire();
  const Permit two = world.acquire();
  const CircuitBreakerStats stats = stats_of(world.breaker.snapshot(), "tube-1", world.now);
  EXPECT_EQ(stats.tube_id, "tube-1");
  EXPECT_EQ(stats.state, "Half-Open (1/3 successes, 2 in flight)");
  EXPECT_EQ(stats.total_requests, 9U);
  EXPECT_EQ(stats.successful_requests, 1U);
  EXPECT_EQ(stats.failed_requests, 5U);
  EXPECT_EQ(stats.refused, 1U);
  EXPECT_EQ(stats.cancelled, 0U);
  EXPECT_EQ(stats.in_flight, 2U);
  EXPECT_EQ(stats.timeouts, 1U);
  EXPECT_EQ(stats.circuit_opens, 1U);
  EXPECT_EQ(stats.circuit_closes, 0U);
  const std::map<std::string, std::uint64_t> five{{"IceConnectionFailed", 5}};
  const std::map<std::string, std::uint64_t> once{{"IceConnectionFailed", 1}};
  EXPECT_EQ(stats.error_type_counts, five);
  EXPECT_EQ(stats.error_type_triggered_opens, once);
  EXPECT_EQ(stats.current_error_type_failures, five);
  const auto [total, successful, failed, opens, closes, timeouts] = metrics_of(world.breaker.snapshot());
  EXPECT_EQ(total, 9U);
  EXPECT_EQ(successful, 1U);
  EXPECT_EQ(failed, 5U);
  EXPECT_EQ(opens, 1U);
  EXPECT_EQ(closes, 0U);
  EXPECT_EQ(timeouts, 1U);
}

TEST(BreakerStats, CountMoreSuccessesThanTheGateHolds) {
  BreakerWorld world;
  for (int i = 0; i < 200'000; ++i) world.succeed();
  EXPECT_EQ(world.breaker.snapshot().successful, 200'000U);
}

}  // namespace
}  // namespace isotube::isolation
