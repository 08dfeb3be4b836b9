#include "client/http.hpp"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "client/name_resolution.hpp"
#include "runtime/socket_address.hpp"

namespace isotube::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr auto kTupled = asio::as_tuple(asio::use_awaitable);
/// What one address of several gets, so that one that swallows packets leaves time for the next.
constexpr Duration kConnectLimit = std::chrono::seconds(3);

using Clock = std::chrono::steady_clock;

std::unexpected<HttpError> failure(HttpError::Step step, const error_code& error) {
  const bool timed_out = error == beast::error::timeout || error == asio::error::timed_out;
  return std::unexpected(HttpError{step, timed_out, timed_out ? "no answer in time" : error.message()});
}

http::request<http::string_body> make_request(const GatewayUrl& url, HttpRequest request) {
  http::request<http::string_body> result;
  result.method_string(request.method);
  result.target(url.path + request.target);
  result.version(11);
  result.keep_alive(false);
  result.set(http::field::host, url.authority());
  result.set(http::field::user_agent, "isotube");
  if (!request.token.empty()) result.set(http::field::authorization, "Bearer " + request.token);
  if (!request.if_match.empty()) result.set(http::field::if_match, request.if_match);
  if (!request.content_type.empty()) {
    result.set(http::field::content_type, request.content_type);
    result.body() = std::move(request.body);
  }
  result.prepare_payload();
  return result;
}

HttpResponse take_response(http::response<http::string_body> response) {
  const auto field = [&response](http::field name) { return std::string(response[name]); };
  HttpResponse result{.status = response.result_int(),
                      .content_type = field(http::field::content_type),
                      .location = field(http::field::location),
                      .etag = field(http::field::etag),
                      .retry_after = field(http::field::retry_after),
                      .links = {},
                      .body = {}};
  const auto [begin, end] = response.equal_range(http::field::link);
  for (auto link = begin; link != end; ++link) result.links.emplace_back(link->value());
  result.body = std::move(response.body());
  return result;
}

template <typename Stream>
asio::awaitable<std::expected<HttpResponse, HttpError>> exchange_on(Stream& stream,
                                                                    http::request<http::string_body> request) {
  // A gateway may refuse before it has read everything: its answer counts, not that the rest could not be sent.
  const auto [write_error, written] = co_await http::async_write(stream, request, kTupled);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxHttpBody);
  const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kTupled);
  if (read_error) co_return failure(HttpError::Step::Exchange, write_error ? write_error : read_error);
  co_return take_response(parser.release());
}

/// Tries the addresses in turn.
asio::awaitable<std::expected<void, HttpError>> connect(beast::tcp_stream& stream, std::vector<IpAddress> addresses,
                                                        std::uint16_t port, Clock::time_point deadline) {
  error_code error = asio::error::host_not_found;
  for (const IpAddress& address : addresses) {
    if (Clock::now() >= deadline) break;
    stream.expires_at(std::min(deadline, Clock::now() + kConnectLimit));
    const auto [connect_error] = co_await stream.async_connect(runtime::to_tcp_endpoint({address, port}), kTupled);
    error = connect_error;
    if (!error) co_return std::expected<void, HttpError>();
    stream.close();
  }
  co_return failure(HttpError::Step::Connect, error);
}

/// Prepares the checks of the certificate: its chain, and that it was made for this host (RFC 9110 4.3.4).
void expect_host(asio::ssl::stream<beast::tcp_stream&>& stream, const std::string& host) {
  stream.set_verify_mode(asio::ssl::verify_peer);
  // OpenSSL compares itself: then its verdict says what did not match.
  SSL* const ssl = stream.native_handle();
  if (IpAddress::parse(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    return;
  }
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set1_host(ssl, host.c_str());
  // SNI holds names only (RFC 6066 3). The macro that does this casts in C's way.
  SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str()));
}

}  // namespace

asio::awaitable<std::expected<HttpResponse, HttpError>> http_exchange(runtime::Strand strand, GatewayUrl url,
                                                                      asio::ssl::context& tls, HttpRequest request,
                                                                      Duration limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  auto addresses = co_await resolve_host(strand, url.host);
  if (!addresses) co_return std::unexpected(HttpError{HttpError::Step::Resolve, false, addresses.error()});

  beast::tcp_stream stream(strand);
  auto connected = co_await connect(stream, *std::move(addresses), url.port, deadline);
  if (!connected) co_return std::unexpected(std::move(connected).error());
  stream.expires_at(deadline);
  auto message = make_request(url, std::move(request));
  if (!url.tls) co_return co_await exchange_on(stream, std::move(message));

  asio::ssl::stream<beast::tcp_stream&> secure(stream, tls);
  expect_host(secure, url.host);
  const auto [error] = co_await secure.async_handshake(asio::ssl::stream_base::client, kTupled);
  if (error) {
    auto failed = failure(HttpError::Step::TlsHandshake, error);
    const long verdict = SSL_get_verify_result(secure.native_handle());
    if (verdict != X509_V_OK) failed.error().what = X509_verify_cert_error_string(verdict);
    co_return failed;
  }
  // The answer's length is in its head, so the end of the TLS stream carries no information to wait for.
  co_return co_await exchange_on(secure, std::move(message));
}

}  // namespace isotube::client
