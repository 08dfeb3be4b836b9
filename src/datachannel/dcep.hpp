// The Data Channel Establishment Protocol (RFC 8832), as values and as bytes.
//
//   DATA_CHANNEL_OPEN   | type 0x03 | channel type u8 | priority u16 | reliability u32 | label length u16 |
//   (RFC 8832 5.1)      | protocol length u16 | label | protocol |
//   DATA_CHANNEL_ACK    | type 0x02 |
//   (RFC 8832 5.2)
#pragma once

#include <optional>
#include <variant>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "datachannel/channels.hpp"

namespace isotube::datachannel {

struct Open {
  ChannelConfig config;
};
struct Ack {};
using ControlMessage = std::variant<Open, Ack>;

/// Nothing for what is no DCEP message, or has an unknown channel type or a length that does not fit.
[[nodiscard]] std::optional<ControlMessage> parse_control(ByteView message);

/// A DATA_CHANNEL_OPEN of `config`, which has label and protocol of at most 65,535 bytes and at most one limit of its
/// reliability. A lifetime is rounded up to milliseconds.
[[nodiscard]] Buffer open_message(BufferPool& pool, const ChannelConfig& config);

[[nodiscard]] Buffer ack_message(BufferPool& pool);

}  // namespace isotube::datachannel
