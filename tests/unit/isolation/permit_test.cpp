// What permits do, and what late ones do not.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "isolation/breaker.hpp"
#include "world.hpp"

namespace isotube::isolation {
namespace {

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

}  // namespace
}  // namespace isotube::isolation
