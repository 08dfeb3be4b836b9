// The rules that say where tubes may connect to: closed by default.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "gateway/host.hpp"
#include "tube/tube.hpp"

namespace isotube::gateway {

/// Rules of the form `tcp:HOST:PORT`.
///
/// HOST is a name (`db.internal`), an address (`10.0.0.5`, `[2001:db8::5]`), a CIDR (`10.0.0.0/8`, `[2001:db8::]/32`)
/// or
/// `*`. PORT is a number, a range (`8000-8099`) or `*`. A name rule matches targets given by that name, whatever they
/// resolve to; an address or CIDR rule matches targets given as literal addresses; `*` matches both.
///
/// Link-local addresses and those of cloud metadata services are reached only if an address or CIDR rule that lies
/// within their block names them: neither `*`, nor a wider CIDR, nor a name that resolves to them is enough.
///
/// Immutable, so it may be read from any thread.
class AllowList final : public tube::TargetPolicy {
 public:
  /// Allows nothing.
  AllowList() = default;

  /// The error says which rule is wrong, and how to write it.
  [[nodiscard]] static std::expected<AllowList, std::string> parse(std::span<const std::string> rules);

  [[nodiscard]] bool allows(const tube::Target& target) const override;
  [[nodiscard]] bool allows_resolved(const tube::Target& target, const IpAddress& address) const override;

  [[nodiscard]] bool empty() const { return rules_.empty(); }

 private:
  struct Anything {};
  struct Network {
    IpAddress address;
    unsigned prefix = 0;
  };
  struct Rule {
    std::variant<Anything, HostName, Network> host;
    std::uint16_t low_port = 1;
    std::uint16_t high_port = 65'535;
  };

  [[nodiscard]] static std::expected<Rule, std::string> parse_rule(std::string_view text);
  [[nodiscard]] static std::expected<Network, std::string> parse_network(std::string_view text);
  [[nodiscard]] static bool contains(const Network& network, const IpAddress& address);
  [[nodiscard]] static std::optional<Network> guarded_block(const IpAddress& address);
  [[nodiscard]] bool allows_address(const IpAddress& address, std::uint16_t port) const;
  [[nodiscard]] bool allows_name(const HostName& name, std::uint16_t port) const;
  [[nodiscard]] bool names_guarded(const Network& block, const IpAddress& address, std::uint16_t port) const;

  std::vector<Rule> rules_;
};

}  // namespace isotube::gateway
