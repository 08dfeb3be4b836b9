#include "gateway/allow_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace isotube::gateway {
namespace {

std::unexpected<std::string> bad_rule(std::string_view rule, std::string_view why) {
  return std::unexpected("allow rule '" + std::string(rule) + "': " + std::string(why) +
                         " (a rule is tcp:HOST:PORT: HOST a name, an address, a CIDR, [IPv6] or *; PORT a number, "
                         "LOW-HIGH or *)");
}

struct Ports {
  std::uint16_t low;
  std::uint16_t high;
};

std::optional<Ports> parse_ports(std::string_view text) {
  if (text == "*") return Ports{1, 65'535};
  const std::size_t dash = text.find('-');
  const auto low = read_port(text.substr(0, dash));
  const auto high = dash == std::string_view::npos ? low : read_port(text.substr(dash + 1));
  if (!low || !high || *low == 0 || *low > *high) return std::nullopt;
  return Ports{*low, *high};
}

unsigned width(const IpAddress& address) { return address.is_v4() ? 32 : 128; }

/// `address` with everything behind the first `prefix` bits cleared.
IpAddress masked(const IpAddress& address, unsigned prefix) {
  std::array<std::uint8_t, 16> octets{};
  const auto source = address.octets();
  for (std::size_t i = 0; i < source.size(); ++i) {
    const unsigned begin = static_cast<unsigned>(i) * 8;
    if (prefix <= begin) break;
    const unsigned keep = std::min(8U, prefix - begin);
    octets[i] = static_cast<std::uint8_t>(source[i] & (0xFF00U >> keep));
  }
  if (address.is_v6()) return IpAddress::v6(octets);
  return IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
}

/// The IPv4 address that a network's translator takes an IPv6 address for: NAT64 (RFC 6052 2.1), stateless translation
/// (RFC 7915), 6to4 (RFC 3056) and the old IPv4-compatible form. IPv4-mapped ones are IPv4 already.
std::optional<IpAddress> embedded_v4(const IpAddress& address) {
  if (address.is_v4()) return std::nullopt;
  const auto octets = address.octets();
  const auto starts_with = [&](std::initializer_list<std::uint8_t> prefix) {
    return std::ranges::equal(octets.first(prefix.size()), prefix);
  };
  const auto v4_at = [&](std::size_t at) {
    return IpAddress::v4({octets[at], octets[at + 1], octets[at + 2], octets[at + 3]});
  };
  if (starts_with({0x20, 0x02})) return v4_at(2);
  if (starts_with({0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return v4_at(12);
  if (starts_with({0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0})) return v4_at(12);
  if (starts_with({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) return v4_at(12);
  return std::nullopt;
}

}  // namespace

std::expected<AllowList, std::string> AllowList::parse(std::span<const std::string> rules) {
  AllowList list;
  for (const std::string& text : rules) {
    auto rule = parse_rule(text);
    if (!rule) return std::unexpected(std::move(rule.error()));
    list.rules_.push_back(std::move(*rule));
  }
  return list;
}

std::expected<AllowList::Rule, std::string> AllowList::parse_rule(std::string_view text) {
  constexpr std::string_view kScheme = "tcp:";
  if (!text.starts_with(kScheme)) return bad_rule(text, "it does not begin with tcp:");
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad_rule(text, "the port is missing");
  const std::string_view host = rest.substr(0, colon);
  const auto ports = parse_ports(rest.substr(colon + 1));
  if (!ports) return bad_rule(text, "the port is no number from 1 to 65535, range or *");
  Rule rule{.host = Anything{}, .low_port = ports->low, .high_port = ports->high};
  if (host == "*") return rule;
  if (host.find('*') != std::string_view::npos) {
    return bad_rule(text, "* stands for all hosts and can't be a part of a name");
  }
  if (host.find_first_of("/[:") != std::string_view::npos) {
    auto network = parse_network(host);
    if (!network) return bad_rule(text, network.error());
    rule.host = *network;
    return rule;
  }
  auto read = read_host(host);
  if (!read) return bad_rule(text, read.error());
  if (const auto* ip = std::get_if<IpAddress>(&*read)) {
    rule.host = Network{*ip, width(*ip)};
  } else {
    rule.host = std::get<HostName>(std::move(*read));
  }
  return rule;
}

std::expected<AllowList::Network, std::string> AllowList::parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  std::string_view host = text.substr(0, slash);
  std::optional<std::string_view> length;
  if (slash != std::string_view::npos) length = text.substr(slash + 1);
  // Both [2001:db8::]/32 and [2001:db8::/32] are written.
  if (host.starts_with('[')) {
    host.remove_prefix(1);
    std::string_view& last = length && !host.ends_with(']') ? *length : host;
    if (!last.ends_with(']')) return std::unexpected("the bracket is not closed");
    last.remove_suffix(1);
    if (host.find(':') == std::string_view::npos) return std::unexpected("brackets are for IPv6 only");
  } else if (host.find(':') != std::string_view::npos) {
    return std::unexpected("an IPv6 address needs brackets");
  }
  const auto ip = IpAddress::parse(host);
  if (!ip) return std::unexpected("the host is no address");
  Network network{*ip, width(*ip)};
  if (!length) return network;
  if (ip->is_v4() && host.find(':') != std::string_view::npos) {
    return std::unexpected("write the network of an IPv4-mapped address in IPv4");
  }
  const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), network.prefix);
  if (error != std::errc{} || end != length->data() + length->size() || network.prefix > width(*ip)) {
    return std::unexpected("the prefix length is no number from 0 to " + std::to_string(width(*ip)));
  }
  if (masked(*ip, network.prefix) != *ip) {
    return std::unexpected("the address has bits behind the prefix; the network is " +
                           masked(*ip, network.prefix).to_string() + "/" + std::to_string(network.prefix));
  }
  return network;
}

bool AllowList::contains(const Network& network, const IpAddress& address) {
  return network.address.is_v4() == address.is_v4() && masked(address, network.prefix) == network.address;
}

std::optional<AllowList::Network> AllowList::guarded_block(const IpAddress& address) {
  // Link-local (RFC 3927, RFC 4291 2.5.6) holds the metadata services of most clouds; the others are the IPv6 addresses
  // of Amazon's and Google's, and the IPv4 addresses of Alibaba's and Oracle's.
  static const std::array<Network, 6> kGuarded = {
      Network{IpAddress::v4({169, 254, 0, 0}), 16},
      Network{IpAddress::v6({0xFE, 0x80}), 10},
      Network{IpAddress::v6({0xFD, 0x00, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}), 128},
      Network{IpAddress::v6({0xFD, 0x20, 0x00, 0xCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}), 128},
      Network{IpAddress::v4({100, 100, 100, 200}), 32},
      Network{IpAddress::v4({192, 0, 0, 192}), 32},
  };
  const auto found = std::ranges::find_if(kGuarded, [&](const Network& block) { return contains(block, address); });
  if (found != kGuarded.end()) return *found;
  // Through a translator it is reached by its own address only, so that alone names it.
  const auto inner = embedded_v4(address);
  if (inner && guarded_block(*inner)) return Network{address, 128};
  return std::nullopt;
}

bool AllowList::allows(const tube::Target& target) const {
  const auto host = read_host(target.host);
  if (!host || target.port == 0) return false;
  if (const auto* ip = std::get_if<IpAddress>(&*host)) return allows_address(*ip, target.port);
  return allows_name(std::get<HostName>(*host), target.port);
}

bool AllowList::allows_resolved(const tube::Target& target, const IpAddress& address) const {
  const auto host = read_host(target.host);
  if (!host || target.port == 0) return false;
  if (const auto* ip = std::get_if<IpAddress>(&*host)) return *ip == address && allows_address(address, target.port);
  if (!allows_name(std::get<HostName>(*host), target.port)) return false;
  const auto block = guarded_block(address);
  return !block || names_guarded(*block, address, target.port);
}

bool AllowList::allows_name(const HostName& name, std::uint16_t port) const {
  return std::ranges::any_of(rules_, [&](const Rule& rule) {
    if (port < rule.low_port || port > rule.high_port) return false;
    if (const auto* named = std::get_if<HostName>(&rule.host)) return *named == name;
    return std::holds_alternative<Anything>(rule.host);
  });
}

bool AllowList::allows_address(const IpAddress& address, std::uint16_t port) const {
  if (const auto block = guarded_block(address)) return names_guarded(*block, address, port);
  return std::ranges::any_of(rules_, [&](const Rule& rule) {
    if (port < rule.low_port || port > rule.high_port) return false;
    if (const auto* network = std::get_if<Network>(&rule.host)) return contains(*network, address);
    return std::holds_alternative<Anything>(rule.host);
  });
}

bool AllowList::names_guarded(const Network& block, const IpAddress& address, std::uint16_t port) const {
  return std::ranges::any_of(rules_, [&](const Rule& rule) {
    if (port < rule.low_port || port > rule.high_port) return false;
    const auto* network = std::get_if<Network>(&rule.host);
    return network && network->prefix >= block.prefix && contains(*network, address);
  });
}

}  // namespace isotube::gateway
