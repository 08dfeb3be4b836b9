// What a tube's circuit breaker has seen and where it stands.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace isotube {

/// Legal steps: Closed → Open → HalfOpen → Closed, and HalfOpen → Open again. By hand: any → Open, any → Closed.
enum class CircuitState : std::uint8_t { Closed, Open, HalfOpen };

/// "Closed", "Open", "Half-Open".
[[nodiscard]] std::string_view to_string(CircuitState state);

/// auto [total, successful, failed, opens, closes, timeouts] = breaker.get_metrics();
struct CircuitMetrics {
  std::uint64_t total_requests = 0;
  std::uint64_t successful_requests = 0;
  std::uint64_t failed_requests = 0;
  std::uint64_t circuit_opens = 0;
  std::uint64_t circuit_closes = 0;
  std::uint64_t timeouts = 0;

  friend bool operator==(const CircuitMetrics&, const CircuitMetrics&) = default;
};

/// All of one moment: total_requests = successful + failed + refused + cancelled + in_flight, and timeouts are among
/// the failed. The maps hold the error types that were met, by name.
struct CircuitBreakerStats {
  std::string tube_id;
  /// "Closed", "Open (27 s left, IceConnectionFailed)", "Open (forced: REASON)", "Half-Open (1/3 successes, 2 in
  /// flight)".
  std::string state;
  std::uint64_t total_requests = 0;
  std::uint64_t successful_requests = 0;
  std::uint64_t failed_requests = 0;
  std::uint64_t circuit_opens = 0;
  std::uint64_t circuit_closes = 0;
  std::uint64_t timeouts = 0;
  std::map<std::string, std::uint64_t> error_type_counts;
  std::map<std::string, std::uint64_t> error_type_triggered_opens;
  std::map<std::string, std::uint64_t> current_error_type_failures;
  std::uint64_t refused = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t in_flight = 0;
};

}  // namespace isotube
