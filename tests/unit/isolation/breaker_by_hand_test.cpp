// Modes, resets and trips.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "isolation/breaker.hpp"
#include "world.hpp"

namespace isotube::isolation {
namespace {

void expect_range(Duration value, Duration low, Duration high) {
  EXPECT_GE(value, low);
  EXPECT_LE(value, high);
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

}  // namespace
}  // namespace isotube::isolation
