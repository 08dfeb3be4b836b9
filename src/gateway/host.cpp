#include "gateway/host.hpp"

#include <algorithm>
#include <charconv>

namespace isotube::gateway {
namespace {

constexpr std::size_t kMaxName = 253;  // RFC 1035 2.3.4, as text
constexpr std::size_t kMaxLabel = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

bool is_name_character(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_'; }

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// True for a label that inet_aton and the URL standard's IPv4 parser take for a number.
bool is_number(std::string_view label) {
  if (label.starts_with("0x")) return std::ranges::all_of(label.substr(2), is_hex);
  return std::ranges::all_of(label, is_digit);
}

std::expected<HostName, std::string> read_name(std::string_view text) {
  std::string name(text);
  std::ranges::transform(name, name.begin(), to_lower);
  if (name.ends_with('.')) name.pop_back();
  if (name.empty()) return std::unexpected("the host is empty");
  if (name.size() > kMaxName) return std::unexpected("the host name is longer than 253 characters");
  std::string_view rest = name;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (label.empty()) return std::unexpected("the host name has an empty label");
    if (label.size() > kMaxLabel) return std::unexpected("the host name has a label longer than 63 characters");
    if (!std::ranges::all_of(label, is_name_character)) {
      return std::unexpected("the host has characters that neither a name nor an address has");
    }
    if (dot != std::string_view::npos) {
      rest.remove_prefix(dot + 1);
      continue;
    }
    if (is_number(label)) {
      return std::unexpected("the host looks like an address but is none; write all four parts in decimal");
    }
    return HostName{std::move(name)};
  }
}

std::unexpected<std::string> bad_authority(std::string_view what) { return std::unexpected(std::string(what)); }

}  // namespace

std::expected<Host, std::string> read_host(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::unexpected("the host has a NUL in it");
  if (const auto ip = IpAddress::parse(text)) return *ip;
  auto name = read_name(text);
  if (!name) return std::unexpected(std::move(name.error()));
  return std::move(*name);
}

std::string to_string(const Host& host) {
  if (const auto* ip = std::get_if<IpAddress>(&host)) return ip->to_string();
  return std::get<HostName>(host).text;
}

std::expected<Authority, std::string> read_authority(std::string_view text) {
  std::string_view host_text = text;
  std::optional<std::string_view> port_text;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return bad_authority("the bracket is not closed");
    host_text = text.substr(1, close - 1);
    const std::string_view after = text.substr(close + 1);
    if (!after.empty() && !after.starts_with(':')) return bad_authority("something other than a port follows ']'");
    if (!after.empty()) port_text = after.substr(1);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host_text = text.substr(0, colon);
    port_text = text.substr(colon + 1);
    if (port_text->find(':') != std::string_view::npos) {
      return bad_authority("there is more than one ':'; write IPv6 addresses in brackets");
    }
  }
  auto host = read_host(host_text);
  if (!host) return std::unexpected(std::move(host.error()));
  // Brackets hold IPv6 and nothing else (RFC 3986 3.2.2); an IPv4-mapped address in them is read as IPv4.
  if (bracketed && host_text.find(':') == std::string_view::npos) return bad_authority("brackets are for IPv6 only");
  Authority authority{std::move(*host), std::nullopt};
  if (port_text) {
    authority.port = read_port(*port_text);
    if (!authority.port) return bad_authority("the port is no number from 0 to 65535");
  }
  return authority;
}

std::optional<std::uint16_t> read_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return port;
}

}  // namespace isotube::gateway
