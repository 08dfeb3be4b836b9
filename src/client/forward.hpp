// What `-L` says: which local port leads to which target at the gateway.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "frame/frame.hpp"

namespace isotube::client {

/// One `-L`, in ssh's notation: `[BIND:]PORT:HOST:HOSTPORT`, IPv6 addresses in brackets.
struct Forward {
  /// What to listen on. Without BIND, and for "localhost", both loopback addresses; for an empty BIND or "*" every
  /// interface.
  enum class Bind : std::uint8_t { Loopback, All, Address };
  Bind bind = Bind::Loopback;
  IpAddress address;       ///< for Bind::Address
  std::uint16_t port = 0;  ///< 0 means any free one
  frame::Target target;

  /// Errors say in plain words what is wrong with `text`.
  [[nodiscard]] static std::expected<Forward, std::string> parse(std::string_view text);
  /// The forward as -L takes it.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Forward&, const Forward&) = default;
};

}  // namespace isotube::client
