// Names to addresses, for the hosts that a client talks to.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <expected>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "runtime/runtime.hpp"

namespace isotube::client {

/// The addresses of `host`, which may be an address itself; at least one. Errors are in plain words. For a coroutine
/// that runs on `strand`.
[[nodiscard]] boost::asio::awaitable<std::expected<std::vector<IpAddress>, std::string>> resolve_host(
    runtime::Strand strand, std::string host);

}  // namespace isotube::client
