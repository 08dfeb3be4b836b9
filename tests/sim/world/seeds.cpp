#include "sim/world/seeds.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

namespace isotube::sim {
namespace {

constexpr std::uint64_t kUsualCount = 50;

std::optional<std::uint64_t> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

std::vector<std::uint64_t> once_failed() {
  std::vector<std::uint64_t> found;
  std::ifstream file(ISOTUBE_SIM_FAILED_SEEDS);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    found.push_back(std::strtoull(line.c_str(), nullptr, 10));
  }
  return found;
}

}  // namespace

std::vector<std::uint64_t> seeds() {
  if (const auto single = number_in_environment("ISOTUBE_SIM_SEED")) return {*single};
  std::vector<std::uint64_t> all = once_failed();
  const std::uint64_t count = number_in_environment("ISOTUBE_SIM_SEEDS").value_or(kUsualCount);
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    if (std::ranges::find(all, seed) == all.end()) all.push_back(seed);
  }
  return all;
}

}  // namespace isotube::sim
