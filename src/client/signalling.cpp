#include "client/signalling.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <list>
#include <utility>

#include "client/http.hpp"
#include "client/printable.hpp"

namespace isotube::client {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using Kind = SignallingError::Kind;

constexpr std::string_view kSdp = "application/sdp";
constexpr std::string_view kFragment = "application/trickle-ice-sdpfrag";
/// What a gateway can ask us to wait for at most.
constexpr std::chrono::seconds kLongestRetryAfter{300};

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
        c == '_' || c == '~') {
      result.push_back(c);
    } else {
      result += {'%', kHex[byte >> 4], kHex[byte & 0xF]};
    }
  }
  return result;
}

/// The problem's detail, or its title (RFC 9457 3.1). Empty if `body` is no problem.
std::string problem_detail(const HttpResponse& response) {
  if (!response.content_type.starts_with("application/problem+json")) return {};
  json::error_code error;
  const json::value value = json::parse(response.body, error);
  if (error || !value.is_object()) return {};
  for (const char* member : {"detail", "title"}) {
    const json::value* text = value.as_object().if_contains(member);
    if (text != nullptr && text->is_string() && !text->as_string().empty()) return printable(text->as_string());
  }
  return {};
}

std::string advice(unsigned status) {
  switch (status) {
    case 401:
      return " Give a token that it knows with --token-file or ISOTUBE_TOKEN.";
    case 404:
    case 405:
      return " Is this the URL of an isotube gateway?";
    default:
      return {};
  }
}

std::optional<Duration> read_retry_after(std::string_view text) {
  std::uint32_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, seconds);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return std::min(std::chrono::seconds(seconds), kLongestRetryAfter);
}

/// The path of a Location on the gateway itself: where another server is named, a token could be led away.
std::optional<std::string> path_of_location(std::string_view location, const GatewayUrl& url) {
  const std::string origin = (url.tls ? "https://" : "http://") + url.authority();
  if (location.starts_with(origin + "/")) location.remove_prefix(origin.size());
  if (location.size() < 2 || location.size() > 1024 || !location.starts_with('/') || location.starts_with("//")) {
    return std::nullopt;
  }
  if (!std::ranges::all_of(location, [](char c) { return c > ' ' && c < 0x7F; })) return std::nullopt;
  // Requests put the URL's path in front of theirs; a gateway behind a proxy may not know of it.
  if (!url.path.empty() && location.starts_with(url.path + "/")) location.remove_prefix(url.path.size());
  return std::string(location);
}

}  // namespace

bool SignallingError::is_worth_a_retry() const {
  switch (kind) {
    case Kind::Unreachable:
    case Kind::TimedOut:
      return true;
    case Kind::Refused:
      return status == 408 || status == 409 || status == 429 || status >= 500;
    case Kind::Tls:
    case Kind::BadAnswer:
      return false;
  }
  return false;
}

std::string OpenedTube::id() const { return resource.substr(resource.rfind('/') + 1); }

class SignallingClient::Impl {
 public:
  Impl(runtime::Strand strand, SignallingConfig config)
      : strand_(std::move(strand)), config_(std::move(config)), tls_(asio::ssl::context::tls_client) {}

  std::expected<void, std::string> prepare_tls() {
    boost::system::error_code error;
    if (config_.ca_file.empty()) {
      // The system's authorities take 100 ms to read, so they are left alone where there is no use for them.
      if (config_.url.tls) tls_.set_default_verify_paths(error);
      return {};
    }
    tls_.load_verify_file(config_.ca_file, error);
    if (!error) return {};
    return std::unexpected("--ca-file " + config_.ca_file + " can't be used: " + error.message() +
                           ". It must be a readable PEM file with certificates");
  }

  /// Sends a request; an answer that says neither 2xx nor 404 is an error.
  Answer<HttpResponse> request(HttpRequest request, std::optional<Duration> time_limit = std::nullopt) {
    request.token = config_.token;
    const auto cancellation = cancellations_.emplace(cancellations_.end());
    auto token = asio::bind_cancellation_slot(cancellation->slot(), asio::as_tuple(asio::use_awaitable));
    auto exchange =
        http_exchange(strand_, config_.url, tls_, std::move(request), time_limit.value_or(config_.time_limit));
    auto [exception, response] = co_await asio::co_spawn(strand_, std::move(exchange), std::move(token));
    cancellations_.erase(cancellation);
    // A cancelled exchange ends in an exception; there is no other.
    if (exception) response = std::unexpected(HttpError{HttpError::Step::Exchange, false, "cancelled"});
    if (!response) co_return std::unexpected(explain(response.error()));
    if (response->status / 100 != 2 && response->status != 404) co_return std::unexpected(refusal(*response));
    co_return *std::move(response);
  }

  [[nodiscard]] std::unexpected<SignallingError> bad_answer(const std::string& what) const {
    return std::unexpected(SignallingError{
        Kind::BadAnswer, 0, config_.url.to_string() + " did not answer as a gateway does: " + what, std::nullopt});
  }

  [[nodiscard]] SignallingError refusal(const HttpResponse& response) const {
    const std::string detail = problem_detail(response);
    std::string what = config_.url.to_string() + " refused (" + std::to_string(response.status) + ")";
    what += detail.empty() ? "." : ": " + detail + (detail.ends_with('.') ? "" : ".");
    return {Kind::Refused, response.status, what + advice(response.status), read_retry_after(response.retry_after)};
  }

  void cancel() {
    for (asio::cancellation_signal& each : cancellations_) each.emit(asio::cancellation_type::terminal);
  }

  [[nodiscard]] const GatewayUrl& url() const { return config_.url; }

 private:
  [[nodiscard]] SignallingError explain(const HttpError& error) const {
    const std::string where = config_.url.to_string();
    SignallingError result;
    if (error.timed_out) result.kind = Kind::TimedOut;
    switch (error.step) {
      case HttpError::Step::Resolve:
        result.what = where + ": " + error.what;
        break;
      case HttpError::Step::Connect:
        result.what = where + " can't be reached: " + error.what;
        break;
      case HttpError::Step::TlsHandshake:
        if (!error.timed_out) result.kind = Kind::Tls;
        result.what = where + ": no trusted TLS connection: " + error.what;
        if (config_.ca_file.empty()) result.what += " (--ca-file names an authority of your own)";
        break;
      case HttpError::Step::Exchange:
        result.what = where + " gave no whole answer: " + error.what;
        break;
    }
    return result;
  }

  runtime::Strand strand_;
  SignallingConfig config_;
  asio::ssl::context tls_;
  std::list<asio::cancellation_signal> cancellations_;
};

SignallingClient::SignallingClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SignallingClient::~SignallingClient() = default;

void SignallingClient::cancel() { impl_->cancel(); }

std::expected<std::unique_ptr<SignallingClient>, std::string> SignallingClient::create(runtime::Strand strand,
                                                                                       SignallingConfig config) {
  auto impl = std::make_unique<Impl>(std::move(strand), std::move(config));
  if (auto prepared = impl->prepare_tls(); !prepared) return std::unexpected(std::move(prepared).error());
  return std::unique_ptr<SignallingClient>(new SignallingClient(std::move(impl)));
}

SignallingClient::Answer<std::vector<IceServer>> SignallingClient::ice_servers() {
  HttpRequest request{.method = "OPTIONS", .target = "/tubes"};
  auto response = co_await impl_->request(std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  if (response->status == 404) co_return std::unexpected(impl_->refusal(*response));
  std::vector<IceServer> servers;
  for (const std::string& link : response->links) {
    for (IceServer& server : ice_servers_of_link(link)) servers.push_back(std::move(server));
  }
  co_return servers;
}

SignallingClient::Answer<OpenedTube> SignallingClient::open_tube(sdp::Description offer,
                                                                 std::optional<frame::Target> fixed_target) {
  HttpRequest request{.method = "POST", .target = "/tubes?conversation=tunnel", .content_type = std::string(kSdp)};
  if (fixed_target) request.target += "&target=" + percent_encode(fixed_target->to_string());
  request.body = sdp::to_string(offer);
  auto response = co_await impl_->request(std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  if (response->status == 404) co_return std::unexpected(impl_->refusal(*response));
  if (response->status != 201) co_return impl_->bad_answer("status " + std::to_string(response->status));
  auto resource = path_of_location(response->location, impl_->url());
  if (!resource) co_return impl_->bad_answer("Location '" + printable(response->location) + "'");
  auto answer = sdp::parse(sdp::Type::Answer, response->body);
  if (!answer) {
    co_return impl_->bad_answer("SDP line " + std::to_string(answer.error().line) + ": " +
                                printable(answer.error().what));
  }
  co_return OpenedTube{*std::move(resource), std::move(response->etag), *std::move(answer)};
}

SignallingClient::Answer<void> SignallingClient::add_candidates(OpenedTube tube, sdp::Fragment fragment) {
  HttpRequest request{
      .method = "PATCH", .target = tube.resource, .content_type = std::string(kFragment), .if_match = tube.etag};
  request.body = sdp::to_string(fragment);
  auto response = co_await impl_->request(std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  if (response->status == 404) co_return std::unexpected(impl_->refusal(*response));
  co_return std::expected<void, SignallingError>();
}

SignallingClient::Answer<void> SignallingClient::close_tube(OpenedTube tube, Duration time_limit) {
  HttpRequest request{.method = "DELETE", .target = tube.resource};
  auto response = co_await impl_->request(std::move(request), time_limit);
  if (!response) co_return std::unexpected(std::move(response).error());
  co_return std::expected<void, SignallingError>();
}

SignallingClient::Answer<bool> SignallingClient::has_tube(OpenedTube tube) {
  HttpRequest request{.method = "GET", .target = tube.resource};
  auto response = co_await impl_->request(std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  co_return response->status != 404;
}

SignallingClient::Answer<json::array> SignallingClient::list_tubes() {
  HttpRequest request{.method = "GET", .target = "/tubes"};
  auto response = co_await impl_->request(std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  if (response->status == 404) co_return std::unexpected(impl_->refusal(*response));
  json::error_code error;
  json::value value = json::parse(response->body, error);
  if (error || !value.is_array()) co_return impl_->bad_answer("GET /tubes gave no JSON array");
  co_return std::move(value.as_array());
}

}  // namespace isotube::client
