// What a tube of the simulation draws its randomness from.
#pragma once

#include <cstdint>

#include "base/random.hpp"

namespace isotube::sim {

/// Everything that tube `tube` ever draws comes from here, whatever other tubes exist.
[[nodiscard]] inline Random random_of(std::uint64_t seed, std::uint64_t tube) {
  Random::Seed bytes{};
  SpanWriter writer(bytes);
  writer.u64(seed);
  writer.u64(tube);
  return Random(bytes);
}

}  // namespace isotube::sim
