#include "base/random.hpp"

#include <gtest/gtest.h>

namespace isotube {
namespace {

Random seeded(std::uint8_t first) {
  Random::Seed seed{};
  seed[0] = std::byte{first};
  return Random(seed);
}

TEST(Random, RepeatsForTheSameSeed) {
  Random one = seeded(1);
  Random other = seeded(1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.next_u32(), other.next_u32());
  EXPECT_NE(seeded(1).next_u64(), seeded(2).next_u64());
}

TEST(Random, ForkDependsOnPurposeAloneAndNotOnWhatWasDrawn) {
  Random drawn = seeded(1);
  (void)drawn.next_u64();
  EXPECT_EQ(drawn.fork("ice").next_u64(), seeded(1).fork("ice").next_u64());
  EXPECT_NE(seeded(1).fork("ice").next_u64(), seeded(1).fork("sctp").next_u64());
}

TEST(Random, BelowStaysBelowAndReachesEveryValue) {
  Random random = seeded(3);
  std::array<int, 5> counts{};
  for (int i = 0; i < 1000; ++i) ++counts.at(random.below(5));
  for (int count : counts) EXPECT_GT(count, 100);
}

// The keystream of RFC 8439 for the all-zero key and nonce begins with these bytes (appendix A.1, vector 1).
TEST(Random, IsTheChaCha20Keystream) {
  Random random{Random::Seed{}};
  std::array<std::byte, 4> bytes{};
  random.fill(bytes);
  EXPECT_EQ(bytes, (std::array{std::byte{0x76}, std::byte{0xB8}, std::byte{0xE0}, std::byte{0xAD}}));
}

}  // namespace
}  // namespace isotube
