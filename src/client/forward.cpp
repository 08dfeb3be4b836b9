#include "client/forward.hpp"

#include <utility>

#include "client/host_port.hpp"

namespace isotube::client {
namespace {

constexpr std::string_view kNotation = "[BIND:]PORT:HOST:HOSTPORT";

/// Splits at colons outside brackets. Nothing if a bracket is not closed.
std::optional<std::vector<std::string_view>> split(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') inside = true;
    if (text[i] == ']') inside = false;
    if (text[i] != ':' || inside) continue;
    parts.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  if (inside) return std::nullopt;
  parts.push_back(text.substr(begin));
  return parts;
}

std::string_view without_brackets(std::string_view text) {
  if (text.size() < 2 || !text.starts_with('[') || !text.ends_with(']')) return text;
  return text.substr(1, text.size() - 2);
}

}  // namespace

std::expected<Forward, std::string> Forward::parse(std::string_view text) {
  const std::string where = "-L " + std::string(text) + ": ";
  const auto wrong = [&where](const std::string& what) { return std::unexpected(where + what); };
  const auto parts = split(text);
  if (!parts) return wrong("the bracket of an IPv6 address is not closed");
  if (parts->size() != 3 && parts->size() != 4) {
    return wrong("expected " + std::string(kNotation) + ", with IPv6 addresses in brackets");
  }
  Forward forward;
  std::size_t at = 0;
  if (parts->size() == 4) {
    const std::string_view bind = without_brackets(parts->at(at++));
    if (bind.empty() || bind == "*") {
      forward.bind = Bind::All;
    } else if (bind != "localhost") {
      const auto address = IpAddress::parse(bind);
      if (!address) return wrong("can listen on an address, 'localhost' or '*', not on '" + std::string(bind) + "'");
      forward.bind = Bind::Address;
      forward.address = *address;
    }
  }
  const std::string_view port = parts->at(at++);
  const auto listen_port = parse_port(port);
  if (!listen_port) return wrong("'" + std::string(port) + "' is not a port to listen on (0 to 65535)");
  forward.port = *listen_port;
  const std::string target = std::string(parts->at(at)) + ":" + std::string(parts->at(at + 1));
  auto host_port = split_host_port(target);
  if (!host_port) return wrong(host_port.error());
  if (!host_port->port) return wrong("the target's port is missing");
  forward.target = {.host = std::move(host_port->host), .port = *host_port->port};
  return forward;
}

std::string Forward::to_string() const {
  std::string text;
  if (bind == Bind::All) text = "*:";
  if (bind == Bind::Address) text = address.is_v6() ? "[" + address.to_string() + "]:" : address.to_string() + ":";
  return text + std::to_string(port) + ":" + target.to_string();
}

}  // namespace isotube::client
