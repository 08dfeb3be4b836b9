// The tubes that clients made over HTTP: creation, signalling, status, draining.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "gateway/access.hpp"
#include "gateway/admission.hpp"
#include "gateway/config.hpp"
#include "gateway/message.hpp"
#include "gateway/route.hpp"
#include "runtime/runtime.hpp"
#include "tube/registry.hpp"
#include "tube/tube.hpp"

namespace isotube::gateway {

/// Answers requests that were let in. A client's requests reach the tubes that he made; to him the others do not exist.
/// Thread-safe. Made as a shared object: its tubes tell it when they close, if it is still there.
class TubeService : public std::enable_shared_from_this<TubeService> {
 public:
  struct Logs {
    std::shared_ptr<spdlog::logger> events;
    std::shared_ptr<spdlog::logger> audit;
  };

  TubeService(runtime::Runtime& runtime, const Config& config, std::shared_ptr<const LiveRules> rules, Logs logs);

  [[nodiscard]] boost::asio::awaitable<Response> create(const Caller& caller, const Route& route,
                                                        const Request& request);
  [[nodiscard]] boost::asio::awaitable<Response> patch(const Caller& caller, const std::string& id,
                                                       const Request& request);
  [[nodiscard]] Response remove(const Caller& caller, const std::string& id);
  [[nodiscard]] Response status(const Caller& caller, const std::string& id) const;
  [[nodiscard]] Response list(const Caller& caller) const;
  /// Accept-Post and the ICE servers that a client should use.
  [[nodiscard]] Response options();
  [[nodiscard]] Response ready() const;

  /// Makes no more tubes, lets open ones finish for `time`, ends with the last of them. Those that outlive it are
  /// closed.
  [[nodiscard]] boost::asio::awaitable<void> drain(std::chrono::milliseconds time);
  /// Closes every tube; makes no more.
  void close_all();
  [[nodiscard]] const tube::TubeRegistry& tubes() const { return registry_; }

 private:
  [[nodiscard]] std::optional<Problem> unready() const;
  [[nodiscard]] std::string draw_id();
  [[nodiscard]] std::shared_ptr<tube::Tube> make_tube(const Caller& caller, CreateQuery query,
                                                      std::shared_ptr<const tube::TargetPolicy> policy,
                                                      const std::string& remote_ufrag);
  [[nodiscard]] tube::Observer observe(const std::string& id);
  [[nodiscard]] std::shared_ptr<tube::Tube> find(const Caller& caller, const std::string& id) const;
  [[nodiscard]] std::optional<std::string> remote_ufrag(const std::string& id) const;
  /// `id` names the user in time-limited TURN credentials.
  void add_links(Response& response, const std::string& id) const;
  [[nodiscard]] tube::Network network_for(const std::string& id) const;
  void tube_closed(const std::string& id, tube::CloseReason reason, const std::string& message);
  void forget(const std::string& id);
  [[nodiscard]] boost::asio::awaitable<void> wait_until_empty(std::chrono::steady_clock::time_point deadline);

  runtime::Runtime& runtime_;
  const tube::Network network_;
  const peer::Settings peer_;
  const std::vector<IceLink> ice_links_;
  const std::string ice_secret_;
  const std::size_t max_tubes_;
  const std::shared_ptr<const LiveRules> rules_;
  const Logs logs_;
  Admission admission_;
  tube::TubeRegistry registry_;
  std::atomic<bool> draining_ = false;
  runtime::Strand drain_strand_;
  boost::asio::steady_timer emptied_;  ///< on drain_strand_; cancelled when a tube closes
  mutable std::mutex mutex_;
  Random random_;
  std::map<std::string, std::string> remote_ufrags_;  ///< the peer's ICE generation, by tube
};

}  // namespace isotube::gateway
