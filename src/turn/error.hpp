// Why a TURN transaction ended for good.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "stun/message.hpp"

namespace isotube::turn {

/// How the client reaches its server (RFC 8656 3.1). Towards peers it is always UDP.
enum class Transport : std::uint8_t { Udp, Tcp, Tls };

[[nodiscard]] std::string_view to_string(Transport transport);

enum class Cause : std::uint8_t {
  ErrorResponse,        ///< the server refused; `code` and `reason` are its own
  Timeout,              ///< nothing that belongs to the transaction came
  IntegrityViolated,    ///< only answers with wrong or missing MESSAGE-INTEGRITY came (RFC 8489 9.2.5)
  UnexpectedResponse,   ///< only answers of another method or with unusable contents came
  NonceLoop,            ///< the 4th stale nonce in a row, or one that repeats the nonce just used
  PortsExhausted,       ///< 437 even from the third local port
  TooManyAlternatives,  ///< the servers keep naming each other (RFC 8489 10)
  FlowFailed,           ///< the connection to the server could not be opened or broke; `reason` says why
};

[[nodiscard]] std::string_view to_string(Cause cause);

/// A value for logs, counters and circuits; holds no secret.
struct TurnError {
  stun::Method method = stun::Method::Allocate;
  Cause cause = Cause::Timeout;
  /// STUN's error code, 300 to 699; 0 if no answer was an error.
  int code = 0;
  /// Any bytes: what the server said, as it came. Make it printable before showing it.
  std::string reason;
  /// "turn:192.0.2.1:3478" and the like.
  std::string server;
  Transport transport = Transport::Udp;
  /// For what concerns one peer only (CreatePermission, ChannelBind).
  std::optional<Address> peer;

  friend bool operator==(const TurnError&, const TurnError&) = default;
};

/// One line for people: method, server, transport, cause, code, and the reason with what is not printable escaped.
[[nodiscard]] std::string to_string(const TurnError& error);

}  // namespace isotube::turn
