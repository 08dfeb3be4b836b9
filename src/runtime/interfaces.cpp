#include "runtime/interfaces.hpp"

#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "runtime/socket_address.hpp"

namespace isotube::runtime {
namespace {

bool usable(const IpAddress& address) {
  return !address.is_unspecified() && !address.is_multicast() && !(address.is_v6() && address.is_link_local());
}

}  // namespace

std::vector<InterfaceAddress> list_interfaces(std::span<const std::string> only) {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(raw, &::freeifaddrs);

  std::vector<InterfaceAddress> found;
  for (const ifaddrs* each = all.get(); each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_UP) == 0) continue;
    const std::optional<Address> address = from_socket_address(each->ifa_addr);
    if (!address || !usable(address->ip)) continue;
    const std::string name = each->ifa_name;
    if (!only.empty() && std::ranges::find(only, name) == only.end()) continue;
    const auto same = [&](const InterfaceAddress& other) { return other.address == address->ip; };
    if (std::ranges::none_of(found, same)) found.push_back({name, address->ip});
  }
  return found;
}

}  // namespace isotube::runtime
