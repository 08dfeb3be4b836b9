// Errors as HTTP tells them: problem documents (RFC 9457).
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "gateway/message.hpp"

namespace isotube::gateway {

/// The kinds of error that a client can tell apart. Their names are the ends of the documents' `type`.
enum class ProblemKind : std::uint8_t {
  BadRequest,
  BadTarget,
  UnknownConversation,
  MalformedDescription,
  MalformedFragment,
  TokenNeeded,
  TokenUnknown,
  ForeignHost,
  ForeignOrigin,
  TargetNotAllowed,
  NotLoopback,
  NotFound,
  MethodNotAllowed,
  RestartNotAvailable,
  WrongState,
  StaleGeneration,
  BodyTooLarge,
  WrongMediaType,
  ExpectationFailed,
  UnusableDescription,
  GenerationNeeded,
  TooManyCreates,
  HeaderTooLarge,
  Internal,
  Overloaded,
  Draining,
};

struct Problem {
  ProblemKind kind;
  std::string detail;  ///< what, where, and what to do
  int line = 0;        ///< of the body, where one is to blame

  [[nodiscard]] unsigned status() const;
  /// With WWW-Authenticate, Retry-After and the like where the status asks for them. MethodNotAllowed still needs
  /// Allow.
  [[nodiscard]] Response response() const;
};

}  // namespace isotube::gateway
