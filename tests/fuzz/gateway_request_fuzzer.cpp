// USES gateway
//
// The parts of a request that a client writes, a line each: method, target, Host, Origin, If-Match. What is read as a
// target must read as itself again.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/if_match.hpp"
#include "gateway/origin.hpp"
#include "gateway/route.hpp"

using namespace isotube::gateway;

namespace {

std::string take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string line(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

void check_target(const isotube::tube::Target& target) {
  const std::string host = target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]";
  const auto again = read_target(host + ":" + std::to_string(target.port));
  if (!again || *again != target) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Request request;
  request.method = take_line(rest);
  request.target = take_line(rest);
  const std::string host = take_line(rest);
  const std::string origin = take_line(rest);
  request.fields.add("If-Match", take_line(rest));
  const auto route = read_route(request);
  if (route) {
    const auto query = read_create_query(*route);
    if (query && query->target) check_target(*query->target);
  }
  if (const auto target = read_target(host)) check_target(*target);
  if (const auto authority = read_authority(host)) {
    static const HostCheck hosts(isotube::IpAddress::v4({127, 0, 0, 1}), {}, {});
    (void)hosts.accepts(*authority, isotube::IpAddress());
    static const OriginCheck origins({"https://app.example"});
    (void)origins.judge(origin, Origin::of("http", *authority));
  }
  (void)judge_if_match(request.fields, "generation");
  return 0;
}
