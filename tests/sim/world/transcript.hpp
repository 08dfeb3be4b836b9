// All that was ever sent, as one number: two runs that have the same said the same.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/time.hpp"

namespace isotube::sim {

/// FNV-1a over times, paths and bytes.
class Transcript {
 public:
  void add(TimePoint now, const Path& path, ByteView datagram) {
    add_number(static_cast<std::uint64_t>(now.time_since_epoch().count()));
    add_address(path.local);
    add_address(path.remote);
    add_number(datagram.size());
    for (const std::byte each : datagram) add_byte(std::to_integer<std::uint8_t>(each));
  }

  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  void add_address(const Address& address) {
    for (const std::uint8_t octet : address.ip.octets()) add_byte(octet);
    add_number(address.port);
  }
  void add_number(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) add_byte(static_cast<std::uint8_t>(number >> shift));
  }
  void add_byte(std::uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001B3; }

  std::uint64_t hash_ = 0xCBF29CE484222325;
};

}  // namespace isotube::sim
