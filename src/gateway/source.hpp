// Whom a share of the gateway is counted for.
#pragma once

#include "base/address.hpp"

namespace isotube::gateway {

/// The address that stands for a client: an IPv4 address, or the /64 that an IPv6 host can take any address of.
[[nodiscard]] IpAddress source_of(const IpAddress& client);

}  // namespace isotube::gateway
