// How payloads travel between client and server: ChannelData messages (RFC 8656 12.4) and Send and Data indications
// (RFC 8656 11). And how messages are told apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "stun/message.hpp"

namespace isotube::turn {

/// RFC 8656 12: the numbers that a client may bind.
enum class ChannelNumber : std::uint16_t {};
inline constexpr std::uint16_t kFirstChannel = 0x4000;
inline constexpr std::uint16_t kLastChannel = 0x4FFF;

inline constexpr std::size_t kChannelHeader = 4;

/// To the next multiple of four.
[[nodiscard]] constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

[[nodiscard]] constexpr bool is_channel_data(ByteView bytes) {
  return !bytes.empty() && (std::to_integer<unsigned>(bytes[0]) & 0xF0) == 0x40;
}

struct ChannelData {
  ChannelNumber channel;
  ByteView payload;
};
/// Reads a whole ChannelData message; what follows the payload is padding. Nothing if it is too short.
[[nodiscard]] std::optional<ChannelData> read_channel_data(ByteView bytes);

/// Header and payload and, on a stream, padding (RFC 8656 12.5).
[[nodiscard]] std::size_t channel_data_size(std::size_t payload, bool stream);
/// Writes what stands around the payload that is already there. `out` has the size that channel_data_size() gave.
void write_channel_data(MutableByteView out, ChannelNumber channel, std::size_t payload);

[[nodiscard]] std::size_t send_header_size(const Address& peer);
/// Nothing if the payload doesn't fit the lengths of STUN.
[[nodiscard]] std::optional<std::size_t> send_indication_size(const Address& peer, std::size_t payload);
/// Writes what stands around the payload that is already there. `out` has the size that send_indication_size() gave.
void write_send_indication(MutableByteView out, const stun::TransactionId& id, const Address& peer,
                           std::size_t payload);

}  // namespace isotube::turn
