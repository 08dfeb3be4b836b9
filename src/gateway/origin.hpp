// Who may be on the other side of a request besides its token: the Host that it names and the web page it comes from.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "gateway/host.hpp"

namespace isotube::gateway {

/// A web origin (RFC 6454): scheme, host, and the port unless it is the scheme's own.
struct Origin {
  std::string scheme;
  Authority authority;

  /// Nothing for `null` and whatever else is no origin of a page.
  [[nodiscard]] static std::optional<Origin> parse(std::string_view text);
  [[nodiscard]] static Origin of(std::string scheme, Authority authority);

  friend bool operator==(const Origin&, const Origin&) = default;
};

/// The Host header: a page that had its name rebound to our address says that name, and is refused by it.
class HostCheck {
 public:
  /// `public_addresses` and `names` (which check() accepted) are taken beside `localhost`, the address that `listen`
  /// has, and, where that is the wildcard, the address at which the connection arrived.
  HostCheck(const IpAddress& listen, const std::vector<IpAddress>& public_addresses,
            const std::vector<std::string>& names);

  /// `local` is where the connection arrived. The port is not compared: it changes on the way through forwarded ports.
  [[nodiscard]] bool accepts(const Authority& host, const IpAddress& local) const;

 private:
  std::vector<Host> hosts_;
  bool wildcard_ = false;
};

/// The Origin header. Other headers of the kind (`sec-fetch-*`) mean nothing: any program writes what it likes there.
class OriginCheck {
 public:
  enum class Verdict : std::uint8_t { Same, Listed, Foreign };

  /// `listed` as check() accepted them.
  explicit OriginCheck(const std::vector<std::string>& listed);

  /// `own` is what a page of ours would have for origin: our scheme and the request's Host. Behind a proxy that speaks
  /// TLS for us it differs from what the browser says, and that origin must be listed.
  [[nodiscard]] Verdict judge(std::string_view origin, const Origin& own) const;

 private:
  std::vector<Origin> listed_;
};

}  // namespace isotube::gateway
