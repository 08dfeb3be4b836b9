// SCTP packets as the tests read and write them: a codec of their own, simple and slow, so that no mistake of the
// association's codec can hide itself. RFC 9260 3: common header (ports, tag, CRC32c), then chunks of type, flags,
// length and value, each padded to whole words.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace isotube::sctp::wire {

enum class Type : std::uint8_t {
  Data = 0,
  Init = 1,
  InitAck = 2,
  Sack = 3,
  Heartbeat = 4,
  HeartbeatAck = 5,
  Abort = 6,
  Shutdown = 7,
  ShutdownAck = 8,
  Error = 9,
  CookieEcho = 10,
  CookieAck = 11,
  ShutdownComplete = 14,
  InterleavedData = 64,
  Reconfig = 130,
  ForwardTsn = 192,
  InterleavedForwardTsn = 194,
};

/// Flags of DATA and I-DATA (RFC 9260 3.3.1, RFC 8260 2.1).
inline constexpr std::uint8_t kEnd = 1;
inline constexpr std::uint8_t kBegin = 2;
inline constexpr std::uint8_t kUnordered = 4;
inline constexpr std::uint8_t kImmediate = 8;

inline constexpr std::size_t kHeader = 12;

/// CRC32c (RFC 9260 appendix A) of one byte, bit by bit; reflected polynomial of 0x1EDC6F41.
constexpr std::uint32_t crc32c_of_byte(std::uint32_t crc) {
  for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
  return crc;
}

constexpr std::array<std::uint32_t, 256> crc32c_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) table[byte] = crc32c_of_byte(byte);
  return table;
}

inline std::uint32_t crc32c(ByteView bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc32c_table();
  std::uint32_t crc = 0xFFFFFFFF;
  for (std::byte each : bytes) crc = (crc >> 8) ^ kTable[(crc ^ std::to_integer<std::uint32_t>(each)) & 0xFF];
  return ~crc;
}

inline std::uint16_t u16_at(ByteView bytes, std::size_t offset) {
  return ByteReader(bytes.subspan(std::min(offset, bytes.size()))).u16();
}

inline std::uint32_t u32_at(ByteView bytes, std::size_t offset) {
  return ByteReader(bytes.subspan(std::min(offset, bytes.size()))).u32();
}

inline void put_u16(MutableByteView bytes, std::size_t offset, std::uint16_t value) {
  SpanWriter(bytes.subspan(offset, 2)).u16(value);
}

inline void put_u32(MutableByteView bytes, std::size_t offset, std::uint32_t value) {
  SpanWriter(bytes.subspan(offset, 4)).u32(value);
}

/// Writes the right checksum into a packet, whatever else is wrong with it. It is sent least significant byte first.
inline void fix_checksum(MutableByteView packet) {
  if (packet.size() < kHeader) return;
  put_u32(packet, 8, 0);
  std::uint32_t crc = crc32c(packet);
  for (std::size_t i = 8; i < kHeader; ++i, crc >>= 8) packet[i] = static_cast<std::byte>(crc & 0xFF);
}

inline bool checksum_is_right(ByteView packet) {
  Bytes copy = to_bytes(packet);
  fix_checksum(copy);
  return std::ranges::equal(copy, packet);
}

/// One chunk: what stands behind its four bytes of header, without padding.
struct Chunk {
  Type type{};
  std::uint8_t flags = 0;
  Bytes value;

  [[nodiscard]] bool is_data() const { return type == Type::Data || type == Type::InterleavedData; }
  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  /// Of DATA, I-DATA, SACK (cumulative), FORWARD-TSN (new cumulative) and SHUTDOWN: their first word.
  [[nodiscard]] std::uint32_t tsn() const { return u32_at(value, 0); }
  /// Of DATA and I-DATA.
  [[nodiscard]] std::uint16_t stream() const { return u16_at(value, 4); }
  /// SSN of DATA, MID of I-DATA.
  [[nodiscard]] std::uint32_t sequence() const { return type == Type::Data ? u16_at(value, 6) : u32_at(value, 8); }
  [[nodiscard]] std::size_t payload_size() const {
    const std::size_t fixed = type == Type::Data ? 12U : 16U;
    return value.size() < fixed ? 0 : value.size() - fixed;
  }
  /// Of SACK (RFC 9260 3.3.4).
  [[nodiscard]] std::uint32_t window() const { return u32_at(value, 4); }
  [[nodiscard]] std::size_t gaps() const { return u16_at(value, 8); }
  [[nodiscard]] std::size_t duplicates() const { return u16_at(value, 10); }
};

struct Packet {
  std::uint16_t source = 5000;
  std::uint16_t destination = 5000;
  std::uint32_t tag = 0;
  std::vector<Chunk> chunks;

  [[nodiscard]] const Chunk* find(Type type) const {
    for (const Chunk& chunk : chunks) {
      if (chunk.type == type) return &chunk;
    }
    return nullptr;
  }
  [[nodiscard]] Chunk* find(Type type) { return const_cast<Chunk*>(std::as_const(*this).find(type)); }
  [[nodiscard]] bool has(Type type) const { return find(type) != nullptr; }
  [[nodiscard]] bool has_data() const { return has(Type::Data) || has(Type::InterleavedData); }
};

/// Nothing if the packet is malformed in any way; the tests hold every packet that an association sends to this.
inline std::optional<Packet> read(ByteView bytes) {
  if (bytes.size() < kHeader || bytes.size() % 4 != 0 || !checksum_is_right(bytes)) return std::nullopt;
  ByteReader reader(bytes);
  Packet packet{.source = reader.u16(), .destination = reader.u16(), .tag = reader.u32(), .chunks = {}};
  reader.skip(4);
  while (reader.remaining() > 0) {
    Chunk chunk{.type = static_cast<Type>(reader.u8()), .flags = reader.u8(), .value = {}};
    const std::size_t length = reader.u16();
    if (length < 4) return std::nullopt;
    chunk.value = to_bytes(reader.bytes(length - 4));
    for (std::byte each : reader.bytes((4 - length % 4) % 4)) {
      if (each != std::byte{0}) return std::nullopt;
    }
    if (!reader.ok()) return std::nullopt;
    packet.chunks.push_back(std::move(chunk));
  }
  return packet;
}

inline Bytes write(const Packet& packet) {
  Bytes bytes;
  BytesWriter writer(bytes);
  writer.u16(packet.source);
  writer.u16(packet.destination);
  writer.u32(packet.tag);
  writer.u32(0);
  for (const Chunk& chunk : packet.chunks) {
    writer.u8(static_cast<std::uint8_t>(chunk.type));
    writer.u8(chunk.flags);
    writer.u16(static_cast<std::uint16_t>(chunk.value.size() + 4));
    writer.bytes(chunk.value);
    writer.zeros((4 - chunk.value.size() % 4) % 4);
  }
  fix_checksum(bytes);
  return bytes;
}

/// Big-endian words one after the other.
inline Bytes words(std::initializer_list<std::uint32_t> values) {
  Bytes bytes;
  for (std::uint32_t value : values) BytesWriter(bytes).u32(value);
  return bytes;
}

/// A TLV parameter as INIT, INIT-ACK and RE-CONFIG carry them (RFC 9260 3.2.1).
struct Parameter {
  std::uint16_t type = 0;
  Bytes value;
};

inline void append(Bytes& bytes, const Parameter& parameter) {
  BytesWriter writer(bytes);
  writer.u16(parameter.type);
  writer.u16(static_cast<std::uint16_t>(parameter.value.size() + 4));
  writer.bytes(parameter.value);
  writer.zeros((4 - parameter.value.size() % 4) % 4);
}

/// The parameters that begin at `offset` of a chunk's value (16 in INIT and INIT-ACK, 0 in RE-CONFIG).
inline std::vector<Parameter> parameters(const Chunk& chunk, std::size_t offset) {
  std::vector<Parameter> found;
  ByteReader reader(ByteView(chunk.value).subspan(std::min(offset, chunk.value.size())));
  while (reader.remaining() >= 4) {
    Parameter parameter{.type = reader.u16(), .value = {}};
    const std::size_t length = reader.u16();
    if (length < 4) break;
    parameter.value = to_bytes(reader.bytes(length - 4));
    if (!reader.ok()) break;
    if (reader.remaining() > 0) reader.skip((4 - length % 4) % 4);
    found.push_back(std::move(parameter));
  }
  return found;
}

/// RFC 9260 3.3.2: initiate tag, window, streams out and in, first TSN.
inline Chunk init(std::uint32_t tag, std::uint32_t tsn, std::uint16_t streams = 1024) {
  const auto both = static_cast<std::uint32_t>(streams) << 16 | streams;
  return {.type = Type::Init, .value = words({tag, 1 << 20, both, tsn})};
}

/// RFC 9260 3.3.1: a whole message, unless `flags` say otherwise.
inline Chunk data(std::uint32_t tsn, std::uint16_t stream, std::uint16_t ssn, ByteView payload,
                  std::uint8_t flags = kBegin | kEnd) {
  Chunk chunk{.type = Type::Data,
              .flags = flags,
              .value = words({tsn, static_cast<std::uint32_t>(stream) << 16 | ssn, /*ppid*/ 51})};
  BytesWriter(chunk.value).bytes(payload);
  return chunk;
}

/// RFC 9260 3.3.4, without gaps or duplicates.
inline Chunk sack(std::uint32_t cumulative, std::uint32_t window) {
  return {.type = Type::Sack, .value = words({cumulative, window, 0})};
}

}  // namespace isotube::sctp::wire
