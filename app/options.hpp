// Options that several commands have, and what they mean.
#pragma once

#include <CLI/App.hpp>
#include <expected>
#include <string>
#include <vector>

#include "client/ice_server.hpp"
#include "client/signalling.hpp"
#include "tube/tube.hpp"

namespace isotube::app {

/// How to reach a gateway: URL, --token-file, --ca-file.
class GatewayAccess {
 public:
  void declare(CLI::App& command);
  /// Reads the URL. Errors are usage errors.
  [[nodiscard]] std::expected<void, std::string> check();
  /// With the token of --token-file or of the environment. Errors: a file that can't be read, a token that is none.
  [[nodiscard]] std::expected<client::SignallingConfig, std::string> config() const;

 private:
  std::string url_text_;
  std::string token_file_;
  std::string ca_file_;
  client::GatewayUrl url_;
};

/// Which UDP ports, addresses and servers tubes use: --ice-server and its credentials, --ice-policy, --ice-interface.
class NetworkOptions {
 public:
  void declare(CLI::App& command);
  /// Adds --udp-ports and --public-address.
  void declare_for_gateway(CLI::App& command);
  /// Errors are usage errors.
  [[nodiscard]] std::expected<void, std::string> check();

  /// Without STUN and TURN servers, which need a look-up.
  [[nodiscard]] const tube::Network& network() const { return network_; }
  [[nodiscard]] const std::vector<client::IceServer>& ice_servers() const { return ice_servers_; }
  [[nodiscard]] const std::string& ice_secret() const { return ice_secret_; }
  [[nodiscard]] peer::IcePolicy ice_policy() const {
    return ice_policy_ == "relay" ? peer::IcePolicy::Relay : peer::IcePolicy::All;
  }
  /// Who vouches for `turns:` servers: the authorities of `ca_file`, or the system's if that is empty. Errors: a file
  /// that can't be read. Nothing is read where there is no such server.
  [[nodiscard]] std::expected<runtime::TlsTrust, std::string> turn_trust(const std::string& ca_file) const;

 private:
  std::vector<std::string> ice_server_texts_;
  std::string ice_user_;
  std::string ice_credential_;
  std::string ice_secret_;
  std::string ice_policy_ = "all";
  std::vector<std::string> public_address_texts_;
  std::string udp_ports_text_;
  tube::Network network_;
  std::vector<client::IceServer> ice_servers_;
};

}  // namespace isotube::app
