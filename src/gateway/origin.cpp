#include "gateway/origin.hpp"

#include <algorithm>

namespace isotube::gateway {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

bool is_scheme(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

}  // namespace

std::optional<Origin> Origin::parse(std::string_view text) {
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos) return std::nullopt;
  std::string scheme(text.substr(0, mark));
  std::ranges::transform(scheme, scheme.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (!is_scheme(scheme)) return std::nullopt;
  auto authority = read_authority(text.substr(mark + 3));
  if (!authority) return std::nullopt;
  return of(std::move(scheme), std::move(*authority));
}

Origin Origin::of(std::string scheme, Authority authority) {
  const std::uint16_t own = scheme == "https" ? kHttpsPort : kHttpPort;
  if (authority.port == own) authority.port.reset();
  return {std::move(scheme), std::move(authority)};
}

HostCheck::HostCheck(const IpAddress& listen, const std::vector<IpAddress>& public_addresses,
                     const std::vector<std::string>& names)
    : wildcard_(listen.is_unspecified()) {
  hosts_.emplace_back(HostName{"localhost"});
  if (!wildcard_) hosts_.emplace_back(listen);
  for (const IpAddress& address : public_addresses) hosts_.emplace_back(address);
  for (const std::string& name : names) {
    if (auto host = read_host(name)) hosts_.push_back(std::move(*host));
  }
}

bool HostCheck::accepts(const Authority& host, const IpAddress& local) const {
  if (wildcard_ && host.host == Host{local}) return true;
  return std::ranges::find(hosts_, host.host) != hosts_.end();
}

OriginCheck::OriginCheck(const std::vector<std::string>& listed) {
  for (const std::string& text : listed) {
    if (auto origin = Origin::parse(text)) listed_.push_back(std::move(*origin));
  }
}

OriginCheck::Verdict OriginCheck::judge(std::string_view origin, const Origin& own) const {
  const auto parsed = Origin::parse(origin);
  if (!parsed) return Verdict::Foreign;
  if (std::ranges::find(listed_, *parsed) != listed_.end()) return Verdict::Listed;
  return *parsed == own ? Verdict::Same : Verdict::Foreign;
}

}  // namespace isotube::gateway
