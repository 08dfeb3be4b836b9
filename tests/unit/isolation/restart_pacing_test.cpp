#include "isolation/restart_pacing.hpp"

#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::isolation {
namespace {

void expect_about(Duration gap, Duration middle) {
  EXPECT_GE(gap, middle * 8 / 10);
  EXPECT_LE(gap, middle * 12 / 10);
}

TEST(RestartPacing, TheFirstIsAtOnceAndTheNextAre5And10And20And60SecondsApart) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    RestartPacing pacing(seeded(seed));
    TimePoint now = kStart;
    EXPECT_TRUE(pacing.try_start(now));
    for (const Duration gap : {5s, 10s, 20s, 60s}) {
      expect_about(pacing.next_allowed() - now, gap);
      EXPECT_EQ(pacing.try_start(now).error(), pacing.next_allowed() - now);
      now = pacing.next_allowed() - 1ns;
      EXPECT_FALSE(pacing.try_start(now));
      now += 1ns;
      EXPECT_TRUE(pacing.try_start(now));
    }
    EXPECT_EQ(pacing.without_success(), 5U);
  }
}

TEST(RestartPacing, AfterFiveWithoutASuccessThereIsOneAMinute) {
  RestartPacing pacing(seeded(1));
  TimePoint now = kStart;
  for (int i = 0; i < 5; ++i) {
    now = std::max(now, pacing.next_allowed());
    ASSERT_TRUE(pacing.try_start(now));
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(pacing.next_allowed(), now + 60s);
    now = pacing.next_allowed();
    ASSERT_TRUE(pacing.try_start(now));
  }
}

TEST(RestartPacing, ASuccessBeginsWithTheShortestGapAgain) {
  RestartPacing pacing(seeded(1));
  TimePoint now = kStart;
  for (int i = 0; i < 5; ++i) {
    now = std::max(now, pacing.next_allowed());
    ASSERT_TRUE(pacing.try_start(now));
  }
  pacing.succeeded();
  expect_about(pacing.next_allowed() - now, 5s);
  now = pacing.next_allowed();
  ASSERT_TRUE(pacing.try_start(now));
  expect_about(pacing.next_allowed() - now, 5s);
}

TEST(RestartPacing, APathThatComesAndGoesMakesRestartsNoDenser) {
  RestartPacing pacing(seeded(1));
  TimePoint now = kStart;
  ASSERT_TRUE(pacing.try_start(now));
  for (int i = 0; i < 100; ++i) {
    pacing.succeeded();
    EXPECT_FALSE(pacing.try_start(now));
    EXPECT_GE(pacing.next_allowed() - now, 4s);
    now = pacing.next_allowed();
    ASSERT_TRUE(pacing.try_start(now));
  }
}

}  // namespace
}  // namespace isotube::isolation
