#include "client/ice_resolution.hpp"

#include <utility>

#include "client/name_resolution.hpp"
#include "client/printable.hpp"

namespace isotube::client {
namespace {

constexpr std::size_t kMaxStunServers = 4;
constexpr std::size_t kMaxTurnServers = 8;

void add(ResolvedIceServers& all, const IceServer& server, const IpAddress& ip) {
  const bool is_turn = server.scheme != IceServer::Scheme::Stun;
  if (server.transport == turn::Transport::Udp && all.stun.size() < kMaxStunServers) {
    all.stun.push_back({ip, server.port});
  }
  if (is_turn && all.turn.size() < kMaxTurnServers) {
    all.turn.push_back({.address = {ip, server.port},
                        .transport = server.transport,
                        .name = server.host,
                        .username = server.username,
                        .password = server.credential});
  }
}

}  // namespace

boost::asio::awaitable<ResolvedIceServers> resolve_ice_servers(runtime::Strand strand, std::vector<IceServer> servers) {
  ResolvedIceServers all;
  for (const IceServer& server : servers) {
    const auto addresses = co_await resolve_host(strand, server.host);
    if (addresses) {
      add(all, server, addresses->front());
    } else {
      all.left_out.push_back("ICE server " + printable(server.url()) + " is left out: " + addresses.error());
    }
  }
  co_return all;
}

}  // namespace isotube::client
