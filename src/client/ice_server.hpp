// STUN servers as users and gateways name them.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace isotube::client {

/// A server from `--ice-server` or from a gateway's Link fields (RFC 9725 4.6).
struct IceServer {
  enum class Scheme : std::uint8_t { Stun, Turn, Turns };
  Scheme scheme = Scheme::Stun;
  std::string host;
  std::uint16_t port = 3478;
  std::string transport;  ///< "udp" or "tcp", empty if the URL says nothing
  std::string username;
  std::string credential;

  /// Reads "stun:HOST[:PORT]", "turn:…" and "turns:…" (RFC 7064, RFC 7065). Errors are in plain words.
  [[nodiscard]] static std::expected<IceServer, std::string> parse(std::string_view url);

  friend bool operator==(const IceServer&, const IceServer&) = default;
};

/// The ICE servers of one Link field (RFC 8288, RFC 9725 4.6): `<turn:…>; rel="ice-server"; username="…"; …,
/// <stun:…>…`. Links of other kinds, and those that can't be read, are left out.
[[nodiscard]] std::vector<IceServer> ice_servers_of_link(std::string_view field);

}  // namespace isotube::client
