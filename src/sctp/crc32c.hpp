// CRC32c (RFC 9260 appendix A), with the CPU's instruction where it has one.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace isotube::sctp {

/// The checksum of `bytes`, as the number whose little-endian bytes go into the packet.
[[nodiscard]] std::uint32_t crc32c(ByteView bytes);

/// The same by tables alone, for CPUs without the instruction.
[[nodiscard]] std::uint32_t crc32c_portable(ByteView bytes);

/// The checksum of an SCTP packet: its checksum field (bytes 8 to 11) counts as zero.
[[nodiscard]] std::uint32_t packet_checksum(ByteView packet);

}  // namespace isotube::sctp
