// Where a gateway is: an http or https URL.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace isotube::client {

/// Signalling goes to `path` + "/tubes": a gateway may sit behind a proxy under a path of its own.
struct GatewayUrl {
  bool tls = false;
  std::string host;  ///< a name or an address, IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;  ///< "" or "/prefix", without a slash at the end

  /// Errors say in plain words what is wrong with `text`. User names, queries and fragments are refused.
  [[nodiscard]] static std::expected<GatewayUrl, std::string> parse(std::string_view text);
  /// The URL as a user would write it, the default port left out.
  [[nodiscard]] std::string to_string() const;
  /// "host:port" or "host" for the default port, as the Host field has it (RFC 9110 7.2).
  [[nodiscard]] std::string authority() const;

  friend bool operator==(const GatewayUrl&, const GatewayUrl&) = default;
};

}  // namespace isotube::client
