#include "client/host_port.hpp"

#include <algorithm>
#include <charconv>

#include "base/address.hpp"

namespace isotube::client {
namespace {

constexpr std::size_t kMaxHost = 255;

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || static_cast<unsigned char>(c) > 0x7F;
}

}  // namespace

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return port;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxHost && std::ranges::all_of(text, is_host_character);
}

std::expected<HostPort, std::string> split_host_port(std::string_view text) {
  HostPort result;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::unexpected("the bracket of the IPv6 address is not closed");
    const std::string_view inside = text.substr(1, close - 1);
    if (!inside.contains(':') || !IpAddress::parse(inside)) {
      return std::unexpected("'" + std::string(inside) + "' is not an IPv6 address");
    }
    result.host = inside;
    rest = text.substr(close + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view name = text.substr(0, colon);
    rest = text.substr(colon);
    if (rest.substr(std::min<std::size_t>(1, rest.size())).contains(':')) {
      return std::unexpected("an IPv6 address needs brackets, as in [::1]:8080");
    }
    if (name.empty()) return std::unexpected("the host is missing");
    if (!is_host_name(name)) return std::unexpected("'" + std::string(name) + "' is not a host name or an address");
    result.host = name;
  }
  if (rest.empty()) return result;
  if (rest.front() != ':') return std::unexpected("there must be ':PORT' after the host");
  const std::string_view digits = rest.substr(1);
  result.port = parse_port(digits);
  if (!result.port || *result.port == 0) {
    return std::unexpected("'" + std::string(digits) + "' is not a port (1 to 65535)");
  }
  return result;
}

}  // namespace isotube::client
