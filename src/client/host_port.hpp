// "HOST:PORT" as users write it, for URLs, forwards and ICE servers.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace isotube::client {

struct HostPort {
  std::string host;  ///< IPv6 without brackets
  std::optional<std::uint16_t> port;
};

/// Reads "host", "host:port", "[v6]" or "[v6]:port". Errors are in plain words.
[[nodiscard]] std::expected<HostPort, std::string> split_host_port(std::string_view text);

/// A whole number of 0 to 65,535 in decimal, with nothing around it.
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text);

/// 1 to 255 letters, digits, '-', '_', '.' or bytes over 0x7F: what a resolver can be asked for.
[[nodiscard]] bool is_host_name(std::string_view text);

}  // namespace isotube::client
