#include "gateway/source.hpp"

#include <algorithm>

namespace isotube::gateway {

IpAddress source_of(const IpAddress& client) {
  if (client.is_v4()) return client;
  std::array<std::uint8_t, 16> network{};
  std::ranges::copy(client.octets().first(8), network.begin());
  return IpAddress::v6(network);
}

}  // namespace isotube::gateway
