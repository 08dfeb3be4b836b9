#include "gateway/route.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace isotube::gateway {
namespace {

constexpr std::string_view kTubes = "/tubes";

std::optional<Method> read_method(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, Method>, 6> kMethods = {{
      {"GET", Method::Get},
      {"HEAD", Method::Head},
      {"POST", Method::Post},
      {"PATCH", Method::Patch},
      {"DELETE", Method::Delete},
      {"OPTIONS", Method::Options},
  }};
  const auto found = std::ranges::find(kMethods, text, &std::pair<std::string_view, Method>::first);
  if (found == kMethods.end()) return std::nullopt;
  return found->second;
}

bool has_method(Path path, Method method) {
  switch (method) {
    case Method::Get:
    case Method::Head:
    case Method::Options:
      return true;
    case Method::Post:
      return path == Path::Tubes;
    case Method::Patch:
    case Method::Delete:
      return path == Path::Tube;
  }
  return false;
}

/// Fills in the path and the tube's id; false if there is no such path.
std::optional<std::pair<Path, std::string>> read_path(std::string_view path) {
  if (path == kTubes) return std::pair{Path::Tubes, std::string{}};
  if (path == "/healthz") return std::pair{Path::Healthz, std::string{}};
  if (path == "/readyz") return std::pair{Path::Readyz, std::string{}};
  if (!path.starts_with("/tubes/")) return std::nullopt;
  const std::string_view id = path.substr(kTubes.size() + 1);
  if (id.empty() || id.find('/') != std::string_view::npos) return std::nullopt;
  return std::pair{Path::Tube, std::string(id)};
}

/// Takes "http://authority" off the front of `target`, if it has that form.
std::optional<std::string> take_authority(std::string_view& target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    std::string authority(target.substr(0, end));
    target.remove_prefix(end);
    return authority;
  }
  return std::nullopt;
}

std::optional<std::string> decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2) return std::nullopt;
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

std::unexpected<Response> refused(ProblemKind kind, std::string detail) {
  return std::unexpected(Problem{kind, std::move(detail)}.response());
}

std::unexpected<Problem> bad_query(ProblemKind kind, std::string detail) {
  return std::unexpected(Problem{kind, std::move(detail)});
}

}  // namespace

std::string_view allowed_methods(Path path) {
  switch (path) {
    case Path::Tubes:
      return "GET, HEAD, OPTIONS, POST";
    case Path::Tube:
      return "DELETE, GET, HEAD, OPTIONS, PATCH";
    case Path::Healthz:
    case Path::Readyz:
      break;
  }
  return "GET, HEAD, OPTIONS";
}

std::expected<Route, Response> read_route(const Request& request) {
  std::string_view target = request.target;
  Route route{};
  route.authority = take_authority(target);
  if (!target.starts_with('/')) return refused(ProblemKind::BadRequest, "the request target is no path");
  const std::size_t mark = target.find('?');
  const auto path = read_path(target.substr(0, mark));
  if (!path) return refused(ProblemKind::NotFound, "there is no such path; tubes are at /tubes");
  std::tie(route.path, route.tube_id) = *path;
  const auto method = read_method(request.method);
  if (!method || !has_method(route.path, *method)) {
    const std::string allow(allowed_methods(route.path));
    auto response = Problem{ProblemKind::MethodNotAllowed, "use one of " + allow}.response();
    response.fields.add("Allow", allow);
    return std::unexpected(std::move(response));
  }
  route.method = *method;
  if (mark != std::string_view::npos) {
    auto query = read_query(target.substr(mark + 1));
    if (!query) return refused(ProblemKind::BadRequest, "the query has a broken %-escape");
    route.query = std::move(*query);
  }
  return route;
}

std::expected<CreateQuery, Problem> read_create_query(const Route& route) {
  std::optional<std::string> conversation;
  std::optional<std::string> target;
  for (const auto& [name, value] : route.query) {
    if (name != "conversation" && name != "target") continue;
    auto& slot = name == "target" ? target : conversation;
    if (slot) return bad_query(ProblemKind::BadRequest, "the query has '" + name + "' more than once");
    slot = value;
  }
  if (!conversation) return bad_query(ProblemKind::UnknownConversation, "add ?conversation=tunnel");
  if (*conversation != "tunnel") {
    return bad_query(ProblemKind::UnknownConversation,
                     "the conversation '" + *conversation + "' is unknown; this gateway speaks tunnel");
  }
  CreateQuery query;
  if (!target) return query;
  auto read = read_target(*target);
  if (!read) {
    return bad_query(ProblemKind::BadTarget, "target '" + *target + "': " + read.error() + "; write target=HOST:PORT");
  }
  query.target = std::move(*read);
  return query;
}

std::expected<tube::Target, std::string> read_target(std::string_view text) {
  auto authority = read_authority(text);
  if (!authority) return std::unexpected(std::move(authority.error()));
  if (!authority->port || *authority->port == 0) return std::unexpected("the port is missing");
  return tube::Target{.host = to_string(authority->host), .port = *authority->port};
}

std::optional<std::vector<std::pair<std::string, std::string>>> read_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals));
    auto value = decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return std::nullopt;
    pairs.emplace_back(std::move(*name), std::move(*value));
  }
  return pairs;
}

}  // namespace isotube::gateway
