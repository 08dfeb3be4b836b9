// One HTTP connection: reads requests within their limits, hands them on, writes what comes back.
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "gateway/http_server.hpp"

namespace isotube::gateway {

/// Lives on its connection's strand, where all its calls belong.
class HttpSession {
 public:
  struct Settings {
    HttpLimits limits;
    RequestHandler handler;
    std::shared_ptr<spdlog::logger> log;
    Address source;
    IpAddress local;
  };

  [[nodiscard]] static std::shared_ptr<HttpSession> make(boost::asio::ip::tcp::socket socket, TlsContext tls,
                                                         Settings settings);
  virtual ~HttpSession() = default;

  /// Serves until either side ends the connection. The caller keeps the session alive meanwhile.
  [[nodiscard]] virtual boost::asio::awaitable<void> run(ConnectionTable::Place place) = 0;
  /// Ends the connection at once: what is being read or written fails.
  virtual void close() = 0;
};

}  // namespace isotube::gateway
