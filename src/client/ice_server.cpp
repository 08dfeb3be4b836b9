#include "client/ice_server.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <span>
#include <utility>

#include "client/host_port.hpp"

namespace isotube::client {
namespace {

using Scheme = IceServer::Scheme;

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

std::string_view name_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::Stun:
      return "stun";
    case Scheme::Turn:
      return "turn";
    case Scheme::Turns:
      return "turns";
  }
  return "?";
}

std::expected<Scheme, std::string> read_scheme(std::string_view text) {
  for (const Scheme scheme : {Scheme::Stun, Scheme::Turn, Scheme::Turns}) {
    if (lower(text) == name_of(scheme)) return scheme;
  }
  if (lower(text) == "stuns") return std::unexpected("STUN over TLS is not spoken: use stun: or turns:");
  return std::unexpected("it must begin with stun:, turn: or turns:");
}

/// `query` is what stands behind the '?'.
std::expected<turn::Transport, std::string> read_transport(Scheme scheme, std::optional<std::string_view> query) {
  const turn::Transport usual = scheme == Scheme::Turns ? turn::Transport::Tls : turn::Transport::Udp;
  if (!query) return usual;
  if (scheme == Scheme::Stun) return std::unexpected("a stun: URL has nothing after the port");
  const std::string text = lower(*query);
  if (text == "transport=tcp") return scheme == Scheme::Turns ? turn::Transport::Tls : turn::Transport::Tcp;
  if (text != "transport=udp") return std::unexpected("expected ?transport=udp or ?transport=tcp");
  // DTLS, which RFC 7065 3.1 means by it.
  if (scheme == Scheme::Turns) return std::unexpected("turns: is spoken over TCP only, so leave out ?transport=udp");
  return usual;
}

std::expected<HostPort, std::string> read_host_port(std::string_view text) {
  if (text.starts_with("//")) return std::unexpected("there is no // in it, as in turn:relay.example:3478");
  if (text.contains('@')) return std::unexpected("user name and password do not stand in the URL");
  if (text.contains('/')) return std::unexpected("there is no path in it, as in turn:relay.example:3478");
  return split_host_port(text);
}

std::expected<IceServer, std::string> read_url(std::string_view url) {
  const std::size_t colon = url.find(':');
  const auto scheme = read_scheme(colon == std::string_view::npos ? "" : url.substr(0, colon));
  if (!scheme) return std::unexpected(scheme.error());
  const std::string_view rest = url.substr(colon + 1);
  const std::size_t question = rest.find('?');
  auto host_port = read_host_port(rest.substr(0, question));
  if (!host_port) return std::unexpected(std::move(host_port).error());
  const bool has_query = question != std::string_view::npos;
  const auto transport = read_transport(*scheme, has_query ? std::optional(rest.substr(question + 1)) : std::nullopt);
  if (!transport) return std::unexpected(transport.error());
  return IceServer{.scheme = *scheme,
                   .host = std::move(host_port->host),
                   .port = host_port->port.value_or(*scheme == Scheme::Turns ? kTurnsPort : kStunPort),
                   .transport = *transport,
                   .username = {},
                   .credential = {}};
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
  auto server = read_url(url);
  if (server) return server;
  return std::unexpected("the ICE server '" + std::string(url) + "': " + server.error());
}

std::string IceServer::url() const {
  const bool is_v6 = host.contains(':');
  std::string text(name_of(scheme));
  text += ':' + (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
  if (scheme == Scheme::Turn) text += transport == turn::Transport::Tcp ? "?transport=tcp" : "?transport=udp";
  return text;
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
