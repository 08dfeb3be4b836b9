// The HTTP server: connections, limits and TLS. What requests mean is the handler's business.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/strand.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/address.hpp"
#include "gateway/config.hpp"
#include "gateway/connection_table.hpp"
#include "gateway/message.hpp"

namespace isotube::gateway {

/// Answers one request, on the strand of its connection. What it throws becomes a 500 for that client alone.
using RequestHandler = std::function<boost::asio::awaitable<Response>(Request)>;

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

/// Serves HTTP/1.1 (RFC 9112) on one address, each connection on a strand of its own. Thread-safe. Made as a shared
/// object, since connections hold it; stop() ends them.
class HttpServer : public std::enable_shared_from_this<HttpServer> {
 public:
  /// `tls` null means plain HTTP. `log` must not wait.
  HttpServer(boost::asio::io_context& context, const HttpLimits& limits, TlsContext tls, RequestHandler handler,
             std::shared_ptr<spdlog::logger> log);

  /// Listens; gives the address with the port that was taken. Called once.
  [[nodiscard]] std::expected<Address, std::string> start(const Address& address);
  /// For connections that come from now on.
  void set_tls(TlsContext tls);
  /// Closes the listener and every connection.
  void stop();
  [[nodiscard]] std::size_t connections() const { return table_->size(); }
  /// Connections refused because every other one was busy.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;

  [[nodiscard]] boost::asio::awaitable<void> accept_all();
  void serve(boost::asio::ip::tcp::socket socket, const Strand& strand);
  [[nodiscard]] TlsContext tls() const;

  boost::asio::io_context& context_;
  const HttpLimits limits_;
  const RequestHandler handler_;
  const std::shared_ptr<spdlog::logger> log_;
  const std::shared_ptr<ConnectionTable> table_;
  Strand strand_;  ///< of the acceptor
  boost::asio::ip::tcp::acceptor acceptor_;
  mutable std::mutex tls_mutex_;
  TlsContext tls_;
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace isotube::gateway
