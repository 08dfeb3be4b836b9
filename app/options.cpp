#include "app/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "client/host_port.hpp"

namespace isotube::app {
namespace {

constexpr std::size_t kMaxTokenFile = 4096;

/// Letters, digits and -._~+/= (RFC 6750 2.1).
bool is_token(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("-._~+/=").contains(c);
  });
}

std::expected<std::string, std::string> read_token_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::unexpected("--token-file " + path + " can't be read");
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.size() > kMaxTokenFile) return std::unexpected("--token-file " + path + " is too long for a token");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

std::optional<tube::Network::PortRange> parse_port_range(const std::string& text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos) return std::nullopt;
  const auto low = client::parse_port(std::string_view(text).substr(0, dash));
  const auto high = client::parse_port(std::string_view(text).substr(dash + 1));
  if (!low || !high || *low == 0 || *low > *high) return std::nullopt;
  return tube::Network::PortRange{*low, *high};
}

}  // namespace

void GatewayAccess::declare(CLI::App& command) {
  command.add_option("url", url_text_, "Where the gateway is: http://HOST:PORT or https://HOST:PORT")->type_name("URL");
  command.add_option("--token-file", token_file_, "File with the token for the gateway (else: $ISOTUBE_TOKEN)")
      ->type_name("FILE");
  command
      .add_option("--ca-file", ca_file_,
                  "PEM file of the authorities that vouch for the gateway (default: the system's)")
      ->type_name("FILE");
}

std::expected<void, std::string> GatewayAccess::check() {
  if (url_text_.empty()) return std::unexpected("the gateway's URL is missing, as in http://127.0.0.1:8080");
  auto url = client::GatewayUrl::parse(url_text_);
  if (!url) return std::unexpected(std::move(url).error());
  url_ = *std::move(url);
  return {};
}

std::expected<client::SignallingConfig, std::string> GatewayAccess::config() const {
  client::SignallingConfig config;
  config.url = url_;
  config.ca_file = ca_file_;
  std::string source = "ISOTUBE_TOKEN";
  if (!token_file_.empty()) {
    auto token = read_token_file(token_file_);
    if (!token) return std::unexpected(std::move(token).error());
    if (token->empty()) return std::unexpected("--token-file " + token_file_ + " is empty");
    config.token = *std::move(token);
    source = "--token-file " + token_file_;
  } else if (const char* token = std::getenv("ISOTUBE_TOKEN"); token != nullptr) {
    config.token = token;
  }
  if (!config.token.empty() && !is_token(config.token)) {
    return std::unexpected(source + " must hold one token and nothing else (letters, digits and -._~+/=)");
  }
  return config;
}

void NetworkOptions::declare(CLI::App& command) {
  command
      .add_option("--ice-server", ice_server_texts_,
                  "STUN or TURN server: stun:HOST[:PORT], turn:HOST[:PORT][?transport=udp|tcp], turns:HOST[:PORT]; "
                  "may be repeated")
      ->type_name("URL")
      ->allow_extra_args(false);
  command.add_option("--ice-user", ice_user_, "User name for the TURN servers")->type_name("NAME");
  command.add_option("--ice-credential", ice_credential_, "Password for the TURN servers")->type_name("PASSWORD");
  command.add_option("--ice-secret", ice_secret_, "Secret that the TURN servers share, for time-limited credentials")
      ->type_name("SECRET");
  command
      .add_option("--ice-policy", ice_policy_, "all, or relay: nothing but TURN servers is spoken to (default: all)")
      ->check(CLI::IsMember({"all", "relay"}).description(""))
      ->type_name("POLICY");
  command
      .add_option("--ice-interface", network_.interfaces, "Use the addresses of this interface only; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
}

void NetworkOptions::declare_for_gateway(CLI::App& command) {
  declare(command);
  command
      .add_option("--udp-ports", udp_ports_text_, "Take the tubes' UDP ports from this range (default: any free one)")
      ->type_name("LOW-HIGH");
  command
      .add_option("--public-address", public_address_texts_,
                  "Address under which the world reaches this machine (one-to-one NAT); may be repeated")
      ->type_name("IP")
      ->allow_extra_args(false);
}

std::expected<void, std::string> NetworkOptions::check() {
  if (!ice_user_.empty() && !ice_secret_.empty()) {
    return std::unexpected("--ice-user and --ice-secret exclude each other: the secret makes user names of its own");
  }
  if (ice_user_.empty() != ice_credential_.empty()) {
    return std::unexpected("--ice-user and --ice-credential belong together");
  }
  for (const std::string& text : ice_server_texts_) {
    auto server = client::IceServer::parse(text);
    if (!server) return std::unexpected(std::move(server).error());
    const bool is_turn = server->scheme != client::IceServer::Scheme::Stun;
    if (is_turn && ice_user_.empty() && ice_secret_.empty()) {
      return std::unexpected("--ice-server " + text +
                             " needs a login: give --ice-user and --ice-credential, or --ice-secret");
    }
    if (is_turn) {
      server->username = ice_user_;
      server->credential = ice_credential_;
    }
    ice_servers_.push_back(*std::move(server));
  }
  for (const std::string& text : public_address_texts_) {
    const auto address = IpAddress::parse(text);
    if (!address) return std::unexpected("--public-address " + text + " is not an IPv4 or IPv6 address");
    network_.public_addresses.push_back(*address);
  }
  if (!udp_ports_text_.empty()) {
    network_.udp_ports = parse_port_range(udp_ports_text_);
    if (!network_.udp_ports) {
      return std::unexpected("--udp-ports " + udp_ports_text_ + " is not a range of ports, as in 40000-40100");
    }
  }
  return {};
}

std::expected<runtime::TlsTrust, std::string> NetworkOptions::turn_trust(const std::string& ca_file) const {
  const bool is_needed = std::ranges::any_of(
      ice_servers_, [](const client::IceServer& server) { return server.scheme == client::IceServer::Scheme::Turns; });
  if (!is_needed) return runtime::TlsTrust();
  return ca_file.empty() ? runtime::TlsTrust::system() : runtime::TlsTrust::from_file(ca_file);
}

}  // namespace isotube::app
