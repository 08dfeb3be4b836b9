// How much of something happened lately, from counters that only grow.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace isotube::isolation {

/// The sum over the latest `kSteps` steps of time, the running one included. Small, because every tube has some: a step
/// holds at most 65,535, which is past every limit that an alert has.
template <std::size_t kSteps>
class SlidingSum {
 public:
  /// Time is at step number `step`, and `happened` more happened.
  void add(std::int64_t step, std::uint64_t happened) {
    const std::int64_t passed = std::clamp<std::int64_t>(step - newest_, 0, std::int64_t{kSteps});
    for (std::int64_t i = 0; i < passed; ++i) {
      place_ = static_cast<std::uint8_t>((place_ + 1) % kSteps);
      steps_[place_] = 0;
    }
    newest_ = std::max(newest_, step);
    steps_[place_] = static_cast<std::uint16_t>(std::min<std::uint64_t>(steps_[place_] + happened, UINT16_MAX));
  }

  [[nodiscard]] std::uint64_t sum() const {
    std::uint64_t sum = 0;
    for (const std::uint16_t step : steps_) sum += step;
    return sum;
  }

 private:
  static_assert(kSteps > 0 && kSteps < 256);
  std::int64_t newest_ = 0;
  std::array<std::uint16_t, kSteps> steps_{};
  std::uint8_t place_ = 0;
};

}  // namespace isotube::isolation
