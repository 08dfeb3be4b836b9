// The state cookie (RFC 9260 5.1.3): what INIT said, signed, so that an INIT leaves nothing behind on our side.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "sctp/chunks.hpp"

namespace isotube::sctp {

/// What a peer said of itself in INIT or INIT ACK, as far as it is kept.
struct PeerParameters {
  std::uint32_t tag = 0;
  std::uint32_t initial_tsn = 0;
  std::uint32_t a_rwnd = 0;
  std::uint16_t inbound_streams = 0;
  Extensions extensions;
};

struct Cookie {
  std::uint32_t our_tag = 0;
  PeerParameters peer;
  TimePoint made;
};

/// Signs and checks cookies with a key of its own, drawn once per association.
class CookieJar {
 public:
  explicit CookieJar(Random random);

  [[nodiscard]] Bytes seal(const Cookie& cookie) const;
  /// Nothing if the bytes are no cookie that we signed.
  [[nodiscard]] std::optional<Cookie> open(ByteView sealed) const;

 private:
  using Digest = std::array<std::byte, 32>;
  [[nodiscard]] Digest sign(ByteView bytes) const;

  std::array<std::byte, 32> key_{};
};

}  // namespace isotube::sctp
