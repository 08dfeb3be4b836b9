#include "client/name_resolution.hpp"

#include <utility>

#include "runtime/resolver.hpp"

namespace isotube::client {

boost::asio::awaitable<std::expected<std::vector<IpAddress>, std::string>> resolve_host(runtime::Strand strand,
                                                                                        std::string host) {
  runtime::Resolver resolver(std::move(strand));
  auto result = co_await resolver.resolve(host);
  if (result) co_return *std::move(result);
  switch (result.error()) {
    case runtime::ResolveError::NotFound:
      co_return std::unexpected("there is no host '" + host + "'");
    case runtime::ResolveError::TimedOut:
      co_return std::unexpected("no name server answered in time for '" + host + "'");
    case runtime::ResolveError::Cancelled:
    case runtime::ResolveError::Failed:
      break;
  }
  co_return std::unexpected("the name '" + host +
                            "' could not be looked up: " + std::string(runtime::to_string(result.error())));
}

}  // namespace isotube::client
