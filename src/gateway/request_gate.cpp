#include "gateway/request_gate.hpp"

#include "gateway/audit.hpp"

namespace isotube::gateway {
namespace asio = boost::asio;

namespace {

std::unexpected<Problem> refused(ProblemKind kind, std::string detail) {
  return std::unexpected(Problem{kind, std::move(detail)});
}

Response healthy() {
  Response response{.status = 200, .fields = {}, .body = R"({"status":"ok"})"};
  response.fields.add("Content-Type", "application/json");
  return response;
}

/// A CORS preflight (Fetch standard 3.2.2) carries no token: it asks whether a request that has one may be sent.
bool is_preflight(const Request& request, const Route& route) {
  return route.method == Method::Options && request.fields.count("Access-Control-Request-Method") != 0;
}

Response preflight(const Request& request, const Route& route) {
  Response response{.status = 204, .fields = {}, .body = {}};
  response.fields.add("Access-Control-Allow-Methods", std::string(allowed_methods(route.path)));
  response.fields.add("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match");
  response.fields.add("Access-Control-Max-Age", "600");
  if (request.fields.get("Access-Control-Request-Private-Network") == "true") {
    response.fields.add("Access-Control-Allow-Private-Network", "true");
  }
  return response;
}

Response allow(const Route& route, Response response) {
  response.fields.add("Allow", std::string(allowed_methods(route.path)));
  return response;
}

}  // namespace

RequestGate::RequestGate(const Config& config, std::shared_ptr<const LiveRules> rules,
                         std::shared_ptr<TubeService> tubes)
    : hosts_(config.listen.ip, config.network.public_addresses, config.host_names),
      origins_(config.cors_origins),
      rules_(std::move(rules)),
      tubes_(std::move(tubes)) {}

std::expected<Authority, Problem> RequestGate::check_host(std::string_view host, const IpAddress& local) const {
  auto authority = read_authority(host);
  if (!authority) return refused(ProblemKind::BadRequest, "Host " + log_quoted(host) + ": " + authority.error());
  if (hosts_.accepts(*authority, local)) return std::move(*authority);
  return refused(ProblemKind::ForeignHost,
                 "this gateway is not " + log_quoted(host) + "; start it with --host-name to be reached by that name");
}

std::expected<RequestGate::Cors, Problem> RequestGate::check_origin(const Request& request,
                                                                    const Authority& host) const {
  const std::size_t given = request.fields.count("Origin");
  if (given == 0) return Cors::No;
  const std::string_view origin = request.fields.get("Origin");
  const Origin own = Origin::of(request.secure ? "https" : "http", host);
  const auto verdict = given == 1 ? origins_.judge(origin, own) : OriginCheck::Verdict::Foreign;
  if (verdict == OriginCheck::Verdict::Same) return Cors::No;
  if (verdict == OriginCheck::Verdict::Listed) return Cors::Allowed;
  return refused(ProblemKind::ForeignOrigin,
                 "pages of " + log_quoted(origin) + " may not use this gateway; --cors-origin lets them");
}

asio::awaitable<Response> RequestGate::handle(const Request& request) const {
  if (request.fields.count("Host") != 1) {
    co_return Problem{ProblemKind::BadRequest, "send one Host field"}.response();
  }
  const auto host = check_host(request.fields.get("Host"), request.local);
  if (!host) co_return host.error().response();
  const auto cors = check_origin(request, *host);
  if (!cors) co_return cors.error().response();
  Response response = co_await answer(request, *cors);
  response.fields.add("Cache-Control", "no-store");
  response.fields.add("X-Content-Type-Options", "nosniff");
  if (*cors == Cors::Allowed) {
    response.fields.add("Access-Control-Allow-Origin", std::string(request.fields.get("Origin")));
    response.fields.add("Access-Control-Expose-Headers",
                        "Accept-Post, Allow, ETag, Link, Location, Retry-After, WWW-Authenticate");
    response.fields.add("Vary", "Origin");
  }
  co_return response;
}

asio::awaitable<Response> RequestGate::answer(const Request& request, Cors cors) const {
  const auto route = read_route(request);
  if (!route) co_return route.error();
  if (route->authority) {
    const auto host = check_host(*route->authority, request.local);
    if (!host) co_return host.error().response();
  }
  if (cors == Cors::Allowed && is_preflight(request, *route)) co_return preflight(request, *route);
  if (route->path == Path::Healthz || route->path == Path::Readyz) {
    if (route->method == Method::Options) co_return allow(*route, {.status = 204, .fields = {}, .body = {}});
    co_return route->path == Path::Healthz ? healthy() : tubes_->ready();
  }
  const auto rules = rules_->get();
  const auto caller = authenticate(*rules, request);
  if (!caller) co_return caller.error().response();
  Response response = co_await dispatch(*caller, *route, request);
  co_return response;
}

asio::awaitable<Response> RequestGate::dispatch(const Caller& caller, const Route& route,
                                                const Request& request) const {
  const bool one = route.path == Path::Tube;
  switch (route.method) {
    case Method::Post: {
      Response response = co_await tubes_->create(caller, route, request);
      co_return response;
    }
    case Method::Patch: {
      Response response = co_await tubes_->patch(caller, route.tube_id, request);
      co_return response;
    }
    case Method::Delete:
      co_return tubes_->remove(caller, route.tube_id);
    case Method::Options:
      co_return allow(route, one ? Response{.status = 204, .fields = {}, .body = {}} : tubes_->options());
    case Method::Get:
    case Method::Head:
      break;
  }
  co_return one ? tubes_->status(caller, route.tube_id) : tubes_->list(caller);
}

}  // namespace isotube::gateway
