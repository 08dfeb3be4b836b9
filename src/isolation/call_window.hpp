// Failure and slow-call rates over the latest calls, or over the latest time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.hpp"
#include "isotube/circuit_config.hpp"

namespace isotube::isolation {

/// Its memory is taken once. Not thread-safe.
class CallWindow {
 public:
  enum class Verdict : std::uint8_t { Fine, TooManyFail, TooManySlow };

  struct Call {
    Duration took;
    bool failed;
  };

  explicit CallWindow(const CircuitWindow& config);

  /// Adds a call that ended now, and judges what is in the window.
  [[nodiscard]] Verdict record(TimePoint now, Call call);
  void clear();

 private:
  /// A call, or a tenth of the span.
  struct Slot {
    std::uint32_t calls = 0;
    std::uint32_t failed = 0;
    std::uint32_t slow = 0;
  };

  [[nodiscard]] Slot& slot_for(TimePoint now);
  void empty(Slot& slot);

  CircuitWindow config_;
  std::vector<Slot> slots_;
  Slot sum_;
  std::size_t newest_ = 0;
  std::int64_t newest_tenth_ = 0;
};

}  // namespace isotube::isolation
