// What kind of failure a tube met. Each has a threshold and an open time of its own in the breaker.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace isotube {

enum class ErrorType : std::uint8_t {
  IceConnectionFailed,
  TurnServerConnectionFailed,
  AuthenticationFailed,
  DataChannelFailed,
  SignalingFailed,
  /// The tube's own tasks hold their worker for too long.
  Stalled,
  /// What an operation threw, and whatever else nobody has named.
  Unknown,
};

inline constexpr std::array kErrorTypes{ErrorType::IceConnectionFailed,
                                        ErrorType::TurnServerConnectionFailed,
                                        ErrorType::AuthenticationFailed,
                                        ErrorType::DataChannelFailed,
                                        ErrorType::SignalingFailed,
                                        ErrorType::Stalled,
                                        ErrorType::Unknown};

/// The name as it is written above.
[[nodiscard]] std::string_view to_string(ErrorType type);

/// One value for each error type.
template <typename Value>
class ByErrorType {
 public:
  [[nodiscard]] constexpr Value& operator[](ErrorType type) { return values_[static_cast<std::size_t>(type)]; }
  [[nodiscard]] constexpr const Value& operator[](ErrorType type) const {
    return values_[static_cast<std::size_t>(type)];
  }
  friend bool operator==(const ByErrorType&, const ByErrorType&) = default;

 private:
  std::array<Value, kErrorTypes.size()> values_{};
};

}  // namespace isotube
