#include "base/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <ranges>

namespace isotube {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool all_zero(std::span<const std::uint8_t> octets) {
  return std::ranges::all_of(octets, [](std::uint8_t octet) { return octet == 0; });
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> octets) {
  IpAddress address;
  std::ranges::copy(octets, address.octets_.begin());
  return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> octets) {
  if (std::ranges::equal(std::span(octets).first<12>(), kMappedPrefix)) {
    return v4({octets[12], octets[13], octets[14], octets[15]});
  }
  IpAddress address;
  address.v6_ = true;
  address.octets_ = octets;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton stops at a NUL: what follows it would go unread.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET, terminated.c_str(), octets.data()) == 1) {
    return v4({octets[0], octets[1], octets[2], octets[3]});
  }
  if (inet_pton(AF_INET6, terminated.c_str(), octets.data()) == 1) return v6(octets);
  return std::nullopt;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets_[0] == 127;
  return all_zero(std::span(octets_).first<15>()) && octets_[15] == 1;
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return octets_[0] == 169 && octets_[1] == 254;
  return octets_[0] == 0xFE && (octets_[1] & 0xC0) == 0x80;
}

bool IpAddress::is_unspecified() const { return all_zero(octets()); }

bool IpAddress::is_multicast() const { return is_v4() ? (octets_[0] & 0xF0) == 0xE0 : octets_[0] == 0xFF; }

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, octets_.data(), text.data(), text.size());
  return text.data();
}

std::string Address::to_string() const {
  const std::string host = ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string();
  return host + ":" + std::to_string(port);
}

std::optional<Address> Address::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  // Brackets tell where an IPv6 address ends (RFC 3986 3.2.2); without them its last group would read as a port.
  if (!ip || bracketed == (host.find(':') == std::string_view::npos)) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return Address{*ip, port};
}

}  // namespace isotube
