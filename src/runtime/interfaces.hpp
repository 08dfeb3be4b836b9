// The addresses of this machine.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/address.hpp"

namespace isotube::runtime {

struct InterfaceAddress {
  std::string interface;
  IpAddress address;

  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

/// Addresses of all interfaces that are up, in the kernel's order, each address once. Loopback ones are among them
/// (two ends on one machine); IPv6 link-local ones are not, as they need a zone that a candidate can't carry.
/// `only` names the interfaces wanted; none means all. Gives none if the kernel refuses to tell.
[[nodiscard]] std::vector<InterfaceAddress> list_interfaces(std::span<const std::string> only = {});

}  // namespace isotube::runtime
