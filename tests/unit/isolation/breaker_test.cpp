// Each rule of the states, one at a time.
#include "isolation/breaker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "world.hpp"

namespace isotube::isolation {
namespace {

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

}  // namespace
}  // namespace isotube::isolation
