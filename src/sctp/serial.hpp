// Serial numbers (RFC 1982) as SCTP uses them, unwrapped: inside, a number never wraps and compares like any other.
#pragma once

#include <cstdint>

namespace isotube::sctp {

/// A TSN whose low 32 bits are the wire's. Starts one wrap up, so that "the one before" always exists.
using Tsn = std::uint64_t;

[[nodiscard]] constexpr Tsn first_tsn(std::uint32_t wire) { return (Tsn{1} << 32) | wire; }

/// The unwrapped number that is nearest to `reference`.
[[nodiscard]] constexpr std::uint64_t unwrap32(std::uint64_t reference, std::uint32_t wire) {
  const auto distance = static_cast<std::int32_t>(wire - static_cast<std::uint32_t>(reference));
  return reference + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
}

[[nodiscard]] constexpr std::uint64_t unwrap16(std::uint64_t reference, std::uint16_t wire) {
  const auto distance = static_cast<std::int16_t>(wire - static_cast<std::uint16_t>(reference));
  return reference + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
}

}  // namespace isotube::sctp
