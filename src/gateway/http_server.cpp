#include "gateway/http_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/http_session.hpp"

namespace isotube::gateway {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

IpAddress to_ip(const asio::ip::address& address) {
  if (address.is_v4()) return IpAddress::v4(address.to_v4().to_bytes());
  return IpAddress::v6(address.to_v6().to_bytes());
}

tcp::endpoint to_endpoint(const Address& address) {
  const auto octets = address.ip.octets();
  if (address.ip.is_v4()) {
    asio::ip::address_v4::bytes_type bytes{};
    std::ranges::copy(octets, bytes.begin());
    return {asio::ip::address_v4(bytes), address.port};
  }
  asio::ip::address_v6::bytes_type bytes{};
  std::ranges::copy(octets, bytes.begin());
  return {asio::ip::address_v6(bytes), address.port};
}

/// How long accepting rests when the process is out of descriptors: each try would fail at once.
constexpr std::chrono::milliseconds kAcceptRest(100);

}  // namespace

HttpServer::HttpServer(asio::io_context& context, const HttpLimits& limits, TlsContext tls, RequestHandler handler,
                       std::shared_ptr<spdlog::logger> log)
    : context_(context),
      limits_(limits),
      handler_(std::move(handler)),
      log_(std::move(log)),
      table_(std::make_shared<ConnectionTable>(
          ConnectionTable::Limits{.all = limits.connections, .per_source = limits.connections_per_source})),
      strand_(asio::make_strand(context.get_executor())),
      acceptor_(strand_),
      tls_(std::move(tls)) {}

std::expected<Address, std::string> HttpServer::start(const Address& address) {
  const tcp::endpoint endpoint = to_endpoint(address);
  boost::system::error_code error;
  const auto failed = [&](std::string_view what) {
    return std::unexpected("can't listen on " + address.to_string() + " (" + std::string(what) +
                           "): " + error.message());
  };
  if (acceptor_.open(endpoint.protocol(), error); error) return failed("socket");
  if (acceptor_.set_option(tcp::acceptor::reuse_address(true), error); error) return failed("SO_REUSEADDR");
  if (endpoint.address().is_v6()) {
    // The wildcard serves both families; another address is of one family anyway.
    if (acceptor_.set_option(asio::ip::v6_only(false), error); error) return failed("IPV6_V6ONLY");
  }
  if (acceptor_.bind(endpoint, error); error) return failed("bind");
  if (acceptor_.listen(asio::socket_base::max_listen_connections, error); error) return failed("listen");
  const tcp::endpoint bound = acceptor_.local_endpoint(error);
  if (error) return failed("getsockname");
  const auto keep_alive = [self = shared_from_this()](const std::exception_ptr&) {};
  asio::co_spawn(strand_, accept_all(), keep_alive);
  return Address{to_ip(bound.address()), bound.port()};
}

asio::awaitable<void> HttpServer::accept_all() {
  asio::steady_timer rest(strand_);
  while (acceptor_.is_open()) {
    const Strand strand = asio::make_strand(context_.get_executor());
    tcp::socket socket(strand);
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await acceptor_.async_accept(socket, token);
    if (!error) {
      serve(std::move(socket), strand);
      continue;
    }
    if (error == asio::error::operation_aborted) co_return;
    log_->warn("can't accept an HTTP connection: {}", error.message());
    rest.expires_after(kAcceptRest);
    co_await rest.async_wait(token);
  }
}

void HttpServer::serve(tcp::socket socket, const Strand& strand) {
  boost::system::error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;
  const tcp::endpoint local = socket.local_endpoint(error);
  if (error) return;
  socket.set_option(tcp::no_delay(true), error);
  auto session = HttpSession::make(std::move(socket), tls(),
                                   HttpSession::Settings{.limits = limits_,
                                                         .handler = handler_,
                                                         .log = log_,
                                                         .source = {to_ip(remote.address()), remote.port()},
                                                         .local = to_ip(local.address())});
  auto close = [weak = std::weak_ptr(session), strand] {
    asio::post(strand, [weak] {
      if (const auto open = weak.lock()) open->close();
    });
  };
  auto place = table_->admit(to_ip(remote.address()), std::move(close));
  if (!place) {
    ++refused_;
    return;
  }
  const auto ended = [session, log = log_](const std::exception_ptr& failure) {
    if (failure) log->error("an HTTP connection ended by an exception");
  };
  asio::co_spawn(strand, session->run(std::move(*place)), ended);
}

void HttpServer::set_tls(TlsContext tls) {
  const std::lock_guard lock(tls_mutex_);
  tls_.swap(tls);
}

TlsContext HttpServer::tls() const {
  const std::lock_guard lock(tls_mutex_);
  return tls_;
}

void HttpServer::stop() {
  asio::post(strand_, [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->acceptor_.close(ignored);
  });
  table_->close_all();
}

}  // namespace isotube::gateway
