// Hosts as clients and operators write them: names and literal addresses, told apart so that none passes for the other.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/address.hpp"

namespace isotube::gateway {

/// A DNS name in lower case without its trailing dot: equal names are equal text.
struct HostName {
  std::string text;

  friend bool operator==(const HostName&, const HostName&) = default;
};

using Host = std::variant<HostName, IpAddress>;

/// Reads a host without brackets. The error is half a sentence that says what is wrong with it.
///
/// What some resolver would take for an address in another spelling ("127.1", "0x7f000001", "2130706433",
/// "127.0.0.1.", "fe80::1%eth0") is refused rather than read as a name: it would slip past rules for addresses.
[[nodiscard]] std::expected<Host, std::string> read_host(std::string_view text);

[[nodiscard]] std::string to_string(const Host& host);

/// HOST or HOST:PORT, IPv6 in brackets (RFC 3986 3.2).
struct Authority {
  Host host;
  std::optional<std::uint16_t> port;

  friend bool operator==(const Authority&, const Authority&) = default;
};

[[nodiscard]] std::expected<Authority, std::string> read_authority(std::string_view text);

/// A decimal number from 0 to 65,535 without sign or blanks.
[[nodiscard]] std::optional<std::uint16_t> read_port(std::string_view digits);

}  // namespace isotube::gateway
