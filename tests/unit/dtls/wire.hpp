// Handshake records as a middle that rewrites them sees them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"

namespace isotube::dtls {

inline constexpr std::size_t kRecordHeader = 13;
inline constexpr std::size_t kMessageHeader = 12;

inline Bytes record_of(std::uint8_t type, std::uint16_t epoch, std::uint32_t number, ByteView fragment) {
  Bytes record;
  BytesWriter writer(record);
  writer.u8(type);
  writer.u16(0xFEFD);
  writer.u16(epoch);
  writer.u16(0);
  writer.u32(number);
  writer.u16(static_cast<std::uint16_t>(fragment.size()));
  writer.bytes(fragment);
  return record;
}

inline std::vector<Bytes> records_of(ByteView datagram) {
  std::vector<Bytes> records;
  while (datagram.size() >= kRecordHeader) {
    ByteReader header(datagram.subspan(11));
    const std::size_t length = kRecordHeader + header.u16();
    records.push_back(to_bytes(datagram.first(length)));
    datagram = datagram.subspan(length);
  }
  return records;
}

inline bool is_plaintext(ByteView record) { return record[3] == std::byte{0} && record[4] == std::byte{0}; }
inline std::uint8_t type_of(ByteView record) { return std::to_integer<std::uint8_t>(record[0]); }

}  // namespace isotube::dtls
