// STUN and TURN servers as users name them, made into what a tube asks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "client/ice_server.hpp"
#include "runtime/runtime.hpp"
#include "turn/client.hpp"

namespace isotube::client {

struct ResolvedIceServers {
  /// A TURN server over UDP tells a reflexive address too (RFC 8656 3.1), so those are here as well.
  std::vector<Address> stun;
  std::vector<turn::Server> turn;
  /// A line for people about each server that is left out.
  std::vector<std::string> left_out;
};

/// Looks the names up; four STUN and eight TURN servers at most. For a coroutine that runs on `strand`.
[[nodiscard]] boost::asio::awaitable<ResolvedIceServers> resolve_ice_servers(runtime::Strand strand,
                                                                             std::vector<IceServer> servers);

}  // namespace isotube::client
