#include <gtest/gtest.h>

#include <limits>

#include "isotube/circuit_breaker.hpp"

namespace isotube {
namespace {

using namespace std::chrono_literals;
using Reason = CircuitConfigError::Reason;

[[nodiscard]] CircuitConfig with(ErrorType type, const ErrorTypeConfig& own) {
  CircuitConfig config;
  config.error_types[type] = own;
  return config;
}

void expect_refused(const CircuitConfig& config, Reason reason, const std::string& names) {
  const auto checked = config.validate();
  ASSERT_FALSE(checked) << names;
  EXPECT_EQ(checked.error().reason, reason);
  EXPECT_NE(checked.error().text.find(names), std::string::npos) << checked.error().text;
}

TEST(CircuitConfigValidation, TheDefaultsAreThoseOfTheDocumentation) {
  const CircuitConfig config;
  EXPECT_TRUE(config.validate());
  EXPECT_EQ(config.failure_threshold, 5U);
  EXPECT_EQ(config.timeout, 30s);
  EXPECT_EQ(config.success_threshold, 3U);
  EXPECT_EQ(config.max_half_open_requests, 3U);
  EXPECT_EQ(config.max_request_timeout, 10s);
  struct Row {
    ErrorType type;
    std::uint32_t threshold;
    double factor;
  };
  for (const Row& row :
       {Row{ErrorType::IceConnectionFailed, 5, 1.5}, Row{ErrorType::TurnServerConnectionFailed, 5, 1.0},
        Row{ErrorType::AuthenticationFailed, 2, 3.0}, Row{ErrorType::DataChannelFailed, 4, 1.2},
        Row{ErrorType::SignalingFailed, 3, 2.0}, Row{ErrorType::Stalled, 3, 1.0}, Row{ErrorType::Unknown, 5, 1.0}}) {
    EXPECT_EQ(config.threshold_of(row.type), row.threshold) << to_string(row.type);
    EXPECT_EQ(config.factor_of(row.type), row.factor) << to_string(row.type);
  }
}

TEST(CircuitConfigValidation, ATypesDefaultThresholdIsNeverAboveTheTotal) {
  const CircuitConfig config{.failure_threshold = 3};
  EXPECT_TRUE(config.validate());
  EXPECT_EQ(config.threshold_of(ErrorType::IceConnectionFailed), 3U);
  EXPECT_EQ(config.threshold_of(ErrorType::AuthenticationFailed), 2U);
}

TEST(CircuitConfigValidation, RefusesZeros) {
  expect_refused({.failure_threshold = 0}, Reason::Zero, "failure_threshold");
  expect_refused({.timeout = 0s}, Reason::Zero, "timeout");
  expect_refused({.timeout = -1s}, Reason::Zero, "timeout");
  expect_refused({.success_threshold = 0}, Reason::Zero, "success_threshold");
  expect_refused({.max_half_open_requests = 0}, Reason::Zero, "max_half_open_requests");
  expect_refused({.max_request_timeout = 0s}, Reason::Zero, "max_request_timeout");
  expect_refused({.max_open_time = 0s}, Reason::Zero, "max_open_time");
  expect_refused({.probe_interval = 0s}, Reason::Zero, "probe_interval");
  expect_refused(with(ErrorType::Stalled, {.threshold = 0}), Reason::Zero, "Stalled");
}

TEST(CircuitConfigValidation, RefusesATypesThresholdAboveTheTotal) {
  expect_refused(with(ErrorType::SignalingFailed, {.threshold = 6}), Reason::TypeAboveTotal, "SignalingFailed");
  EXPECT_TRUE(with(ErrorType::SignalingFailed, {.threshold = 5}).validate());
}

TEST(CircuitConfigValidation, RefusesMoreSuccessesThanTestRequests) {
  expect_refused({.success_threshold = 4}, Reason::SuccessesAboveRequests, "success_threshold");
  EXPECT_TRUE((CircuitConfig{.success_threshold = 4, .max_half_open_requests = 4}).validate());
}

TEST(CircuitConfigValidation, RefusesFactorsThatGiveNoOpenTime) {
  for (const double factor :
       {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    expect_refused(with(ErrorType::Unknown, {.factor = factor}), Reason::BadFactor, "Unknown");
  }
}

TEST(CircuitConfigValidation, RefusesTimesThatNobodyMeans) {
  expect_refused({.timeout = 6min}, Reason::TooLong, "timeout");
  expect_refused({.max_request_timeout = 25h}, Reason::TooLong, "max_request_timeout");
  expect_refused({.max_open_time = 25h}, Reason::TooLong, "max_open_time");
}

TEST(CircuitConfigValidation, RefusesWindowsThatCannotWork) {
  const auto refuses = [](const CircuitWindow& window, Reason reason, const std::string& names) {
    expect_refused({.window = window}, reason, names);
  };
  refuses({.calls = 0}, Reason::Zero, "window.calls");
  refuses({.minimum_calls = 0}, Reason::Zero, "window.minimum_calls");
  refuses({.span = 0s}, Reason::Zero, "window.span");
  refuses({.slow_call = 0s}, Reason::Zero, "window.slow_call");
  refuses({.calls = 10'001}, Reason::BadWindow, "window.calls");
  refuses({.calls = 5, .minimum_calls = 6}, Reason::BadWindow, "minimum_calls");
  refuses({.failure_rate = 0}, Reason::BadWindow, "rates");
  refuses({.slow_call_rate = 1.1}, Reason::BadWindow, "rates");
  EXPECT_TRUE((CircuitConfig{.window = CircuitWindow{}}).validate());
}

TEST(CircuitNames, AreThoseThatAReaderExpects) {
  EXPECT_EQ(to_string(CircuitState::Closed), "Closed");
  EXPECT_EQ(to_string(CircuitState::Open), "Open");
  EXPECT_EQ(to_string(CircuitState::HalfOpen), "Half-Open");
  EXPECT_EQ(to_string(ErrorType::TurnServerConnectionFailed), "TurnServerConnectionFailed");
  for (const CircuitMode mode : {CircuitMode::Normal, CircuitMode::ForcedOpen, CircuitMode::ForcedClosed,
                                 CircuitMode::Observe, CircuitMode::Disabled}) {
    EXPECT_EQ(parse_circuit_mode(to_string(mode)), mode);
  }
  EXPECT_FALSE(parse_circuit_mode("off"));
}

TEST(CircuitErrors, CompareWithTheirKindAndSpeakForThemselves) {
  const CircuitError open = CircuitRefusal{.kind = CircuitError::CircuitOpen, .time_left = 7s};
  EXPECT_TRUE(open == CircuitError::CircuitOpen);
  EXPECT_TRUE(open.refused());
  EXPECT_EQ(open.time_left(), 7s);
  EXPECT_EQ(to_string(open), "Circuit breaker open");
  const CircuitError failed = CircuitError::operation_failed("no candidate pair works");
  EXPECT_TRUE(failed == CircuitError::OperationFailed);
  EXPECT_FALSE(failed.refused());
  EXPECT_EQ(to_string(failed), "no candidate pair works");
  EXPECT_EQ(to_string(CircuitError::timeout()), "Operation timed out");
  EXPECT_EQ(to_string(CircuitError(CircuitRefusal{.kind = CircuitError::TooManyTestRequests})),
            "Too many test requests");
}

}  // namespace
}  // namespace isotube
