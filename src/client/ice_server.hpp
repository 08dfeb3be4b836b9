// STUN and TURN servers as users and gateways name them.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "turn/error.hpp"

namespace isotube::client {

/// A server from `--ice-server` or from a gateway's Link fields (RFC 9725 4.6).
struct IceServer {
  enum class Scheme : std::uint8_t { Stun, Turn, Turns };
  Scheme scheme = Scheme::Stun;
  std::string host;
  std::uint16_t port = 3478;
  /// To the server; Tls with `turns:` only.
  turn::Transport transport = turn::Transport::Udp;
  std::string username;
  std::string credential;

  /// Reads "stun:HOST[:PORT]", "turn:HOST[:PORT][?transport=udp|tcp]" and "turns:HOST[:PORT][?transport=tcp]" (RFC
  /// 7064, RFC 7065). Errors are in plain words.
  [[nodiscard]] static std::expected<IceServer, std::string> parse(std::string_view url);

  /// What parse() reads as this server, without its credentials: "turn:[2001:db8::1]:3478?transport=tcp".
  [[nodiscard]] std::string url() const;

  friend bool operator==(const IceServer&, const IceServer&) = default;
};

/// The ICE servers of one Link field (RFC 8288, RFC 9725 4.6): `<turn:…>; rel="ice-server"; username="…"; …,
/// <stun:…>…`. Links of other kinds, and those that can't be read, are left out.
[[nodiscard]] std::vector<IceServer> ice_servers_of_link(std::string_view field);

}  // namespace isotube::client
