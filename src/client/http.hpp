// One HTTP request and its answer over a connection of their own, plain or TLS, with one time limit for all of it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "client/gateway_url.hpp"
#include "runtime/runtime.hpp"

namespace isotube::client {

struct HttpRequest {
  std::string method;
  std::string target;
  std::string content_type;  ///< empty: no body
  std::string body;
  std::string if_match;  ///< empty: not sent
  std::string token;     ///< empty: not sent
};

struct HttpResponse {
  unsigned status = 0;
  std::string content_type;
  std::string location;
  std::string etag;
  std::string retry_after;
  std::vector<std::string> links;  ///< Link fields
  std::string body;
};

struct HttpError {
  enum class Step : std::uint8_t { Resolve, Connect, TlsHandshake, Exchange };
  Step step = Step::Resolve;
  bool timed_out = false;
  std::string what;
};

/// Answers larger than this are an error.
inline constexpr std::size_t kMaxHttpBody = std::size_t{16} << 20;

/// `tls` is used for an https URL only; it must outlive the call. For a coroutine that runs on `strand`.
[[nodiscard]] boost::asio::awaitable<std::expected<HttpResponse, HttpError>> http_exchange(
    runtime::Strand strand, GatewayUrl url, boost::asio::ssl::context& tls, HttpRequest request, Duration limit);

}  // namespace isotube::client
