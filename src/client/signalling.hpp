// The client's side of a gateway's HTTP interface (in form of RFC 9725).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "client/gateway_url.hpp"
#include "client/ice_server.hpp"
#include "frame/frame.hpp"
#include "runtime/runtime.hpp"
#include "sdp/description.hpp"

namespace isotube::client {

struct SignallingConfig {
  GatewayUrl url;
  /// Sent as bearer token; empty means none.
  std::string token;
  /// PEM file of the authorities that may vouch for the gateway; empty means the system's.
  std::string ca_file;
  /// A request that has no answer by then has failed.
  Duration time_limit = std::chrono::seconds(10);
};

/// Why a request failed. `what` is one line in plain words: what happened, where, and what to do if that is known.
struct SignallingError {
  enum class Kind : std::uint8_t {
    Unreachable,  ///< the name does not resolve, or nobody answers there
    TimedOut,
    Tls,        ///< the gateway's certificate is not trusted, or there is no TLS
    Refused,    ///< an answer of 4xx or 5xx; `status` says which
    BadAnswer,  ///< not the answer of a gateway
  };
  Kind kind = Kind::Unreachable;
  unsigned status = 0;
  std::string what;
  /// From Retry-After, in seconds.
  std::optional<Duration> retry_after;

  /// Whether the same request can succeed later with nobody's help.
  [[nodiscard]] bool is_worth_a_retry() const;
};

/// A tube as the gateway's answer to POST has it.
struct OpenedTube {
  std::string resource;  ///< path of the tube, for the calls below
  std::string etag;      ///< the ICE generation, for If-Match
  sdp::Description answer;

  /// The gateway's id for the tube: the last step of its path.
  [[nodiscard]] std::string id() const;
};

/// Talks to one gateway, over a connection of its own for each request. Used by coroutines on its strand
/// only; calls may overlap. Must outlive its calls.
class SignallingClient {
 public:
  template <typename T>
  using Answer = boost::asio::awaitable<std::expected<T, SignallingError>>;

  /// Errors: a CA file that can't be read.
  [[nodiscard]] static std::expected<std::unique_ptr<SignallingClient>, std::string> create(runtime::Strand strand,
                                                                                            SignallingConfig config);
  ~SignallingClient();

  /// OPTIONS: the ICE servers that the gateway wants its clients to use.
  [[nodiscard]] Answer<std::vector<IceServer>> ice_servers();
  /// POST: a tube for `offer`.
  [[nodiscard]] Answer<OpenedTube> open_tube(sdp::Description offer, std::optional<frame::Target> fixed_target);
  /// PATCH: candidates found after the offer.
  [[nodiscard]] Answer<void> add_candidates(OpenedTube tube, sdp::Fragment fragment);
  /// DELETE. That the gateway doesn't know the tube (any more) is success.
  [[nodiscard]] Answer<void> close_tube(OpenedTube tube, Duration time_limit);
  /// GET: whether the gateway still has the tube.
  [[nodiscard]] Answer<bool> has_tube(OpenedTube tube);
  /// GET: every tube that the token may see, as the gateway describes them.
  [[nodiscard]] Answer<boost::json::array> list_tubes();

  /// Ends the calls that are under way; they fail with Unreachable.
  void cancel();

 private:
  class Impl;
  explicit SignallingClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::client
