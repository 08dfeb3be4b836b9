// The words for what the public headers enumerate.
#include "isotube/circuit_breaker.hpp"

namespace isotube {

std::string_view to_string(ErrorType type) {
  switch (type) {
    case ErrorType::IceConnectionFailed:
      return "IceConnectionFailed";
    case ErrorType::TurnServerConnectionFailed:
      return "TurnServerConnectionFailed";
    case ErrorType::AuthenticationFailed:
      return "AuthenticationFailed";
    case ErrorType::DataChannelFailed:
      return "DataChannelFailed";
    case ErrorType::SignalingFailed:
      return "SignalingFailed";
    case ErrorType::Stalled:
      return "Stalled";
    case ErrorType::Unknown:
      break;
  }
  return "Unknown";
}

std::string_view to_string(CircuitState state) {
  switch (state) {
    case CircuitState::Closed:
      return "Closed";
    case CircuitState::Open:
      return "Open";
    case CircuitState::HalfOpen:
      break;
  }
  return "Half-Open";
}

std::string_view to_string(CircuitMode mode) {
  switch (mode) {
    case CircuitMode::Normal:
      return "normal";
    case CircuitMode::ForcedOpen:
      return "forced-open";
    case CircuitMode::ForcedClosed:
      return "forced-closed";
    case CircuitMode::Observe:
      return "observe";
    case CircuitMode::Disabled:
      break;
  }
  return "disabled";
}

std::optional<CircuitMode> parse_circuit_mode(std::string_view text) {
  for (const CircuitMode mode : {CircuitMode::Normal, CircuitMode::ForcedOpen, CircuitMode::ForcedClosed,
                                 CircuitMode::Observe, CircuitMode::Disabled}) {
    if (text == to_string(mode)) return mode;
  }
  return std::nullopt;
}

std::string to_string(const CircuitError& error) {
  switch (error.kind()) {
    case CircuitErrorKind::CircuitOpen:
      return "Circuit breaker open";
    case CircuitErrorKind::Timeout:
      return "Operation timed out";
    case CircuitErrorKind::TooManyTestRequests:
      return "Too many test requests";
    case CircuitErrorKind::OperationFailed:
      break;
  }
  return error.failure().value_or("Operation failed");
}

}  // namespace isotube
