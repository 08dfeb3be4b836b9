#include "isolation/alerts.hpp"

#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::isolation {
namespace {

/// Counters that are looked at every 30 s.
class AlertWorld {
 public:
  std::vector<AlertChange> look() { return alerts.look(now, counters); }
  std::vector<AlertChange> pass(Duration time) {
    std::vector<AlertChange> changes;
    for (const TimePoint end = now + time; now < end;) {
      now += 30s;
      for (const AlertChange& each : look()) changes.push_back(each);
    }
    return changes;
  }

  TimePoint now = kStart;
  AlertCounters counters;
  TubeAlerts alerts;
};

TEST(BreakerOpensAlert, FiresAtTheSixthOpeningInAnHourAndResolvesAfterIt) {
  AlertWorld world;
  world.counters.circuit_opens = 5;
  EXPECT_TRUE(world.look().empty());
  world.now += 10min;
  world.counters.circuit_opens = 6;
  const auto changes = world.look();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(
      changes[0],
      (AlertChange{.kind = AlertKind::BreakerOpensOften, .state = AlertState::Firing, .at = world.now, .value = 6}));
  EXPECT_TRUE(world.look().empty()) << "said once";
  const auto later = world.pass(1h);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0].state, AlertState::Resolved);
  EXPECT_FALSE(world.alerts.firing(AlertKind::BreakerOpensOften));
}

TEST(BreakerOpensAlert, SixOpeningsOverTwoHoursAreFine) {
  AlertWorld world;
  for (int i = 0; i < 6; ++i) {
    ++world.counters.circuit_opens;
    EXPECT_TRUE(world.pass(20min).empty());
  }
}

TEST(TurnFailureAlert, NeedsTwentyTransactionsAndMoreThanATenth) {
  AlertWorld world;
  world.counters.turn_transactions = 19;
  world.counters.turn_failures = 19;
  EXPECT_TRUE(world.look().empty());
  world.counters.turn_transactions = 20;
  EXPECT_EQ(world.look().at(0).kind, AlertKind::TurnFailureRate);

  AlertWorld fine;
  fine.counters.turn_transactions = 100;
  fine.counters.turn_failures = 10;
  EXPECT_TRUE(fine.look().empty()) << "a tenth is not more than a tenth";
  fine.counters.turn_failures = 11;
  EXPECT_EQ(fine.look().at(0).value, 0.11);
}

TEST(TurnFailureAlert, ForgetsAfterFiveMinutes) {
  AlertWorld world;
  world.counters.turn_transactions = 20;
  world.counters.turn_failures = 20;
  (void)world.look();
  EXPECT_TRUE(world.pass(4min).empty());
  EXPECT_EQ(world.pass(1min).at(0).state, AlertState::Resolved);
}

TEST(ErrorSpikeAlert, NeedsFiveInFiveMinutesAndThreeTimesTheHoursAverage) {
  AlertWorld world;
  world.counters.error_type_counts[ErrorType::SignalingFailed] = 4;
  EXPECT_TRUE(world.look().empty());
  world.counters.error_type_counts[ErrorType::SignalingFailed] = 5;
  const auto changes = world.look();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].kind, AlertKind::ErrorTypeSpike);
  EXPECT_EQ(changes[0].type, ErrorType::SignalingFailed);
  EXPECT_TRUE(world.alerts.spiking(ErrorType::SignalingFailed));
  EXPECT_FALSE(world.alerts.spiking(ErrorType::Stalled));
}

TEST(ErrorSpikeAlert, AnHourOfTheSameErrorsIsNoSpike) {
  AlertWorld world;
  std::vector<AlertChange> changes;
  for (int i = 0; i < 120; ++i) {
    ++world.counters.error_type_counts[ErrorType::IceConnectionFailed];
    changes = world.pass(30s);
  }
  EXPECT_FALSE(world.alerts.spiking(ErrorType::IceConnectionFailed)) << "10 in 5 minutes, and 10 on average";
  world.counters.error_type_counts[ErrorType::IceConnectionFailed] += 60;
  EXPECT_EQ(world.look().at(0).state, AlertState::Firing);
}

TEST(ErrorSpikeAlert, ALongSilenceLeavesNothingBehind) {
  AlertWorld world;
  world.counters.error_type_counts[ErrorType::Unknown] = 1'000'000;
  (void)world.look();
  world.now += 1000h;
  EXPECT_EQ(world.look().at(0).state, AlertState::Resolved);
}

TEST(SparesAlert, FiresWhenNoSpareIsLeft) {
  SparesAlert alert;
  EXPECT_FALSE(alert.look(kStart, 0, 8));
  EXPECT_FALSE(alert.look(kStart, 7, 8));
  EXPECT_EQ(alert.look(kStart, 8, 8)->state, AlertState::Firing);
  EXPECT_FALSE(alert.look(kStart, 8, 8));
  EXPECT_EQ(alert.look(kStart, 7, 8)->state, AlertState::Resolved);
  EXPECT_FALSE(SparesAlert().look(kStart, 0, 0));
}

TEST(Alerts, TakeLittleMemory) { EXPECT_LE(sizeof(TubeAlerts), 1024U); }

}  // namespace
}  // namespace isotube::isolation
