#include "gateway/config.hpp"

#include "gateway/allow_list.hpp"
#include "gateway/host.hpp"
#include "gateway/origin.hpp"

namespace isotube::gateway {
namespace {

using Checked = std::expected<void, std::string>;

Checked check_tls(const Config& config) {
  if (config.tls_certificate.has_value() == config.tls_key.has_value()) return {};
  return std::unexpected(config.has_tls() ? "--tls-cert needs --tls-key beside it"
                                          : "--tls-key needs --tls-cert beside it");
}

Checked check_listen(const Config& config) {
  if (config.listen.ip.is_loopback() || config.token_file) return {};
  return std::unexpected("--listen " + config.listen.to_string() +
                         " is open to other machines and needs --token-file; without tokens listen on 127.0.0.1 only");
}

Checked check_network(const tube::Network& network) {
  if (!network.udp_ports) return {};
  const auto [low, high] = *network.udp_ports;
  if (low != 0 && low <= high) return {};
  return std::unexpected("--udp-ports " + std::to_string(low) + "-" + std::to_string(high) +
                         " is no range; write LOW-HIGH with 1 <= LOW <= HIGH");
}

Checked check_names(const Config& config) {
  for (const std::string& origin : config.cors_origins) {
    if (!Origin::parse(origin)) {
      return std::unexpected("--cors-origin '" + origin + "' is no origin; write SCHEME://HOST[:PORT] without a path");
    }
  }
  for (const std::string& name : config.host_names) {
    if (auto host = read_host(name); !host) return std::unexpected("--host-name '" + name + "': " + host.error());
  }
  return {};
}

}  // namespace

std::expected<std::vector<std::string>, std::string> check(const Config& config) {
  for (const auto& checked :
       {check_tls(config), check_listen(config), check_network(config.network), check_names(config)}) {
    if (!checked) return std::unexpected(checked.error());
  }
  if (auto list = AllowList::parse(config.allow); !list) return std::unexpected("--allow: " + list.error());
  std::vector<std::string> warnings;
  if (config.allow.empty()) warnings.emplace_back("without --allow this gateway connects nowhere");
  if (!config.listen.ip.is_loopback() && !config.has_tls()) {
    warnings.push_back("listening on " + config.listen.to_string() +
                       " without TLS: tokens can be read on the way; give --tls-cert and --tls-key");
  }
  return warnings;
}

}  // namespace isotube::gateway
