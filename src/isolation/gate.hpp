// The breaker's fast path: one word that says whether the circuit is plainly closed, and counts what passes.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "isotube/error_type.hpp"

namespace isotube::isolation {

/// Numbers the breaker's periods between changes of state. A permit remembers the one it was given in. It wraps after
/// a million of them: nothing is in flight for that long.
using Epoch = std::uint32_t;

/// In the closed circuit a request passes with one atomic step, and its success with another. What needs more (a
/// failure, a success that ends a streak, every circuit that is not plainly closed) is done under the breaker's lock;
/// the guards in the word send callers there.
///
///   0            16             34     54        55        62               63
///   | successes   | in flight    | epoch | streak | streaks | guard success  | guard entry
///   | 16          | 18           | 20    | any    | by type | 1              | 1
///
/// Successes and permits in flight change in one step, so that a single load shows both as they were at one moment.
/// Thread-safe: enter() and succeed() from anywhere; the others only under the breaker's lock.
class Gate {
 public:
  /// What the breaker decides under its lock.
  struct Posture {
    Epoch epoch = 0;
    bool guard_entry = false;
    bool guard_success = false;
    bool streak = false;
    ByErrorType<bool> streaks;
  };
  struct Counts {
    std::uint64_t successes;
    std::uint64_t in_flight;
  };

  static constexpr Epoch kEpochMask = (Epoch{1} << 20) - 1;

  /// One more in flight, if nothing guards the entry; the epoch in which it passed.
  [[nodiscard]] std::optional<Epoch> enter() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & kGuardEntry) == 0 && (word & kInFlight) != kInFlight) {
      if (word_.compare_exchange_weak(word, word + kOneInFlight, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return epoch_of(word);
      }
    }
    return std::nullopt;
  }

  /// One in flight becomes a success, if that is all there is to do. A permit of an earlier epoch may do so too: where
  /// there is no streak to end, its success changes nothing but the counts.
  [[nodiscard]] bool succeed(ErrorType operation) {
    const std::uint64_t guards = kGuardSuccess | kStreak | streak_bit(operation) | kSuccessesFull;
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & guards) == 0) {
      if (word_.compare_exchange_weak(word, word - kOneInFlight + kOneSuccess, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  /// Under the lock: enters past the guard. False if too many are in flight.
  [[nodiscard]] bool enter_guarded() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & kInFlight) != kInFlight) {
      if (word_.compare_exchange_weak(word, word + kOneInFlight, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  /// Under the lock: one fewer in flight; its outcome is counted elsewhere.
  void leave() { word_.fetch_sub(kOneInFlight, std::memory_order_acq_rel); }

  /// Under the lock: takes the successes counted here out, before their field is full.
  [[nodiscard]] std::uint64_t take_successes() {
    return word_.fetch_and(~kSuccesses, std::memory_order_acq_rel) & kSuccesses;
  }

  /// Under the lock.
  void assume(const Posture& posture) {
    std::uint64_t bits = std::uint64_t{posture.epoch & kEpochMask} << kEpochShift;
    if (posture.guard_entry) bits |= kGuardEntry;
    if (posture.guard_success) bits |= kGuardSuccess;
    if (posture.streak) bits |= kStreak;
    for (const ErrorType type : kErrorTypes) {
      if (posture.streaks[type]) bits |= streak_bit(type);
    }
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(word, (word & (kSuccesses | kInFlight)) | bits, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
  }

  [[nodiscard]] Counts counts() const {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    return {.successes = word & kSuccesses, .in_flight = (word & kInFlight) / kOneInFlight};
  }

  /// Whether a request would pass without a look at the lock.
  [[nodiscard]] bool open_to_all() const { return (word_.load(std::memory_order_acquire) & kGuardEntry) == 0; }

 private:
  static constexpr int kInFlightShift = 16;
  static constexpr int kEpochShift = 34;
  static constexpr int kStreakShift = 54;

  static constexpr std::uint64_t kOneSuccess = 1;
  static constexpr std::uint64_t kSuccesses = 0xFFFF;
  /// Half of the field is left for what passes until somebody has the lock.
  static constexpr std::uint64_t kSuccessesFull = 0x8000;
  static constexpr std::uint64_t kOneInFlight = std::uint64_t{1} << kInFlightShift;
  static constexpr std::uint64_t kInFlight = ((std::uint64_t{1} << 18) - 1) << kInFlightShift;
  static constexpr std::uint64_t kStreak = std::uint64_t{1} << kStreakShift;
  static constexpr std::uint64_t kGuardSuccess = std::uint64_t{1} << 62;
  static constexpr std::uint64_t kGuardEntry = std::uint64_t{1} << 63;
  static_assert(kErrorTypes.size() == 7, "the word has seven bits for streaks by type");

  [[nodiscard]] static constexpr std::uint64_t streak_bit(ErrorType type) {
    return kStreak << (1 + static_cast<unsigned>(type));
  }
  [[nodiscard]] static Epoch epoch_of(std::uint64_t word) {
    return static_cast<Epoch>(word >> kEpochShift) & kEpochMask;
  }

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace isotube::isolation
