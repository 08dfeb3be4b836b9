#include <array>

#include "stun/message.hpp"

namespace isotube::stun {
namespace {

/// "STUN": keeps the value apart from a CRC that another protocol may carry (RFC 8489 14.7).
constexpr std::uint32_t kFingerprintXor = 0x5354554E;

/// CRC-32 of ITU V.42, bit-reversed polynomial.
constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
    table[i] = value;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

}  // namespace

std::uint32_t fingerprint_of(ByteView bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (std::byte each : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ std::to_integer<std::uint32_t>(each)) & 0xFF];
  return ~crc ^ kFingerprintXor;
}

}  // namespace isotube::stun
