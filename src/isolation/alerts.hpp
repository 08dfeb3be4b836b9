// When to call for a person. deploy/ has the same rules for Prometheus; these work without one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "isolation/sliding_sum.hpp"
#include "isotube/error_type.hpp"

namespace isotube::isolation {

enum class AlertKind : std::uint8_t {
  BreakerOpensOften,  ///< more than 5 times in an hour
  TurnFailureRate,    ///< more than 10 % of at least 20 transactions in 5 minutes
  ErrorTypeSpike,     ///< in 5 minutes at least 5 of a type, and more than 3 times the hour's average
  SparesExhausted,    ///< stalled turns have taken all spare workers
};

/// "breaker-opens-often" and the like.
[[nodiscard]] std::string_view to_string(AlertKind kind);

/// Legal steps: Resolved → Firing → Resolved …
enum class AlertState : std::uint8_t { Resolved, Firing };

struct AlertChange {
  AlertKind kind;
  AlertState state;
  TimePoint at;
  /// With ErrorTypeSpike.
  std::optional<ErrorType> type;
  /// What is compared with the limit: opens, a share from 0 to 1, errors, spares.
  double value = 0;

  friend bool operator==(const AlertChange&, const AlertChange&) = default;
};

struct AlertLimits {
  std::uint32_t opens_per_hour = 5;
  double turn_failure_rate = 0.1;
  std::uint32_t turn_transactions = 20;
  std::uint32_t errors = 5;
  double error_factor = 3;
};

/// Since the tube began.
struct AlertCounters {
  std::uint64_t circuit_opens = 0;
  std::uint64_t turn_transactions = 0;
  std::uint64_t turn_failures = 0;
  ByErrorType<std::uint64_t> error_type_counts;
};

/// The alerts of one tube. Not thread-safe. `now` never goes back.
class TubeAlerts {
 public:
  explicit TubeAlerts(const AlertLimits& limits = {}) : limits_(limits) {}

  /// Every 30 s, and whenever something was counted. Gives what changed, in a fixed order.
  [[nodiscard]] std::vector<AlertChange> look(TimePoint now, const AlertCounters& counters);
  [[nodiscard]] bool firing(AlertKind kind) const;
  [[nodiscard]] bool spiking(ErrorType type) const { return spiking_[type]; }

 private:
  /// 5 minutes in steps of 30 s, an hour in steps of 5 minutes.
  static constexpr Duration kShortStep = std::chrono::seconds(30);
  static constexpr Duration kLongStep = std::chrono::minutes(5);
  static constexpr std::size_t kShortSteps = 10;
  static constexpr std::size_t kLongSteps = 12;

  void count(TimePoint now, const AlertCounters& counters);

  AlertLimits limits_;
  AlertCounters seen_;
  SlidingSum<kLongSteps> opens_;
  SlidingSum<kShortSteps> transactions_;
  SlidingSum<kShortSteps> failures_;
  ByErrorType<SlidingSum<kShortSteps>> errors_lately_;
  ByErrorType<SlidingSum<kLongSteps>> errors_in_hour_;
  bool opens_often_ = false;
  bool turn_fails_ = false;
  ByErrorType<bool> spiking_;
};

/// The alert that belongs to the process. Not thread-safe.
class SparesAlert {
 public:
  /// How many spare workers are in use, of how many.
  [[nodiscard]] std::optional<AlertChange> look(TimePoint now, std::uint32_t used, std::uint32_t all);
  [[nodiscard]] bool firing() const { return firing_; }

 private:
  bool firing_ = false;
};

}  // namespace isotube::isolation
