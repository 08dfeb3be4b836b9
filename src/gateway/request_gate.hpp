// What every request passes before it does anything: Host, Origin, route, token. And what every response gets.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "gateway/access.hpp"
#include "gateway/config.hpp"
#include "gateway/message.hpp"
#include "gateway/origin.hpp"
#include "gateway/route.hpp"
#include "gateway/tube_service.hpp"

namespace isotube::gateway {

/// Thread-safe.
class RequestGate {
 public:
  RequestGate(const Config& config, std::shared_ptr<const LiveRules> rules, std::shared_ptr<TubeService> tubes);

  [[nodiscard]] boost::asio::awaitable<Response> handle(const Request& request) const;

 private:
  enum class Cors : std::uint8_t { No, Allowed };

  [[nodiscard]] std::expected<Authority, Problem> check_host(std::string_view host, const IpAddress& local) const;
  [[nodiscard]] std::expected<Cors, Problem> check_origin(const Request& request, const Authority& host) const;
  [[nodiscard]] boost::asio::awaitable<Response> answer(const Request& request, Cors cors) const;
  [[nodiscard]] boost::asio::awaitable<Response> dispatch(const Caller& caller, const Route& route,
                                                          const Request& request) const;

  const HostCheck hosts_;
  const OriginCheck origins_;
  const std::shared_ptr<const LiveRules> rules_;
  const std::shared_ptr<TubeService> tubes_;
};

}  // namespace isotube::gateway
