// The gateway: serves tubes to clients over HTTP.
//
// This folder decides who may open tubes and to where, and signals for them: WHIP (RFC 9725) in form. It uses tube/,
// runtime/ and what lies below.
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/awaitable.hpp>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "gateway/config.hpp"
#include "runtime/runtime.hpp"
#include "tube/registry.hpp"

namespace isotube::gateway {

/// Thread-safe but for the destructor, which stops.
///
///   runtime::Runtime runtime(config.workers);
///   gateway::BoundedLog log("gateway", sink);
///   auto gateway = gateway::Gateway::create(runtime, config, {log.logger(), log.logger()});
///   auto address = (*gateway)->start();
///   …
///   on SIGHUP:  (*gateway)->reload();
///   on SIGTERM: co_await (*gateway)->drain(); (*gateway)->stop();
class Gateway {
 public:
  /// Neither may be null, nor wait for its sink: BoundedLog makes such loggers. `audit` gets one line for each
  /// connection.
  struct Logs {
    std::shared_ptr<spdlog::logger> events;
    std::shared_ptr<spdlog::logger> audit;
  };

  /// Checks the options and reads the files that they name; logs warnings. The error says what, where and what to do.
  /// `runtime` must outlive the gateway.
  [[nodiscard]] static std::expected<std::unique_ptr<Gateway>, std::string> create(runtime::Runtime& runtime,
                                                                                   Config config, Logs logs);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Listens and serves; gives the address with the port that was taken. Called once.
  [[nodiscard]] std::expected<Address, std::string> start();

  /// Reads certificate, key and tokens again, and takes `allow` for the allow list if it is given (from a configuration
  /// file that was read again). All or nothing: on an error everything stays as it was. Open tubes stay, and follow the
  /// new rules for the connections that they open from then on.
  [[nodiscard]] std::expected<void, std::string> reload(std::optional<std::vector<std::string>> allow = std::nullopt);

  /// Refuses new tubes (readyz says so), lets open connections finish for Config::drain, and ends when the last tube is
  /// closed, at the latest a few seconds after that time. HTTP is served meanwhile.
  [[nodiscard]] boost::asio::awaitable<void> drain();

  /// Ends all at once: the listener, HTTP connections, tubes (reason TunnelClosed).
  void stop();

  [[nodiscard]] const tube::TubeRegistry& tubes() const;

 private:
  class Impl;

 public:
  /// For create(), which alone has an Impl.
  explicit Gateway(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace isotube::gateway
