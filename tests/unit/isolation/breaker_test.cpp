// Each rule of the breaker, one at a time.
#include "isolation/breaker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include "world.hpp"

namespace isotube::isolation {
namespace {

using testing::ElementsAre;

void expect_range(Duration value, Duration low, Duration high) {
  EXPECT_GE(value, low);
  EXPECT_LE(value, high);
}

TEST(BreakerClosed, LetsEverythingThrough) {
  BreakerWorld world;
  for (int i = 0; i < 1000; ++i) world.succeed();
  EXPECT_EQ(world.state(), CircuitState::Closed);
  EXPECT_EQ(world.breaker.snapshot().successful, 1000U);
  EXPECT_TRUE(world.transitions.empty());
}

TEST(BreakerClosed, OpensAtFiveFailuresInARowOfAnyType) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 2);
  world.fail(ErrorType::DataChannelFailed);
  world.fail(ErrorType::Unknown);
  EXPECT_EQ(world.state(), CircuitState::Closed);
  world.fail(ErrorType::SignalingFailed);
  EXPECT_EQ(world.state(), CircuitState::Open);
  ASSERT_EQ(world.transitions.size(), 1U);
  EXPECT_EQ(world.transitions[0].cause, TransitionCause::FailureThreshold);
  EXPECT_EQ(world.transitions[0].opened_by, ErrorType::SignalingFailed);
}

TEST(BreakerClosed, OpensAtEachTypesOwnThreshold) {
  for (const ErrorType type : kErrorTypes) {
    BreakerWorld world;
    const int threshold = static_cast<int>(CircuitConfig{}.threshold_of(type));
    world.fail(type, threshold - 1);
    EXPECT_EQ(world.state(), CircuitState::Closed) << to_string(type);
    world.fail(type);
    EXPECT_EQ(world.state(), CircuitState::Open) << to_string(type);
    EXPECT_EQ(world.breaker.snapshot().error_type_triggered_opens[type], 1U) << to_string(type);
  }
}

TEST(BreakerClosed, ASuccessEndsTheTotalAndItsOwnTypesStreakOnly) {
  BreakerWorld world;
  world.fail(ErrorType::AuthenticationFailed);
  world.fail(ErrorType::SignalingFailed, 2);
  world.succeed(ErrorType::SignalingFailed);
  const Snapshot after = world.breaker.snapshot();
  EXPECT_EQ(after.current_failures, 0U);
  EXPECT_EQ(after.current_error_type_failures[ErrorType::SignalingFailed], 0U);
  EXPECT_EQ(after.current_error_type_failures[ErrorType::AuthenticationFailed], 1U);
  world.fail(ErrorType::SignalingFailed, 2);
  EXPECT_EQ(world.state(), CircuitState::Closed);
  world.fail(ErrorType::AuthenticationFailed);
  EXPECT_EQ(world.state(), CircuitState::Open);
  EXPECT_EQ(world.transitions[0].cause, TransitionCause::TypeThreshold);
}

TEST(BreakerClosed, FourFailuresAndASuccessNeverOpenIt) {
  BreakerWorld world;
  for (int i = 0; i < 100; ++i) {
    world.fail(ErrorType::IceConnectionFailed, 4);
    world.succeed();
  }
  EXPECT_EQ(world.state(), CircuitState::Closed);
}

TEST(BreakerClosed, ATimeoutIsAFailureOfTheOperationsType) {
  BreakerWorld world;
  for (int i = 0; i < 3; ++i) world.acquire(ErrorType::SignalingFailed).timeout(world.now);
  const Snapshot after = world.breaker.snapshot();
  EXPECT_EQ(after.state, CircuitState::Open);
  EXPECT_EQ(after.opened_by, ErrorType::SignalingFailed);
  EXPECT_EQ(after.timeouts, 3U);
  EXPECT_EQ(after.failed, 3U);
}

TEST(BreakerClosed, AReportedFailureCountsAsARequestAndItsFailure) {
  BreakerWorld world;
  for (int i = 0; i < 4; ++i) world.breaker.report_failure(world.now, ErrorType::DataChannelFailed);
  EXPECT_EQ(world.state(), CircuitState::Open);
  EXPECT_EQ(world.breaker.snapshot().total(), 4U);
  EXPECT_EQ(world.breaker.snapshot().failed, 4U);
}

TEST(BreakerOpen, RefusesAtOnceAndSaysForHowLong) {
  BreakerWorld world;
  world.fail(ErrorType::TurnServerConnectionFailed, 5);
  const Duration open_time = world.open_time();
  world.now += 1s;
  EXPECT_EQ(world.refusal(), (CircuitRefusal{.kind = CircuitErrorKind::CircuitOpen,
                                             .time_left = open_time - 1s,
                                             .opened_by = ErrorType::TurnServerConnectionFailed}));
  EXPECT_EQ(world.breaker.snapshot().refused, 1U);
  EXPECT_EQ(world.breaker.snapshot().total(), 6U);
}

TEST(BreakerOpen, StaysOpenForTheTimeoutTimesTheFactorWithJitterDownwardOnly) {
  for (const ErrorType type : kErrorTypes) {
    const auto longest =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(30) * CircuitConfig{}.factor_of(type));
    Duration shortest_seen = Duration::max();
    Duration longest_seen = Duration(0);
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      BreakerWorld world({}, CircuitMode::Normal, seed);
      world.fail(type, 5);
      shortest_seen = std::min(shortest_seen, world.open_time());
      longest_seen = std::max(longest_seen, world.open_time());
    }
    expect_range(shortest_seen, longest * 8 / 10, longest * 82 / 100);
    expect_range(longest_seen, longest * 98 / 100, longest);
  }
}

TEST(BreakerOpen, ItsFactorIsThatOfTheFailureThatOpenedIt) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 4);
  world.fail(ErrorType::AuthenticationFailed);
  expect_range(world.open_time(), 72s, 90s);
}

TEST(BreakerOpen, EachReopeningDoublesUpToFiveMinutes) {
  BreakerWorld world;
  world.fail(ErrorType::TurnServerConnectionFailed, 5);
  Duration expected = world.open_time();
  for (int i = 0; i < 100; ++i) {
    world.sit_out_open_time();
    world.fail(ErrorType::TurnServerConnectionFailed);
    expected = std::min<Duration>(expected * 2, 5min);
    EXPECT_EQ(world.open_time(), expected);
  }
  EXPECT_EQ(world.open_time(), 5min);
}

TEST(BreakerOpen, IsForADoublingAgainTheFirstAfterItHasClosed) {
  BreakerWorld world;
  world.fail(ErrorType::TurnServerConnectionFailed, 5);
  world.sit_out_open_time();
  world.fail(ErrorType::TurnServerConnectionFailed);
  world.sit_out_open_time();
  for (int i = 0; i < 3; ++i) world.succeed();
  ASSERT_EQ(world.state(), CircuitState::Closed);
  world.fail(ErrorType::TurnServerConnectionFailed, 5);
  expect_range(world.open_time(), 24s, 30s);
}

TEST(BreakerHalfOpen, TheFirstRequestAfterTheOpenTimeIsTheFirstTest) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.now = *world.breaker.snapshot().open_until - 1ns;
  EXPECT_TRUE(world.refusal());
  EXPECT_EQ(world.state(), CircuitState::Open);
  world.now += 1ns;
  const Permit first = world.acquire();
  EXPECT_TRUE(first.pending());
  EXPECT_EQ(world.state(), CircuitState::HalfOpen);
  EXPECT_EQ(world.breaker.snapshot().tests_in_flight, 1U);
}

TEST(BreakerHalfOpen, LetsThreeThroughAtATimeAndNoMore) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  const Permit one = world.acquire();
  Permit two = world.acquire();
  const Permit three = world.acquire();
  EXPECT_EQ(world.refusal()->kind, CircuitErrorKind::TooManyTestRequests);
  two.success(world.now);
  EXPECT_FALSE(world.refusal());
}

TEST(BreakerHalfOpen, ThreeSuccessesCloseIt) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  world.succeed();
  world.succeed();
  EXPECT_EQ(world.state(), CircuitState::HalfOpen);
  world.succeed();
  EXPECT_EQ(world.state(), CircuitState::Closed);
  EXPECT_EQ(world.breaker.snapshot().circuit_closes, 1U);
  EXPECT_EQ(world.breaker.snapshot().current_failures, 0U);
}

TEST(BreakerHalfOpen, OneFailureOpensItAgainAtOnce) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  world.succeed();
  world.succeed();
  world.fail(ErrorType::SignalingFailed);
  EXPECT_EQ(world.state(), CircuitState::Open);
  EXPECT_EQ(world.transitions.back().cause, TransitionCause::TestFailed);
  EXPECT_EQ(world.breaker.snapshot().opened_by, ErrorType::SignalingFailed);
  EXPECT_EQ(world.breaker.snapshot().circuit_opens, 2U);
}

TEST(BreakerHalfOpen, IsNeverWedgedByTestsThatAreDropped) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  for (int i = 0; i < 100; ++i) {
    const Permit one = world.acquire();
    const Permit two = world.acquire();
    const Permit three = world.acquire();
    EXPECT_TRUE(three.pending());
  }
  EXPECT_EQ(world.breaker.snapshot().cancelled, 300U);
  for (int i = 0; i < 3; ++i) world.succeed();
  EXPECT_EQ(world.state(), CircuitState::Closed);
}

TEST(Permits, OneThatIsDroppedCountsAsCancelled) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 4);
  {
    const Permit permit = world.acquire();
  }
  const Snapshot after = world.breaker.snapshot();
  EXPECT_EQ(after.cancelled, 1U);
  EXPECT_EQ(after.in_flight, 0U);
  EXPECT_EQ(after.current_failures, 4U);
}

TEST(Permits, HaveOneOutcome) {
  BreakerWorld world;
  Permit permit = world.acquire();
  permit.success(world.now);
  permit.failure(world.now, ErrorType::Unknown);
  permit.timeout(world.now);
  permit.success(world.now);
  const Snapshot after = world.breaker.snapshot();
  EXPECT_EQ(after.successful, 1U);
  EXPECT_EQ(after.total(), 1U);
}

TEST(Permits, MoveWithTheirPlace) {
  BreakerWorld world;
  Permit first = world.acquire();
  Permit second = std::move(first);
  EXPECT_EQ(world.breaker.snapshot().in_flight, 1U);
  first = world.acquire();
  EXPECT_EQ(world.breaker.snapshot().in_flight, 2U);
  second = std::move(first);
  EXPECT_EQ(world.breaker.snapshot().in_flight, 1U);
  EXPECT_EQ(world.breaker.snapshot().cancelled, 1U);
  second.success(world.now);
  EXPECT_EQ(world.breaker.snapshot().in_flight, 0U);
}

TEST(Permits, FailuresOfTheClosedCircuitDoNotReopenATestedOne) {
  BreakerWorld world;
  Permit old = world.acquire();
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  const Permit test = world.acquire();
  old.failure(world.now, ErrorType::IceConnectionFailed);
  EXPECT_EQ(world.state(), CircuitState::HalfOpen);
  EXPECT_EQ(world.breaker.snapshot().failed, 6U);
  EXPECT_EQ(world.breaker.snapshot().tests_in_flight, 1U);
}

TEST(Permits, SuccessesOfTheClosedCircuitAreNoTests) {
  BreakerWorld world;
  std::vector<Permit> old;
  for (int i = 0; i < 5; ++i) old.push_back(world.acquire());
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  const Permit test = world.acquire();
  for (Permit& each : old) each.success(world.now);
  EXPECT_EQ(world.state(), CircuitState::HalfOpen);
  EXPECT_EQ(world.breaker.snapshot().test_successes, 0U);
  EXPECT_EQ(world.breaker.snapshot().successful, 5U);
}

TEST(Permits, ATestThatIsLateSaysNothingOfTheNextTests) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  Permit late = world.acquire();
  Permit dropped = world.acquire();
  world.fail();
  world.sit_out_open_time();
  const Permit test = world.acquire();
  late.success(world.now);
  dropped.cancel();
  EXPECT_EQ(world.breaker.snapshot().test_successes, 0U);
  EXPECT_EQ(world.breaker.snapshot().tests_in_flight, 1U);
}

TEST(Permits, ATestThatFailsAfterTheCircuitClosedStartsNoStreak) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  Permit first = world.acquire();
  Permit second = world.acquire();
  Permit third = world.acquire();
  first.success(world.now);
  Permit fourth = world.acquire();
  second.success(world.now);
  third.success(world.now);
  ASSERT_EQ(world.state(), CircuitState::Closed);
  fourth.failure(world.now, ErrorType::IceConnectionFailed);
  EXPECT_EQ(world.breaker.snapshot().current_failures, 0U);
  EXPECT_EQ(world.breaker.snapshot().error_type_counts[ErrorType::IceConnectionFailed], 6U);
}

TEST(Permits, ASuccessFromBeforeAResetEndsNoStreakThatBeganAfterIt) {
  BreakerWorld world;
  Permit old = world.acquire();
  world.breaker.reset(world.now);
  world.fail(ErrorType::IceConnectionFailed, 4);
  old.success(world.now);
  EXPECT_EQ(world.breaker.snapshot().current_failures, 4U);
}

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

TEST(BreakerTrip, OpensWhateverTheCountsAndRecoversByItself) {
  BreakerWorld world;
  world.breaker.trip(world.now, ErrorType::Stalled, "three stalls in a minute");
  EXPECT_EQ(world.state(), CircuitState::Open);
  expect_range(world.open_time(), 24s, 30s);
  EXPECT_EQ(world.transitions[0].cause, TransitionCause::Tripped);
  EXPECT_EQ(world.transitions[0].reason, "three stalls in a minute");
  EXPECT_EQ(world.breaker.snapshot().total(), 0U);
  const TimePoint until = *world.breaker.snapshot().open_until;
  world.now += 1s;
  world.breaker.trip(world.now, ErrorType::Stalled, "again");
  EXPECT_EQ(world.breaker.snapshot().open_until, until);
  world.sit_out_open_time();
  for (int i = 0; i < 3; ++i) world.succeed();
  EXPECT_EQ(world.state(), CircuitState::Closed);
}

TEST(BreakerModes, ForcedOpenRefusesUntilReset) {
  BreakerWorld world;
  world.breaker.force_open(world.now, "maintenance");
  EXPECT_EQ(world.state_text(), "Open (forced: maintenance)");
  world.now += 1000h;
  EXPECT_EQ(world.refusal(), (CircuitRefusal{.kind = CircuitErrorKind::CircuitOpen}));
  EXPECT_FALSE(world.breaker.next_probe());
  world.breaker.force_open(world.now, "still");
  EXPECT_EQ(world.state_text(), "Open (forced: still)");
  world.breaker.reset(world.now);
  EXPECT_EQ(world.state(), CircuitState::Closed);
  EXPECT_FALSE(world.refusal());
  EXPECT_EQ(world.breaker.snapshot().mode, CircuitMode::Normal);
}

TEST(BreakerModes, ResetGivesBackTheModeThatWasThereBeforeTheForce) {
  BreakerWorld world({}, CircuitMode::Observe);
  world.breaker.force_open(world.now, "");
  world.breaker.reset(world.now);
  EXPECT_EQ(world.breaker.snapshot().mode, CircuitMode::Observe);
}

TEST(BreakerModes, AForcedReasonIsKeptInBounds) {
  BreakerWorld world;
  world.breaker.force_open(world.now, std::string(100'000, 'x'));
  EXPECT_EQ(world.breaker.snapshot().reason.size(), Breaker::kMaxReason);
}

TEST(BreakerModes, ForcedClosedCountsAndNeverOpens) {
  BreakerWorld world({}, CircuitMode::ForcedClosed);
  world.fail(ErrorType::AuthenticationFailed, 100);
  world.breaker.trip(world.now, ErrorType::Stalled, "");
  EXPECT_EQ(world.state(), CircuitState::Closed);
  EXPECT_EQ(world.breaker.snapshot().failed, 100U);
  EXPECT_EQ(world.breaker.snapshot().current_failures, 0U);
  world.breaker.set_mode(world.now, CircuitMode::Normal);
  world.fail(ErrorType::IceConnectionFailed, 4);
  EXPECT_EQ(world.state(), CircuitState::Closed);
}

TEST(BreakerModes, ObserveShowsWhatWouldHappenAndRefusesNobody) {
  BreakerWorld world({}, CircuitMode::Observe);
  world.fail(ErrorType::IceConnectionFailed, 5);
  EXPECT_EQ(world.state(), CircuitState::Open);
  std::vector<Permit> passed;
  for (int i = 0; i < 10; ++i) passed.push_back(world.acquire());
  EXPECT_EQ(world.breaker.snapshot().in_flight, 10U);
  EXPECT_EQ(world.breaker.snapshot().refused, 0U);
  world.sit_out_open_time();
  for (int i = 0; i < 10; ++i) passed.push_back(world.acquire());
  EXPECT_EQ(world.state(), CircuitState::HalfOpen);
  EXPECT_EQ(world.breaker.snapshot().tests_in_flight, 3U);
  // What would have been refused is no test: neither its failures nor its successes move anything.
  for (std::size_t i = 13; i < 20; ++i) passed[i].failure(world.now, ErrorType::IceConnectionFailed);
  for (std::size_t i = 0; i < 10; ++i) passed[i].success(world.now);
  EXPECT_EQ(world.state(), CircuitState::HalfOpen);
  EXPECT_EQ(world.breaker.snapshot().test_successes, 0U);
}

TEST(BreakerModes, ANormalCircuitTakesOverWhatObserveSaw) {
  BreakerWorld world({}, CircuitMode::Observe);
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.breaker.set_mode(world.now, CircuitMode::Normal);
  EXPECT_EQ(world.refusal()->kind, CircuitErrorKind::CircuitOpen);
  EXPECT_EQ(world.breaker.snapshot().circuit_opens, 1U);
}

TEST(BreakerModes, DisabledNeitherRefusesNorCounts) {
  BreakerWorld world;
  Permit before = world.acquire();
  world.breaker.set_mode(world.now, CircuitMode::Disabled);
  world.fail(ErrorType::AuthenticationFailed, 10);
  world.succeed();
  world.breaker.report_failure(world.now, ErrorType::DataChannelFailed);
  EXPECT_EQ(world.breaker.snapshot().total(), 1U);
  before.failure(world.now, ErrorType::Unknown);
  EXPECT_EQ(world.breaker.snapshot().failed, 1U);
  EXPECT_EQ(world.breaker.snapshot().in_flight, 0U);
}

TEST(BreakerReset, ClosesAtOnceAndForgetsTheStreaks) {
  BreakerWorld world;
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.breaker.reset(world.now);
  EXPECT_EQ(world.state(), CircuitState::Closed);
  world.fail(ErrorType::IceConnectionFailed, 4);
  EXPECT_EQ(world.state(), CircuitState::Closed);
  world.breaker.reset(world.now);
  world.fail(ErrorType::IceConnectionFailed, 4);
  EXPECT_EQ(world.state(), CircuitState::Closed);
  EXPECT_EQ(world.breaker.snapshot().failed, 13U);
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

TEST(BreakerBounds, MoreInFlightThanItCountsIsRefused) {
  BreakerWorld world;
  std::vector<Permit> permits;
  permits.reserve(262'143);
  for (int i = 0; i < 262'143; ++i) permits.push_back(world.acquire());
  EXPECT_TRUE(permits.back().pending());
  EXPECT_EQ(world.refusal()->kind, CircuitErrorKind::TooManyTestRequests);
  permits.pop_back();
  EXPECT_FALSE(world.refusal());
  EXPECT_EQ(world.breaker.snapshot().total(), 262'145U);
}

TEST(BreakerBounds, TakesLittleMemory) { EXPECT_LE(sizeof(Breaker), 1024U); }

TEST(BreakerWindow, OpensAtTheFailureRateOfTheLastCalls) {
  BreakerWorld world({.window = CircuitWindow{.calls = 10, .minimum_calls = 10}});
  for (int i = 0; i < 6; ++i) world.succeed();
  world.fail(ErrorType::IceConnectionFailed, 4);
  EXPECT_EQ(world.state(), CircuitState::Closed) << "4 of 10; failures in a row don't count here";
  world.fail();
  EXPECT_EQ(world.state(), CircuitState::Open) << "5 of the last 10";
  EXPECT_EQ(world.transitions[0].cause, TransitionCause::FailureRate);
}

TEST(BreakerWindow, DecidesNothingOnFewCalls) {
  BreakerWorld world({.window = CircuitWindow{.calls = 20, .minimum_calls = 10}});
  world.fail(ErrorType::AuthenticationFailed, 9);
  EXPECT_EQ(world.state(), CircuitState::Closed);
  world.fail(ErrorType::AuthenticationFailed);
  EXPECT_EQ(world.state(), CircuitState::Open);
}

TEST(BreakerWindow, OpensAtTheRateOfSlowCallsEvenIfTheySucceed) {
  BreakerWorld world({.window = CircuitWindow{.calls = 10, .minimum_calls = 10, .slow_call_rate = 0.5}});
  for (int i = 0; i < 5; ++i) world.succeed();
  for (int i = 0; i < 5; ++i) {
    Permit permit = world.acquire(ErrorType::SignalingFailed);
    world.now += 5s;
    permit.success(world.now);
  }
  EXPECT_EQ(world.state(), CircuitState::Open);
  EXPECT_EQ(world.transitions[0].cause, TransitionCause::SlowCallRate);
  EXPECT_EQ(world.transitions[0].opened_by, ErrorType::SignalingFailed);
}

TEST(BreakerWindow, OverTimeForgetsWhatIsOlderThanItsSpan) {
  BreakerWorld world(
      {.window = CircuitWindow{.kind = CircuitWindow::Kind::LastTime, .span = 1min, .minimum_calls = 4}});
  world.fail(ErrorType::IceConnectionFailed, 3);
  world.now += 1min;
  world.fail();
  EXPECT_EQ(world.state(), CircuitState::Closed);
  world.now += 30s;
  world.fail(ErrorType::IceConnectionFailed, 3);
  EXPECT_EQ(world.state(), CircuitState::Open);
}

TEST(BreakerWindow, IsEmptyWhenTheCircuitHasClosedAgain) {
  BreakerWorld world({.window = CircuitWindow{.calls = 10, .minimum_calls = 5}});
  world.fail(ErrorType::IceConnectionFailed, 5);
  world.sit_out_open_time();
  for (int i = 0; i < 3; ++i) world.succeed();
  ASSERT_EQ(world.state(), CircuitState::Closed);
  world.fail(ErrorType::IceConnectionFailed, 4);
  EXPECT_EQ(world.state(), CircuitState::Closed);
}

}  // namespace
}  // namespace isotube::isolation
