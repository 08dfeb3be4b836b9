#include "sctp/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace isotube::sctp {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reversed
constexpr std::size_t kChecksumOffset = 8;

using Table = std::array<std::array<std::uint32_t, 256>, 8>;

// Slicing by eight: table k gives the effect of a byte that is followed by k zero bytes.
constexpr Table make_table() {
  Table table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[0][byte] = crc;
  }
  for (std::size_t k = 1; k < table.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = table[k - 1][byte];
      table[k][byte] = (before >> 8) ^ table[0][before & 0xFF];
    }
  }
  return table;
}

constexpr Table kTable = make_table();

std::uint64_t load_little_endian(const std::byte* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

std::uint32_t update_portable(std::uint32_t crc, ByteView bytes) {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    const std::uint64_t word = load_little_endian(bytes.data()) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= kTable[7 - i][(word >> (8 * i)) & 0xFF];
  }
  for (const std::byte byte : bytes) crc = (crc >> 8) ^ kTable[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t update_sse42(std::uint32_t crc, ByteView bytes) {
  std::uint64_t wide = crc;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) wide = _mm_crc32_u64(wide, load_little_endian(bytes.data()));
  crc = static_cast<std::uint32_t>(wide);
  for (const std::byte byte : bytes) crc = _mm_crc32_u8(crc, std::to_integer<unsigned char>(byte));
  return crc;
}

std::uint32_t update(std::uint32_t crc, ByteView bytes) {
  return __builtin_cpu_supports("sse4.2") != 0 ? update_sse42(crc, bytes) : update_portable(crc, bytes);
}
#else
std::uint32_t update(std::uint32_t crc, ByteView bytes) { return update_portable(crc, bytes); }
#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes) { return ~update(~std::uint32_t{0}, bytes); }

std::uint32_t crc32c_portable(ByteView bytes) { return ~update_portable(~std::uint32_t{0}, bytes); }

std::uint32_t packet_checksum(ByteView packet) {
  constexpr std::array<std::byte, 4> kZeros{};
  std::uint32_t crc = update(~std::uint32_t{0}, packet.first(kChecksumOffset));
  crc = update(crc, kZeros);
  return ~update(crc, packet.subspan(kChecksumOffset + kZeros.size()));
}

}  // namespace isotube::sctp
