#include "gateway/http_session.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>
#include <type_traits>

#include "gateway/problem.hpp"

namespace isotube::gateway {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

using TlsStream = asio::ssl::stream<beast::tcp_stream>;
using Parser = http::request_parser<http::string_body>;

/// A client that still sends when we have answered and closed would get a reset, and might not see the answer
/// (RFC 9112 9.6). So much is read away, for so long.
constexpr std::size_t kLingerBytes = std::size_t{1} << 20;
constexpr std::chrono::seconds kLingerTime(2);

/// The Date field (RFC 9110 5.6.7).
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 64> text{};
  // strftime takes the names of days from the locale, which this program leaves at "C".
  const std::size_t length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text.data(), length};
}

/// What to tell the client about a request that could not be read; nothing if there is no one to tell.
std::optional<Problem> problem_of(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Problem{ProblemKind::HeaderTooLarge, "send at most 16 KiB of header"};
  }
  if (error == http::error::body_limit) return Problem{ProblemKind::BodyTooLarge, "send at most 64 KiB of body"};
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return Problem{ProblemKind::BadRequest, "the request is no HTTP/1.1: " + error.message()};
  }
  return std::nullopt;
}

template <class Stream>
class SessionOn final : public HttpSession {
 public:
  SessionOn(Stream stream, TlsContext tls, Settings settings)
      : settings_(std::move(settings)), tls_(std::move(tls)), stream_(std::move(stream)) {}

  asio::awaitable<void> run(ConnectionTable::Place place) override;
  void close() override {
    closed_ = true;
    lowest().close();
  }

 private:
  static constexpr bool kSecure = std::is_same_v<Stream, TlsStream>;

  enum class Next : std::uint8_t { Request, Close, Drop };

  [[nodiscard]] beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }
  [[nodiscard]] asio::awaitable<bool> handshake();
  [[nodiscard]] asio::awaitable<bool> wait_for_request(std::chrono::milliseconds patience);
  [[nodiscard]] asio::awaitable<Next> serve_one(ConnectionTable::Place& place);
  [[nodiscard]] asio::awaitable<error_code> read_request(Parser& parser);
  [[nodiscard]] asio::awaitable<Response> answer(Request request);
  [[nodiscard]] asio::awaitable<bool> write(Response response, std::string_view method, unsigned version,
                                            bool keep_alive);
  [[nodiscard]] asio::awaitable<Next> refuse(const Problem& problem, std::string_view method, unsigned version);
  [[nodiscard]] asio::awaitable<void> linger();
  [[nodiscard]] Request take_request(Parser& parser) const;

  const Settings settings_;
  const TlsContext tls_;  ///< outlives the stream that was made from it
  Stream stream_;
  beast::flat_buffer buffer_{std::size_t{32} << 10};
  bool closed_ = false;
};

template <class Stream>
asio::awaitable<void> SessionOn<Stream>::run(ConnectionTable::Place place) {
  auto patience = settings_.limits.header_time;
  if constexpr (kSecure) {
    const bool agreed = co_await handshake();
    if (!agreed) co_return;
  }
  Next next = Next::Request;
  while (next == Next::Request) {
    const bool more = co_await wait_for_request(patience);
    if (!more) break;
    next = co_await serve_one(place);
    place.mark_waiting();
    patience = settings_.limits.idle_time;
  }
  if (next != Next::Drop && !closed_) co_await linger();
}

template <class Stream>
asio::awaitable<bool> SessionOn<Stream>::handshake() {
  if constexpr (kSecure) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    lowest().expires_after(settings_.limits.header_time);
    co_await stream_.async_handshake(asio::ssl::stream_base::server, token);
    if (error) settings_.log->debug("TLS handshake with {} failed: {}", settings_.source.to_string(), error.message());
    co_return !error;
  }
  co_return true;
}

template <class Stream>
asio::awaitable<bool> SessionOn<Stream>::wait_for_request(std::chrono::milliseconds patience) {
  if (buffer_.size() != 0) co_return true;
  constexpr std::size_t kFirstRead = 4096;
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  lowest().expires_after(patience);
  const auto room = buffer_.prepare(kFirstRead);
  const std::size_t got = co_await stream_.async_read_some(room, token);
  buffer_.commit(got);
  co_return !error;
}

template <class Stream>
asio::awaitable<error_code> SessionOn<Stream>::read_request(Parser& parser) {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  lowest().expires_after(settings_.limits.header_time);
  co_await http::async_read_header(stream_, buffer_, parser, token);
  if (error) co_return error;
  lowest().expires_after(settings_.limits.body_time);
  if (!parser.is_done() && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto bytes = asio::buffer(kContinue);
    co_await asio::async_write(stream_, bytes, token);
    if (error) co_return error;
  }
  co_await http::async_read(stream_, buffer_, parser, token);
  co_return error;
}

template <class Stream>
asio::awaitable<typename SessionOn<Stream>::Next> SessionOn<Stream>::serve_one(ConnectionTable::Place& place) {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(settings_.limits.header_bytes));
  parser.body_limit(settings_.limits.body_bytes);
  const error_code error = co_await read_request(parser);
  const std::string method(parser.get().method_string());
  const unsigned version = parser.get().version();
  if (error) {
    auto problem = problem_of(error);
    if (!problem) co_return Next::Drop;
    const Next next = co_await refuse(*problem, method, version);
    co_return next;
  }
  const auto expect = parser.get()[http::field::expect];
  if (!expect.empty() && !beast::iequals(expect, "100-continue")) {
    const Problem problem{ProblemKind::ExpectationFailed, "send no Expect but 100-continue"};
    const Next next = co_await refuse(problem, method, version);
    co_return next;
  }
  const bool keep_alive = parser.get().keep_alive();
  Request request = take_request(parser);
  place.mark_busy();
  auto answering = answer(std::move(request));
  Response response = co_await std::move(answering);
  place.mark_waiting();
  auto writing = write(std::move(response), method, version, keep_alive);
  const bool written = co_await std::move(writing);
  if (!written) co_return Next::Drop;
  co_return keep_alive ? Next::Request : Next::Close;
}

template <class Stream>
Request SessionOn<Stream>::take_request(Parser& parser) const {
  auto message = parser.release();
  Request request{.method = std::string(message.method_string()),
                  .target = std::string(message.target()),
                  .fields = {},
                  .body = std::move(message.body()),
                  .source = settings_.source,
                  .local = settings_.local,
                  .secure = kSecure};
  for (const auto& field : message) {
    request.fields.add(std::string(field.name_string()), std::string(field.value()));
  }
  return request;
}

template <class Stream>
asio::awaitable<Response> SessionOn<Stream>::answer(Request request) {
  try {
    auto handling = settings_.handler(std::move(request));
    Response response = co_await std::move(handling);
    co_return response;
  } catch (const std::exception& failure) {
    settings_.log->error("a request of {} failed: {}", settings_.source.to_string(), failure.what());
  }
  co_return Problem{ProblemKind::Internal, "this is a fault of the gateway; its log says more"}.response();
}

template <class Stream>
asio::awaitable<bool> SessionOn<Stream>::write(Response response, std::string_view method, unsigned version,
                                               bool keep_alive) {
  http::response<http::string_body> message;
  message.result(response.status);
  message.version(version == 10 ? 10 : 11);
  message.set(http::field::date, http_date());
  for (const auto& [name, value] : response.fields.all()) message.insert(name, value);
  message.keep_alive(keep_alive);
  // RFC 9110 8.6: a 204 has no Content-Length; the answer to HEAD has that of GET.
  if (response.status != 204) message.content_length(response.body.size());
  if (method != "HEAD") message.body() = std::move(response.body);
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  lowest().expires_after(settings_.limits.write_time);
  http::response_serializer<http::string_body> serializer(message);
  co_await http::async_write(stream_, serializer, token);
  co_return !error;
}

template <class Stream>
asio::awaitable<typename SessionOn<Stream>::Next> SessionOn<Stream>::refuse(const Problem& problem,
                                                                            std::string_view method, unsigned version) {
  auto writing = write(problem.response(), method, version, false);
  const bool written = co_await std::move(writing);
  co_return written ? Next::Close : Next::Drop;
}

template <class Stream>
asio::awaitable<void> SessionOn<Stream>::linger() {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  lowest().expires_after(kLingerTime);
  if constexpr (kSecure) {
    // Sends close_notify; a client that sends on instead of answering it makes this fail, which does not matter.
    co_await stream_.async_shutdown(token);
  }
  lowest().socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  std::array<std::byte, 4096> sink;
  const auto room = asio::buffer(sink);
  for (std::size_t left = kLingerBytes; !error && left > sink.size();) {
    const std::size_t got = co_await lowest().async_read_some(room, token);
    left -= got;
  }
}

}  // namespace

std::shared_ptr<HttpSession> HttpSession::make(asio::ip::tcp::socket socket, TlsContext tls, Settings settings) {
  beast::tcp_stream stream(std::move(socket));
  if (!tls) return std::make_shared<SessionOn<beast::tcp_stream>>(std::move(stream), nullptr, std::move(settings));
  TlsStream secure(std::move(stream), *tls);
  return std::make_shared<SessionOn<TlsStream>>(std::move(secure), std::move(tls), std::move(settings));
}

}  // namespace isotube::gateway
