// Why an operation under a circuit breaker gave no result.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "isotube/error_type.hpp"

namespace isotube {

enum class CircuitErrorKind : std::uint8_t {
  CircuitOpen,          ///< refused: the operation was not started
  Timeout,              ///< it ran longer than max_request_timeout and was cancelled
  OperationFailed,      ///< it ran, and failed by itself
  TooManyTestRequests,  ///< refused: as many as may run at a time do
};

/// The breaker said no; the operation was not started.
struct CircuitRefusal {
  CircuitErrorKind kind = CircuitErrorKind::CircuitOpen;
  /// Until the circuit lets a test request through. Nothing: it is held open by hand, or too much is in flight.
  std::optional<std::chrono::nanoseconds> time_left;
  /// The failure that opened it, if one did.
  std::optional<ErrorType> opened_by;

  friend bool operator==(const CircuitRefusal&, const CircuitRefusal&) = default;
};

/// `E` is the operation's own error.
///
///   if (result.error() == CircuitError::CircuitOpen) wait(result.error().time_left());
template <typename E>
class BasicCircuitError {
 public:
  using enum CircuitErrorKind;

  BasicCircuitError(CircuitRefusal refusal)  // NOLINT(google-explicit-constructor): a refusal is one of its values
      : kind_(refusal.kind), refusal_(refusal) {}
  [[nodiscard]] static BasicCircuitError timeout() { return BasicCircuitError(Timeout, std::nullopt); }
  [[nodiscard]] static BasicCircuitError operation_failed(E failure) {
    return BasicCircuitError(OperationFailed, std::move(failure));
  }

  [[nodiscard]] CircuitErrorKind kind() const { return kind_; }
  [[nodiscard]] bool refused() const { return kind_ == CircuitOpen || kind_ == TooManyTestRequests; }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> time_left() const { return refusal_.time_left; }
  [[nodiscard]] std::optional<ErrorType> opened_by() const { return refusal_.opened_by; }
  /// The operation's own error; only with OperationFailed.
  [[nodiscard]] const std::optional<E>& failure() const { return failure_; }

  friend bool operator==(const BasicCircuitError& error, CircuitErrorKind kind) { return error.kind_ == kind; }
  friend bool operator==(const BasicCircuitError&, const BasicCircuitError&) = default;

 private:
  BasicCircuitError(CircuitErrorKind kind, std::optional<E> failure) : kind_(kind), failure_(std::move(failure)) {}

  CircuitErrorKind kind_;
  CircuitRefusal refusal_;
  std::optional<E> failure_;
};

using CircuitError = BasicCircuitError<std::string>;

/// "Circuit breaker open", "Operation timed out", "Too many test requests", or what the operation itself said.
[[nodiscard]] std::string to_string(const CircuitError& error);

}  // namespace isotube
