#include "turn/error.hpp"

#include <array>

namespace isotube::turn {
namespace {

std::string_view to_string(stun::Method method) {
  switch (method) {
    case stun::Method::Allocate:
      return "Allocate";
    case stun::Method::Refresh:
      return "Refresh";
    case stun::Method::CreatePermission:
      return "CreatePermission";
    case stun::Method::ChannelBind:
      return "ChannelBind";
    default:
      return "STUN request";
  }
}

/// Servers choose these bytes: what a terminal or a log could take for a command is escaped, and so is all that is not
/// ASCII, for it need not be UTF-8.
std::string printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  for (char each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte >= 0x20 && byte < 0x7F && each != '\\') {
      result.push_back(each);
    } else {
      result.append("\\x").push_back(kDigits[byte >> 4]);
      result.push_back(kDigits[byte & 0x0F]);
    }
  }
  return result;
}

}  // namespace

std::string_view to_string(Transport transport) {
  constexpr std::array<std::string_view, 3> kNames = {"UDP", "TCP", "TLS"};
  return kNames.at(static_cast<std::size_t>(transport));
}

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::ErrorResponse:
      return "refused";
    case Cause::Timeout:
      return "no answer";
    case Cause::IntegrityViolated:
      return "only answers that fail the integrity check";
    case Cause::UnexpectedResponse:
      return "only unusable answers";
    case Cause::NonceLoop:
      return "each new nonce is stale at once";
    case Cause::PortsExhausted:
      return "every local port is taken for an allocation that exists";
    case Cause::TooManyAlternatives:
      return "the servers keep naming each other";
    case Cause::FlowFailed:
      return "the connection failed";
  }
  return "unknown";
}

std::string to_string(const TurnError& error) {
  std::string text(to_string(error.method));
  if (error.peer) text.append(" for ").append(error.peer->to_string());
  text.append(" at ").append(printable(error.server)).append(" over ").append(to_string(error.transport));
  text.append(": ").append(to_string(error.cause));
  if (error.code != 0) text.append(", ").append(std::to_string(error.code));
  if (!error.reason.empty()) text.append(" (").append(printable(error.reason)).append(")");
  return text;
}

}  // namespace isotube::turn
