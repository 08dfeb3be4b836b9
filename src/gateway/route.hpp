// Which door a request knocks at: paths, methods and query parameters, before anything is done.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/host.hpp"
#include "gateway/message.hpp"
#include "gateway/problem.hpp"
#include "tube/tube.hpp"

namespace isotube::gateway {

enum class Path : std::uint8_t { Tubes, Tube, Healthz, Readyz };
/// Head is answered as Get, without its body.
enum class Method : std::uint8_t { Get, Head, Post, Patch, Delete, Options };

/// A request line that was read.
struct Route {
  Path path;
  Method method;
  std::string tube_id;  ///< of Path::Tube
  std::vector<std::pair<std::string, std::string>> query;
  /// From a target in absolute form (RFC 9112 3.2.2), which counts more than the Host field.
  std::optional<std::string> authority;
};

/// The methods of `path` for an Allow field, in alphabetical order.
[[nodiscard]] std::string_view allowed_methods(Path path);

/// 400 for a target that can't be read, 404 for a path that is not there, 405 for a method that a path does not have.
/// The error is a whole response, since 405 carries Allow.
[[nodiscard]] std::expected<Route, Response> read_route(const Request& request);

/// What `POST /tubes` asks for.
struct CreateQuery {
  std::optional<tube::Target> target;
};

[[nodiscard]] std::expected<CreateQuery, Problem> read_create_query(const Route& route);

/// HOST:PORT as a target in canonical form: names in lower case, addresses normalised.
[[nodiscard]] std::expected<tube::Target, std::string> read_target(std::string_view text);

/// Splits and decodes `a=b&c=d` (RFC 3986 2.1, and '+' for a blank). Nothing if an escape is broken.
[[nodiscard]] std::optional<std::vector<std::pair<std::string, std::string>>> read_query(std::string_view text);

}  // namespace isotube::gateway
