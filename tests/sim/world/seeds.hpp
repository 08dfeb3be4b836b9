// Which seeds a simulation runs with.
#pragma once

#include <cstdint>
#include <vector>

namespace isotube::sim {

/// First the seeds that failed once (failed_seeds.txt, one a line), then 1, 2, 3 … as many as the environment's
/// ISOTUBE_SIM_SEEDS says (50 if it says nothing). ISOTUBE_SIM_SEED names a single one to run again.
[[nodiscard]] std::vector<std::uint64_t> seeds();

}  // namespace isotube::sim
