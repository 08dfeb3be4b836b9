#include "client/listener.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <utility>

#include "runtime/socket_address.hpp"

namespace isotube::client {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

enum class Stack : std::uint8_t { One, Both };

std::expected<tcp::acceptor, error_code> open_acceptor(const asio::any_io_executor& executor,
                                                       const tcp::endpoint& endpoint, Stack stack) {
  tcp::acceptor acceptor(executor);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (error) return std::unexpected(error);
  acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(stack == Stack::One), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return std::unexpected(error);
  return acceptor;
}

std::string describe(const Forward& forward, const error_code& error) {
  std::string text = "can't listen for -L " + forward.to_string() + ": " + error.message();
  if (error == asio::error::address_in_use) text += ". Another program has the port; choose another one";
  if (error == asio::error::access_denied) text += ". Ports below 1024 need privileges; choose a higher one";
  if (error == error_code(EADDRNOTAVAIL, boost::system::system_category())) {
    text += ". No interface of this machine has that address";
  }
  return text;
}

std::vector<tcp::endpoint> endpoints_of(const Forward& forward) {
  switch (forward.bind) {
    case Forward::Bind::Loopback:
      return {{asio::ip::address_v4::loopback(), forward.port}, {asio::ip::address_v6::loopback(), forward.port}};
    case Forward::Bind::All:
      return {{asio::ip::address_v6::any(), forward.port}};
    case Forward::Bind::Address:
      return {runtime::to_tcp_endpoint({forward.address, forward.port})};
  }
  return {};
}

/// A machine without IPv6, or without that address, is no reason to listen nowhere.
bool has_no_such_family(const error_code& error) {
  const auto is = [&error](int code) { return error == error_code(code, boost::system::system_category()); };
  return is(EAFNOSUPPORT) || is(EADDRNOTAVAIL) || is(EPROTONOSUPPORT);
}

}  // namespace

Address Listener::address() const {
  error_code error;
  const tcp::endpoint endpoint = acceptors.front().local_endpoint(error);
  return runtime::from_socket_address(endpoint.data()).value_or(Address());
}

std::expected<Listener, std::string> listen(const asio::any_io_executor& executor, const Forward& forward) {
  Listener listener{forward, {}};
  const Stack stack = forward.bind == Forward::Bind::All ? Stack::Both : Stack::One;
  error_code last;
  for (tcp::endpoint endpoint : endpoints_of(forward)) {
    if (!listener.acceptors.empty()) endpoint.port(listener.acceptors.front().local_endpoint().port());
    auto acceptor = open_acceptor(executor, endpoint, stack);
    if (!acceptor && forward.bind == Forward::Bind::All && has_no_such_family(acceptor.error())) {
      acceptor = open_acceptor(executor, {asio::ip::address_v4::any(), forward.port}, Stack::One);
    }
    if (acceptor) {
      listener.acceptors.push_back(*std::move(acceptor));
      continue;
    }
    last = acceptor.error();
    // Any port will do for port 0: if its twin on ::1 is taken, 127.0.0.1 is enough.
    const bool optional = forward.port == 0 && !listener.acceptors.empty();
    if (!has_no_such_family(last) && !optional) return std::unexpected(describe(forward, last));
  }
  if (listener.acceptors.empty()) return std::unexpected(describe(forward, last));
  return listener;
}

}  // namespace isotube::client
