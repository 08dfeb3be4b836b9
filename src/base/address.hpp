// IP addresses and transport addresses, as values.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace isotube {

/// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses are turned into IPv4 when they are read, so that one host has
/// one value.
class IpAddress {
 public:
  /// 0.0.0.0
  constexpr IpAddress() = default;

  [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> octets);
  [[nodiscard]] static IpAddress v6(std::array<std::uint8_t, 16> octets);

  /// Reads the dotted or colon form without brackets, zone or port. Short IPv4 forms ("127.1") are refused.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const { return !v6_; }
  [[nodiscard]] bool is_v6() const { return v6_; }
  /// 4 or 16 octets in network order. Valid as long as this object is.
  [[nodiscard]] std::span<const std::uint8_t> octets() const { return std::span(octets_).first(v6_ ? 16 : 4); }
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_link_local() const;
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_multicast() const;
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool v6_ = false;
  std::array<std::uint8_t, 16> octets_{};
};

/// A transport address: where a datagram comes from or goes to.
struct Address {
  IpAddress ip;
  std::uint16_t port = 0;

  /// "192.0.2.1:80" or "[2001:db8::1]:80".
  [[nodiscard]] std::string to_string() const;
  /// Reads what to_string() writes.
  [[nodiscard]] static std::optional<Address> parse(std::string_view text);

  friend auto operator<=>(const Address&, const Address&) = default;
};

/// The two ends of a way that datagrams take. `local` is the address of one of our interfaces with our socket's port
/// (the socket itself is bound to the wildcard address of the family), or later a relayed address.
struct Path {
  Address local;
  Address remote;

  friend auto operator<=>(const Path&, const Path&) = default;
};

}  // namespace isotube
