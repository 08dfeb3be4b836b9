#include "gateway/problem.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace isotube::gateway {
namespace {

struct Row {
  unsigned status;
  std::string_view type;
  std::string_view title;
  /// Seconds; nothing where a retry would end the same.
  std::string_view retry_after = {};
  std::string_view challenge = {};
};

Row row_of(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::BadRequest:
      return {400, "bad-request", "The request is malformed"};
    case ProblemKind::BadTarget:
      return {400, "bad-target", "The target is unreadable"};
    case ProblemKind::UnknownConversation:
      return {400, "unknown-conversation", "The conversation is missing or unknown"};
    case ProblemKind::MalformedDescription:
      return {400, "malformed-description", "The body is no session description"};
    case ProblemKind::MalformedFragment:
      return {400, "malformed-fragment", "The body is no trickle fragment"};
    case ProblemKind::TokenNeeded:
      return {401, "token-needed", "A token is needed", {}, R"(Bearer realm="isotube")"};
    case ProblemKind::TokenUnknown:
      return {401, "token-unknown", "The token is unknown", {}, R"(Bearer realm="isotube", error="invalid_token")"};
    case ProblemKind::ForeignHost:
      return {403, "foreign-host", "The Host is not this gateway's"};
    case ProblemKind::ForeignOrigin:
      return {403, "foreign-origin", "The Origin is not allowed"};
    case ProblemKind::TargetNotAllowed:
      return {403, "target-not-allowed", "The target is not allowed"};
    case ProblemKind::NotLoopback:
      return {403, "not-loopback", "Without tokens only this machine is served"};
    case ProblemKind::NotFound:
      return {404, "not-found", "Not found"};
    case ProblemKind::MethodNotAllowed:
      return {405, "method-not-allowed", "The path does not have this method"};
    case ProblemKind::RestartNotAvailable:
      return {409, "restart-not-available", "ICE restart is not available"};
    case ProblemKind::WrongState:
      return {409, "wrong-state", "The tube is in another state"};
    case ProblemKind::StaleGeneration:
      return {412, "stale-generation", "The ICE generation is not the current one"};
    case ProblemKind::BodyTooLarge:
      return {413, "body-too-large", "The body is too large"};
    case ProblemKind::WrongMediaType:
      return {415, "wrong-media-type", "The body has another media type"};
    case ProblemKind::ExpectationFailed:
      return {417, "expectation-failed", "The expectation is unknown"};
    case ProblemKind::UnusableDescription:
      return {422, "unusable-description", "The session description can't work"};
    case ProblemKind::GenerationNeeded:
      return {428, "generation-needed", "If-Match is needed"};
    case ProblemKind::TooManyCreates:
      return {429, "too-many-creates", "Too many tubes of this client are being created", "1"};
    case ProblemKind::HeaderTooLarge:
      return {431, "header-too-large", "The request's header is too large"};
    case ProblemKind::Internal:
      return {500, "internal", "The gateway failed on this request"};
    case ProblemKind::Overloaded:
      return {503, "overloaded", "The gateway is overloaded", "2"};
    case ProblemKind::Draining:
      return {503, "draining", "The gateway is shutting down", "10"};
  }
  return {500, "internal", "The gateway failed on this request"};
}

/// JSON is UTF-8, and details repeat what clients sent.
std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (const char c : text) clean += c >= ' ' && c <= '~' ? c : '?';
  return clean;
}

}  // namespace

unsigned Problem::status() const { return row_of(kind).status; }

Response Problem::response() const {
  const Row row = row_of(kind);
  boost::json::object document;
  document["type"] = "urn:isotube:problem:" + std::string(row.type);
  document["title"] = row.title;
  document["status"] = row.status;
  document["detail"] = printable(detail);
  if (line > 0) document["line"] = line;
  Response response{.status = row.status, .fields = {}, .body = boost::json::serialize(document)};
  response.fields.add("Content-Type", "application/problem+json");
  if (!row.retry_after.empty()) response.fields.add("Retry-After", std::string(row.retry_after));
  if (!row.challenge.empty()) response.fields.add("WWW-Authenticate", std::string(row.challenge));
  return response;
}

}  // namespace isotube::gateway
