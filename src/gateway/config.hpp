// What an operator says about a gateway.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "tube/tube.hpp"

namespace isotube::gateway {

/// Bounds of the HTTP server.
struct HttpLimits {
  std::size_t header_bytes = std::size_t{16} << 10;
  /// An SDP with 64 candidates is about 8 KiB.
  std::size_t body_bytes = std::size_t{64} << 10;
  /// From a request's first byte to the end of its header. A TLS handshake has the same time.
  std::chrono::milliseconds header_time = std::chrono::seconds(10);
  std::chrono::milliseconds body_time = std::chrono::seconds(10);
  /// For a client to take a whole response.
  std::chrono::milliseconds write_time = std::chrono::seconds(10);
  /// Between two requests on a connection.
  std::chrono::milliseconds idle_time = std::chrono::seconds(60);
  std::size_t connections = 1024;
  /// Of one source address (IPv6: of one /64).
  std::size_t connections_per_source = 256;
};

/// Bounds of tube creation.
struct AdmissionLimits {
  std::size_t creates = 100;
  /// Of one token, or of one source address where there are no tokens.
  std::size_t creates_per_client = 10;
  std::size_t tubes = 4096;
};

/// A STUN or TURN server that clients are told of.
struct IceLink {
  std::string url;
  std::string username;
  std::string credential;
};

/// The options of `isotube gateway`.
struct Config {
  /// Port 0 takes a free one.
  Address listen{IpAddress::v4({127, 0, 0, 1}), 8080};
  /// Rules as AllowList has them. None: the gateway connects nowhere.
  std::vector<std::string> allow;
  std::optional<std::filesystem::path> token_file;
  /// PEM: the certificate with its chain, and its key. Both or none.
  std::optional<std::filesystem::path> tls_certificate;
  std::optional<std::filesystem::path> tls_key;
  tube::Network network;
  peer::Settings peer;
  std::vector<IceLink> ice_links;
  /// Makes time-limited credentials (a day) for TURN servers that have none, with a user name of its own for each tube.
  std::string ice_secret;
  /// "https://app.example.com": web pages that may use this gateway.
  std::vector<std::string> cors_origins;
  /// Names that the gateway is reached by, beside `localhost`.
  std::vector<std::string> host_names;
  /// For whoever makes the Runtime; 0 means one for each core.
  std::size_t workers = 0;
  std::chrono::milliseconds drain = std::chrono::seconds(30);
  HttpLimits http;
  AdmissionLimits admission;

  [[nodiscard]] bool has_tls() const { return tls_certificate.has_value(); }
};

/// Whether these options go together; gives warnings for the operator, or an error that says what to change. Reads no
/// file.
[[nodiscard]] std::expected<std::vector<std::string>, std::string> check(const Config& config);

}  // namespace isotube::gateway
