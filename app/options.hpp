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

/// Which UDP ports and addresses tubes use: --ice-server, --ice-interface.
class NetworkOptions {
 public:
  void declare(CLI::App& command);
  /// Adds --udp-ports and --public-address.
  void declare_for_gateway(CLI::App& command);
  /// Errors are usage errors.
  [[nodiscard]] std::expected<void, std::string> check();

  /// Without STUN servers, which need a look-up.
  [[nodiscard]] const tube::Network& network() const { return network_; }
  [[nodiscard]] const std::vector<client::IceServer>& ice_servers() const { return ice_servers_; }

 private:
  std::vector<std::string> ice_server_texts_;
  std::vector<std::string> public_address_texts_;
  std::string udp_ports_text_;
  tube::Network network_;
  std::vector<client::IceServer> ice_servers_;
};

}  // namespace isotube::app
