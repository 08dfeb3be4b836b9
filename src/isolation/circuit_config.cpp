#include "isotube/circuit_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace isotube {

namespace {

using Reason = CircuitConfigError::Reason;
using Checked = std::expected<void, CircuitConfigError>;

struct TypeDefaults {
  ErrorType type;
  std::uint32_t threshold;
  double factor;
};

// Unknown has no threshold of its own: any number in a row counts in the total alone.
constexpr std::array kTypeDefaults{
    TypeDefaults{ErrorType::IceConnectionFailed, 5, 1.5},  TypeDefaults{ErrorType::TurnServerConnectionFailed, 5, 1.0},
    TypeDefaults{ErrorType::AuthenticationFailed, 2, 3.0}, TypeDefaults{ErrorType::DataChannelFailed, 4, 1.2},
    TypeDefaults{ErrorType::SignalingFailed, 3, 2.0},      TypeDefaults{ErrorType::Stalled, 3, 1.0},
    TypeDefaults{ErrorType::Unknown, UINT32_MAX, 1.0}};

constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(24);
constexpr std::uint32_t kMostCalls = 10'000;

[[nodiscard]] Checked refuse(Reason reason, std::string text) {
  return std::unexpected(CircuitConfigError{reason, std::move(text)});
}

[[nodiscard]] Checked check_time(std::string_view name, std::chrono::nanoseconds time) {
  if (time <= std::chrono::nanoseconds(0)) return refuse(Reason::Zero, std::string(name) + " must be above 0");
  if (time > kLongest) return refuse(Reason::TooLong, std::string(name) + " must not be over a day");
  return {};
}

[[nodiscard]] Checked check_count(std::string_view name, std::uint32_t count) {
  if (count == 0) return refuse(Reason::Zero, std::string(name) + " must be above 0");
  return {};
}

[[nodiscard]] Checked check_type(const CircuitConfig& config, ErrorType type) {
  const ErrorTypeConfig& own = config.error_types[type];
  const std::string name(to_string(type));
  if (own.threshold == 0U) return refuse(Reason::Zero, "the threshold of " + name + " must be above 0");
  if (own.threshold && *own.threshold > config.failure_threshold) {
    return refuse(Reason::TypeAboveTotal, "the threshold of " + name + " (" + std::to_string(*own.threshold) +
                                              ") must not be above failure_threshold (" +
                                              std::to_string(config.failure_threshold) + ")");
  }
  if (own.factor && !(std::isfinite(*own.factor) && *own.factor > 0)) {
    return refuse(Reason::BadFactor, "the factor of " + name + " must be a number above 0");
  }
  return {};
}

[[nodiscard]] bool is_rate(double rate) { return rate > 0 && rate <= 1; }

[[nodiscard]] Checked check_window(const CircuitWindow& window) {
  for (const auto& [name, count] :
       {std::pair{"window.calls", window.calls}, std::pair{"window.minimum_calls", window.minimum_calls}}) {
    if (Checked checked = check_count(name, count); !checked) return checked;
  }
  for (const auto& [name, time] :
       {std::pair{"window.span", window.span}, std::pair{"window.slow_call", window.slow_call}}) {
    if (Checked checked = check_time(name, time); !checked) return checked;
  }
  if (window.calls > kMostCalls) {
    return refuse(Reason::BadWindow, "window.calls must not be above " + std::to_string(kMostCalls));
  }
  if (window.kind == CircuitWindow::Kind::LastCalls && window.minimum_calls > window.calls) {
    return refuse(Reason::BadWindow, "window.minimum_calls must not be above window.calls");
  }
  if (!is_rate(window.failure_rate) || !is_rate(window.slow_call_rate)) {
    return refuse(Reason::BadWindow, "the window's rates must be above 0 and at most 1");
  }
  return {};
}

}  // namespace

std::expected<void, CircuitConfigError> CircuitConfig::validate() const {
  for (const auto& [name, count] :
       {std::pair{"failure_threshold", failure_threshold}, std::pair{"success_threshold", success_threshold},
        std::pair{"max_half_open_requests", max_half_open_requests}}) {
    if (Checked checked = check_count(name, count); !checked) return checked;
  }
  for (const auto& [name, time] :
       {std::pair{"timeout", timeout}, std::pair{"max_request_timeout", max_request_timeout},
        std::pair{"max_open_time", max_open_time}, std::pair{"probe_interval", probe_interval}}) {
    if (Checked checked = check_time(name, time); !checked) return checked;
  }
  if (timeout > max_open_time) return refuse(Reason::TooLong, "timeout must not be over max_open_time");
  if (success_threshold > max_half_open_requests) {
    return refuse(Reason::SuccessesAboveRequests, "success_threshold (" + std::to_string(success_threshold) +
                                                      ") must not be above max_half_open_requests (" +
                                                      std::to_string(max_half_open_requests) + ")");
  }
  for (const ErrorType type : kErrorTypes) {
    if (Checked checked = check_type(*this, type); !checked) return checked;
  }
  return window ? check_window(*window) : Checked{};
}

std::uint32_t CircuitConfig::threshold_of(ErrorType type) const {
  const std::uint32_t own =
      error_types[type].threshold.value_or(kTypeDefaults[static_cast<std::size_t>(type)].threshold);
  return std::min(own, failure_threshold);
}

double CircuitConfig::factor_of(ErrorType type) const {
  return error_types[type].factor.value_or(kTypeDefaults[static_cast<std::size_t>(type)].factor);
}

}  // namespace isotube
