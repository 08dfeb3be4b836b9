// The local end of a forward: sockets that listen for as long as the client runs, whatever its tube does.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <expected>
#include <string>
#include <vector>

#include "client/forward.hpp"

namespace isotube::client {

struct Listener {
  Forward forward;
  /// One for each address: both loopback addresses without BIND. All have the same port.
  std::vector<boost::asio::ip::tcp::acceptor> acceptors;

  /// The first address listened on.
  [[nodiscard]] Address address() const;
};

/// Errors say which port, why, and what to do.
[[nodiscard]] std::expected<Listener, std::string> listen(const boost::asio::any_io_executor& executor,
                                                          const Forward& forward);

}  // namespace isotube::client
