// `isotube connect` as an object: forwards that stay, over a tube that is opened again when it is lost.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/time.hpp"
#include "client/forward.hpp"
#include "client/ice_server.hpp"
#include "client/signalling.hpp"
#include "peer/peer.hpp"
#include "runtime/runtime.hpp"
#include "tube/tube.hpp"

namespace isotube::client {

struct ConnectConfig {
  SignallingConfig gateway;
  std::vector<Forward> forwards;
  tube::Network network;
  peer::Settings peer;
  /// Used beside those that the gateway names.
  std::vector<IceServer> ice_servers;
  /// Makes time-limited credentials for those of them that have none.
  std::string ice_secret;
  /// How often in a row to try again before giving up; nothing means without end.
  std::optional<unsigned> retries;
  /// How long a connection that was accepted while there is no tube waits for one.
  Duration wait_for_tube = std::chrono::seconds(10);
  /// How often a quiet tube makes us ask the gateway whether it still has it: a gateway that was started again has
  /// not, long before consent expires (RFC 7675 5.1: 30 s).
  Duration ask_every = std::chrono::seconds(5);
};

/// What a user wants to know, a line each.
struct Report {
  enum class Kind : std::uint8_t {
    Listening,
    Connected,
    Lost,             ///< the tube ended, or none could be opened; `text` says when the next try is
    ConnectionEnded,  ///< a TCP connection ended other than normally
    Warning,
    Closed,  ///< stop() is done
  };
  Kind kind = Kind::Warning;
  std::string text;
};

class Connect {
 public:
  /// Listens on every forward's port. `report` is called on one strand and must not block. Errors, in plain words: a
  /// port that can't be listened on, a CA file that can't be read.
  [[nodiscard]] static std::expected<std::unique_ptr<Connect>, std::string> create(
      runtime::Runtime& runtime, ConnectConfig config, std::function<void(const Report&)> report);
  /// Must not be destroyed before run() has ended, if it was called.
  ~Connect();

  /// Where each forward listens, in the order given: which port 0 became.
  [[nodiscard]] std::vector<Address> listening() const;

  /// Connects, and connects again, until stop() (success) or an error that time does not mend: a token that is
  /// refused, an untrusted certificate, retries used up. Can be awaited from any executor, once.
  [[nodiscard]] boost::asio::awaitable<std::expected<void, std::string>> run();

  /// Ends run() within two seconds: connections, the tube here and at the gateway, the listeners. Thread-safe.
  void stop();

 private:
  class Impl;
  explicit Connect(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace isotube::client
