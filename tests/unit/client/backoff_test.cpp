#include "client/backoff.hpp"

#include <gtest/gtest.h>

namespace isotube::client {
namespace {

using std::chrono::seconds;

Random seeded(std::uint8_t first) {
  Random::Seed seed{};
  seed[0] = std::byte{first};
  return Random(seed);
}

TEST(Backoff, DoublesItsLimitFromOneSecondToThirty) {
  const std::array limits{seconds(1), seconds(2), seconds(4), seconds(8), seconds(16), seconds(30), seconds(30)};
  std::array<Duration, limits.size()> longest{};
  for (std::uint8_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(seeded(seed));
    for (Duration& each : longest) each = std::max(each, backoff.next());
  }
  for (std::size_t i = 0; i < limits.size(); ++i) {
    EXPECT_LT(longest.at(i), limits.at(i));
    EXPECT_GT(longest.at(i), limits.at(i) * 9 / 10);
  }
}

TEST(Backoff, DrawsFromTheWholeRangeSoThatClientsSpread) {
  int early = 0;
  for (std::uint8_t seed = 0; seed < 200; ++seed) {
    if (Backoff(seeded(seed)).next() < std::chrono::milliseconds(500)) ++early;
  }
  EXPECT_GT(early, 70);
  EXPECT_LT(early, 130);
}

TEST(Backoff, BeginsAgainAfterAReset) {
  Backoff backoff(seeded(1));
  for (int i = 0; i < 10; ++i) (void)backoff.next();
  backoff.reset();
  EXPECT_LT(backoff.next(), seconds(1));
}

}  // namespace
}  // namespace isotube::client
