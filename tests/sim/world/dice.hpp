// Chance that is fixed by what it is for: the same throw falls the same, whatever else was thrown before.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace isotube::sim {

/// A few throws for one purpose, which its key names: (seed, link, direction, number). Not for secrets.
class Dice {
 public:
  Dice(std::initializer_list<std::uint64_t> key) {
    for (const std::uint64_t part : key) state_ = mixed(state_ ^ mixed(part + kStep));
  }

  [[nodiscard]] std::uint64_t next() {
    state_ += kStep;
    return mixed(state_);
  }
  /// Uniform in [0, 1).
  [[nodiscard]] double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// True in `share` of all cases.
  [[nodiscard]] bool falls(double share) { return unit() < share; }
  /// Uniform in [low, high].
  [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + next() % (high - low + 1); }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15;

  /// The finaliser of SplitMix64: every bit of the input moves every bit of the output.
  static constexpr std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
    value = (value ^ value >> 27) * 0x94D049BB133111EB;
    return value ^ value >> 31;
  }

  std::uint64_t state_ = 0;
};

}  // namespace isotube::sim
