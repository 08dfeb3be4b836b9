#include "client/gateway_url.hpp"

#include <algorithm>
#include <cctype>

#include "base/address.hpp"
#include "client/host_port.hpp"

namespace isotube::client {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

bool starts_with_scheme(std::string_view text, std::string_view scheme) {
  return text.size() >= scheme.size() && std::ranges::equal(text.substr(0, scheme.size()), scheme, {}, [](char c) {
           return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
         });
}

bool is_path_character(char c) { return c > ' ' && c < 0x7F && c != '"' && c != '<' && c != '>' && c != '\\'; }

}  // namespace

std::expected<GatewayUrl, std::string> GatewayUrl::parse(std::string_view text) {
  const std::string quoted = "'" + std::string(text) + "'";
  GatewayUrl url;
  if (starts_with_scheme(text, "http://")) {
    text.remove_prefix(7);
  } else if (starts_with_scheme(text, "https://")) {
    url.tls = true;
    text.remove_prefix(8);
  } else {
    return std::unexpected("the gateway's URL " + quoted + " must begin with http:// or https://");
  }
  const std::size_t path_at = std::min(text.find_first_of("/?#"), text.size());
  const std::string_view authority = text.substr(0, path_at);
  std::string_view path = text.substr(path_at);
  if (authority.find('@') != std::string_view::npos) {
    return std::unexpected("the gateway's URL must not hold a user name or password; use --token-file");
  }
  if (path.find_first_of("?#") != std::string_view::npos || !std::ranges::all_of(path, is_path_character)) {
    return std::unexpected("the gateway's URL " + quoted + " must be a host, a port and at most a path");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = path;
  auto host_port = split_host_port(authority);
  if (!host_port) return std::unexpected("the gateway's URL " + quoted + ": " + host_port.error());
  url.host = std::move(host_port->host);
  url.port = host_port->port.value_or(url.tls ? kHttpsPort : kHttpPort);
  return url;
}

std::string GatewayUrl::authority() const {
  const std::string name = IpAddress::parse(host) && host.contains(':') ? "[" + host + "]" : host;
  return port == (tls ? kHttpsPort : kHttpPort) ? name : name + ":" + std::to_string(port);
}

std::string GatewayUrl::to_string() const { return (tls ? "https://" : "http://") + authority() + path; }

}  // namespace isotube::client
