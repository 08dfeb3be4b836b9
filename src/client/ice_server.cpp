#include "client/ice_server.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <span>
#include <utility>

#include "client/host_port.hpp"

namespace isotube::client {
namespace {

constexpr std::uint16_t kStunPort = 3478;
constexpr std::uint16_t kTurnsPort = 5349;
/// A gateway has no use for more, and what it says is not trusted.
constexpr std::size_t kMaxServers = 16;

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return result;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Splits at `separator` where it stands outside <> and quoted strings.
std::vector<std::string_view> split_outside_quotes(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  bool in_quotes = false;
  bool in_angles = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_quotes) {
      if (c == '\\') ++i;
      if (c == '"') in_quotes = false;
    } else if (in_angles) {
      in_angles = c != '>';
    } else if (c == '"') {
      in_quotes = true;
    } else if (c == '<') {
      in_angles = true;
    } else if (c == separator) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(trim(text.substr(begin)));
  return parts;
}

/// The text of a quoted string (RFC 9110 5.6.4), or of a token as it is.
std::string unquote(std::string_view text) {
  if (text.size() < 2 || !text.starts_with('"') || !text.ends_with('"')) return std::string(text);
  text = text.substr(1, text.size() - 2);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result.push_back(text[i]);
  }
  return result;
}

std::optional<IceServer> read_link(std::string_view link) {
  const auto parts = split_outside_quotes(link, ';');
  const std::string_view target = parts.front();
  if (!target.starts_with('<') || !target.ends_with('>')) return std::nullopt;
  auto server = IceServer::parse(target.substr(1, target.size() - 2));
  if (!server) return std::nullopt;
  bool is_ice_server = false;
  for (const std::string_view part : std::span(parts).subspan(1)) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string name = lower(trim(part.substr(0, equals)));
    const std::string value = equals < part.size() ? unquote(trim(part.substr(equals + 1))) : "";
    if (name == "rel") is_ice_server = lower(value) == "ice-server";
    if (name == "username") server->username = value;
    if (name == "credential") server->credential = value;
  }
  if (!is_ice_server) return std::nullopt;
  return *std::move(server);
}

}  // namespace

std::expected<IceServer, std::string> IceServer::parse(std::string_view url) {
  const auto wrong = [url](const std::string& what) {
    return std::unexpected("the ICE server '" + std::string(url) + "': " + what);
  };
  const std::size_t colon = std::min(url.find(':'), url.size());
  const std::string scheme = lower(url.substr(0, colon));
  IceServer server;
  if (scheme == "turn") {
    server.scheme = Scheme::Turn;
  } else if (scheme == "turns") {
    server.scheme = Scheme::Turns;
  } else if (scheme != "stun" || colon == url.size()) {
    return wrong("it must begin with stun:, turn: or turns:");
  }
  std::string_view rest = colon < url.size() ? url.substr(colon + 1) : "";
  const std::size_t question = std::min(rest.find('?'), rest.size());
  if (const std::string query = lower(rest.substr(question)); !query.empty()) {
    if (server.scheme == Scheme::Stun) return wrong("a stun: URL has nothing after the port");
    if (query != "?transport=udp" && query != "?transport=tcp")
      return wrong("expected ?transport=udp or ?transport=tcp");
    server.transport = query.substr(query.size() - 3);
  }
  auto host_port = split_host_port(rest.substr(0, question));
  if (!host_port) return wrong(host_port.error());
  server.host = std::move(host_port->host);
  server.port = host_port->port.value_or(server.scheme == Scheme::Turns ? kTurnsPort : kStunPort);
  return server;
}

std::vector<IceServer> ice_servers_of_link(std::string_view field) {
  std::vector<IceServer> servers;
  for (const std::string_view link : split_outside_quotes(field, ',')) {
    if (servers.size() == kMaxServers) break;
    if (auto server = read_link(link)) servers.push_back(*std::move(server));
  }
  return servers;
}

}  // namespace isotube::client
