// When a tube's circuit breaker opens, for how long, and what closes it again.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "isotube/error_type.hpp"

namespace isotube {

/// Normal opens and closes by the rules. Observe does the same but refuses nobody. Disabled neither refuses nor counts.
enum class CircuitMode : std::uint8_t { Normal, ForcedOpen, ForcedClosed, Observe, Disabled };

/// "normal", "forced-open", "forced-closed", "observe", "disabled".
[[nodiscard]] std::string_view to_string(CircuitMode mode);
/// Reads what to_string() writes.
[[nodiscard]] std::optional<CircuitMode> parse_circuit_mode(std::string_view text);

/// Rates over the latest calls instead of failures in a row.
struct CircuitWindow {
  enum class Kind : std::uint8_t { LastCalls, LastTime };

  Kind kind = Kind::LastCalls;
  std::uint32_t calls = 20;                                 ///< LastCalls: how many; at most 10,000
  std::chrono::nanoseconds span = std::chrono::minutes(1);  ///< LastTime: how long; it moves in tenths
  /// With fewer calls than this in the window nothing is decided.
  std::uint32_t minimum_calls = 10;
  double failure_rate = 0.5;  ///< opens at this share of failed calls or above
  /// A call that took this long is slow, whatever its outcome.
  std::chrono::nanoseconds slow_call = std::chrono::seconds(5);
  double slow_call_rate = 1.0;  ///< opens at this share of slow calls or above

  friend bool operator==(const CircuitWindow&, const CircuitWindow&) = default;
};

struct ErrorTypeConfig {
  /// Failures of this type in a row that open the circuit. Nothing: the type's own default, or `failure_threshold` if
  /// that is lower.
  std::optional<std::uint32_t> threshold;
  /// On the open time, when a failure of this type opens the circuit. Nothing: the type's own default.
  std::optional<double> factor;

  friend bool operator==(const ErrorTypeConfig&, const ErrorTypeConfig&) = default;
};

/// Why a configuration cannot work.
struct CircuitConfigError {
  enum class Reason : std::uint8_t {
    Zero,                    ///< a count or a time is zero or less
    TooLong,                 ///< a time is over a day, or `timeout` over `max_open_time`
    TypeAboveTotal,          ///< a type's threshold could never be reached
    SuccessesAboveRequests,  ///< success_threshold is above max_half_open_requests
    BadFactor,               ///< no finite number above zero
    BadWindow,               ///< rates outside (0, 1], or more calls needed than the window holds
  };

  Reason reason;
  std::string text;  ///< names the field and the limit
};

/// The breaker of one tube. All fields have working defaults.
///
///   CircuitConfig{.failure_threshold = 3, .timeout = 10s}
struct CircuitConfig {
  std::uint32_t failure_threshold = 5;
  std::chrono::nanoseconds timeout = std::chrono::seconds(30);
  std::uint32_t success_threshold = 3;
  std::uint32_t max_half_open_requests = 3;
  std::chrono::nanoseconds max_request_timeout = std::chrono::seconds(10);

  ByErrorType<ErrorTypeConfig> error_types;
  /// Each re-opening doubles the open time, up to this.
  std::chrono::nanoseconds max_open_time = std::chrono::minutes(5);
  /// Between the test requests that the tube makes by itself.
  std::chrono::nanoseconds probe_interval = std::chrono::seconds(1);
  std::optional<CircuitWindow> window;

  [[nodiscard]] std::expected<void, CircuitConfigError> validate() const;
  /// What is in force for `type`, defaults included.
  [[nodiscard]] std::uint32_t threshold_of(ErrorType type) const;
  [[nodiscard]] double factor_of(ErrorType type) const;

  friend bool operator==(const CircuitConfig&, const CircuitConfig&) = default;
};

}  // namespace isotube
