// Rates over a window instead of failures in a row.
#include <gtest/gtest.h>

#include "isolation/breaker.hpp"
#include "world.hpp"

namespace isotube::isolation {
namespace {

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
