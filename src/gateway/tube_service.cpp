#include "gateway/tube_service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "gateway/audit.hpp"
#include "gateway/if_match.hpp"
#include "gateway/media_type.hpp"
#include "gateway/source.hpp"
#include "gateway/tube_json.hpp"
#include "stun/time_limited_credentials.hpp"

namespace isotube::gateway {
namespace asio = boost::asio;

namespace {

constexpr std::string_view kSdp = "application/sdp";
constexpr std::string_view kFragment = "application/trickle-ice-sdpfrag";

Response refused(ProblemKind kind, std::string detail, int line = 0) {
  return Problem{kind, std::move(detail), line}.response();
}

/// With the field that names the right type (RFC 5789 2.2).
Response wrong_media_type(std::string accept_field, std::string_view wanted) {
  Response response = refused(ProblemKind::WrongMediaType, "send Content-Type: " + std::string(wanted));
  response.fields.add(std::move(accept_field), std::string(wanted));
  return response;
}

/// Of TURN credentials that a secret makes: a day, as most TURN services have it.
constexpr std::chrono::seconds kCredentialLife = std::chrono::hours(24);

/// Empty without a secret.
stun::TimeLimitedCredentials credentials_for(const std::string& secret, const std::string& id) {
  if (secret.empty()) return {};
  return stun::make_time_limited_credentials(secret, runtime::unix_seconds() + kCredentialLife.count(), id);
}

Response no_such_tube() { return refused(ProblemKind::NotFound, "there is no such tube (any more)"); }

Response description_refused(const sdp::ParseError& error, ProblemKind malformed) {
  const bool unusable = error.kind == sdp::ParseError::Kind::Unusable;
  const std::string where = error.line > 0 ? "line " + std::to_string(error.line) + ": " : std::string{};
  return refused(unusable ? ProblemKind::UnusableDescription : malformed, where + error.what, error.line);
}

Response signal_refused(tube::SignalError error) {
  switch (error) {
    case tube::SignalError::WrongState:
      return refused(ProblemKind::WrongState, "the tube closed, or has its description already");
    case tube::SignalError::Unusable:
      return refused(ProblemKind::UnusableDescription,
                     "the description has no usable fingerprint, credentials or a=setup");
    case tube::SignalError::NoSocket:
      break;
  }
  return refused(ProblemKind::Overloaded, "the gateway has no UDP port left; try again");
}

Response json_response(std::string body) {
  Response response{.status = 200, .fields = {}, .body = std::move(body)};
  response.fields.add("Content-Type", "application/json");
  return response;
}

std::string quoted(const std::string& tag) { return '"' + tag + '"'; }

std::string client_of(const AccessRules& rules, const Caller& caller, const Request& request) {
  return rules.tokens ? "token " + caller.name : "source " + source_of(request.source.ip).to_string();
}

}  // namespace

asio::awaitable<Response> TubeService::create(const Caller& caller, const Route& route, const Request& request) {
  auto query = read_create_query(route);
  if (!query) co_return query.error().response();
  const auto policy = std::make_shared<const OwnerPolicy>(rules_, caller.name);
  if (query->target && !policy->allows(*query->target)) {
    co_return refused(ProblemKind::TargetNotAllowed, query->target->to_string() + " is not allowed by this gateway");
  }
  if (!has_media_type(request.fields, kSdp)) {
    co_return wrong_media_type("Accept-Post", kSdp);
  }
  if (const auto problem = unready()) co_return problem->response();
  const auto permit = admission_.enter(client_of(*rules_->get(), caller, request));
  if (!permit) co_return permit.error().response();
  auto offer = sdp::parse(sdp::Type::Offer, request.body);
  if (!offer) co_return description_refused(offer.error(), ProblemKind::MalformedDescription);

  const std::string ufrag = offer->ice.ufrag;
  const auto made = make_tube(caller, std::move(*query), policy, ufrag);
  // Spawned, so that this coroutine goes on in its own strand wherever the tube's call ends.
  const auto executor = co_await asio::this_coro::executor;
  auto answering = made->answer(std::move(*offer));
  const auto answer = co_await asio::co_spawn(executor, std::move(answering), asio::use_awaitable);
  if (!answer) {
    made->close(tube::CloseReason::Error, "no answer could be made");
    forget(made->id());
    co_return signal_refused(answer.error());
  }
  Response response{.status = 201, .fields = {}, .body = sdp::to_string(*answer)};
  response.fields.add("Content-Type", std::string(kSdp));
  response.fields.add("Location", "/tubes/" + made->id());
  response.fields.add("ETag", quoted(made->ice_generation()));
  add_links(response, made->id());
  co_return response;
}

asio::awaitable<Response> TubeService::patch(const Caller& caller, const std::string& id, const Request& request) {
  const auto tube = find(caller, id);
  if (!tube) co_return no_such_tube();
  if (!has_media_type(request.fields, kFragment)) {
    co_return wrong_media_type("Accept-Patch", kFragment);
  }
  const IfMatch match = judge_if_match(request.fields, tube->ice_generation());
  if (match == IfMatch::Missing) {
    co_return refused(ProblemKind::GenerationNeeded, "send If-Match with the ETag of the tube, or * for a restart");
  }
  if (match == IfMatch::Malformed) {
    co_return refused(ProblemKind::BadRequest, "If-Match must be * or a list of quoted entity tags");
  }
  auto fragment = sdp::parse_fragment(request.body);
  if (!fragment) co_return description_refused(fragment.error(), ProblemKind::MalformedFragment);
  if (match == IfMatch::Differs) {
    co_return refused(ProblemKind::StaleGeneration, "the current ETag is " + quoted(tube->ice_generation()));
  }
  const auto current = remote_ufrag(id);
  if (!current) co_return no_such_tube();
  if (!fragment->ice.ufrag.empty() && fragment->ice.ufrag != *current) {
    co_return refused(ProblemKind::RestartNotAvailable, "this gateway can't restart ICE; make a new tube");
  }
  const auto executor = co_await asio::this_coro::executor;
  auto adding = tube->add_remote(std::move(*fragment));
  const auto added = co_await asio::co_spawn(executor, std::move(adding), asio::use_awaitable);
  if (added) co_return Response{.status = 204, .fields = {}, .body = {}};
  if (!find(caller, id)) co_return no_such_tube();
  co_return signal_refused(added.error());
}

Response TubeService::remove(const Caller& caller, const std::string& id) {
  const auto tube = find(caller, id);
  if (!tube) return no_such_tube();
  forget(id);
  tube->close(tube::CloseReason::Normal, {});
  return {.status = 200, .fields = {}, .body = {}};
}

Response TubeService::status(const Caller& caller, const std::string& id) const {
  const auto tube = find(caller, id);
  if (!tube) return no_such_tube();
  Response response = json_response(boost::json::serialize(to_json(tube->snapshot())));
  response.fields.add("ETag", quoted(tube->ice_generation()));
  return response;
}

Response TubeService::list(const Caller& caller) const {
  boost::json::array all;
  for (const auto& tube : registry_.list()) {
    if (caller.role == Role::Admin || tube->owner() == caller.name) all.emplace_back(to_json(tube->snapshot()));
  }
  return json_response(boost::json::serialize(all));
}

Response TubeService::options() {
  Response response{.status = 204, .fields = {}, .body = {}};
  response.fields.add("Accept-Post", std::string(kSdp));
  // There is no tube yet; its quota is its own all the same.
  add_links(response, draw_id());
  return response;
}

Response TubeService::ready() const {
  if (const auto problem = unready()) return problem->response();
  return json_response(R"({"status":"ready"})");
}

void TubeService::add_links(Response& response, const std::string& id) const {
  const stun::TimeLimitedCredentials login = credentials_for(ice_secret_, id);
  for (const IceLink& link : ice_links_) {
    std::string field = "<" + link.url + ">; rel=\"ice-server\"";
    const bool has_login = !link.username.empty();
    const std::string& username = has_login ? link.username : login.username;
    if (link.url.starts_with("turn") && !username.empty()) {
      field += "; username=" + quoted(username) +
               "; credential=" + quoted(has_login ? link.credential : login.password) +
               "; credential-type=\"password\"";
    }
    response.fields.add("Link", std::move(field));
  }
}

tube::Network TubeService::network_for(const std::string& id) const {
  tube::Network network = network_;
  const stun::TimeLimitedCredentials login = credentials_for(ice_secret_, id);
  for (turn::Server& server : network.turn_servers) {
    if (!server.username.empty()) continue;
    server.username = login.username;
    server.password = login.password;
  }
  return network;
}

}  // namespace isotube::gateway
