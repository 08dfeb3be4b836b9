// One tube of `connect`: from the gateway's ICE servers to the moment when the tube has ended and is cleaned up.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/connect.hpp"
#include "client/signalling.hpp"
#include "client/wakeup.hpp"
#include "tube/tube.hpp"

namespace isotube::client {

/// How a tube ended, or why there was none.
struct TubeEnd {
  std::string what;       ///< one line in plain words
  bool hopeless = false;  ///< the same request will fail again
  bool refused = false;   ///< we are not wanted: 401 or 403
  /// How long it was connected; nothing if it never was.
  std::optional<Duration> connected_for;
  /// What the gateway asked us to wait at least.
  std::optional<Duration> retry_after;
};

/// All on one strand. Kept alive by what it starts.
class TubeOpening : public std::enable_shared_from_this<TubeOpening> {
 public:
  struct Callbacks {
    /// The tube carries traffic from here on.
    std::function<void(const std::shared_ptr<tube::Tube>&, const std::string& description)> connected;
    /// It does no more. Called once if `connected` was.
    std::function<void()> lost;
    std::function<void(const tube::ConnectionRecord&)> connection_ended;
    std::function<void(const std::string&)> warning;
  };

  TubeOpening(runtime::Runtime& runtime, const runtime::Strand& strand, const ConnectConfig& config,
              SignallingClient& signalling, Callbacks callbacks);

  /// Opens a tube and stays until it has ended or stop() was called, then closes what is left of it.
  [[nodiscard]] boost::asio::awaitable<TubeEnd> run();
  void stop();

 private:
  using Step = boost::asio::awaitable<std::expected<void, TubeEnd>>;

  /// Ours with these servers; `id` names the tube in time-limited credentials.
  [[nodiscard]] boost::asio::awaitable<tube::Network> network(std::string id, std::vector<IceServer> servers);
  [[nodiscard]] tube::Observer observe();
  [[nodiscard]] Step open();
  [[nodiscard]] Step signal();
  [[nodiscard]] Step until_connected();
  [[nodiscard]] boost::asio::awaitable<TubeEnd> until_ended();
  [[nodiscard]] boost::asio::awaitable<bool> gateway_lost_it();
  [[nodiscard]] boost::asio::awaitable<void> clean_up();
  [[nodiscard]] std::string describe() const;

  runtime::Runtime& runtime_;
  runtime::Strand strand_;
  const ConnectConfig& config_;
  SignallingClient& signalling_;
  Callbacks callbacks_;
  Wakeup wakeup_;
  bool stopping_ = false;
  std::shared_ptr<tube::Tube> tube_;
  std::optional<OpenedTube> opened_;
  tube::State state_ = tube::State::New;
  /// Set when the tube has closed: why.
  std::optional<std::string> closed_;
};

}  // namespace isotube::client
