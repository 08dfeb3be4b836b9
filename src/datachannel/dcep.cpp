#include "datachannel/dcep.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace isotube::datachannel {
namespace {

using std::chrono::milliseconds;

constexpr std::uint8_t kAck = 0x02;
constexpr std::uint8_t kOpen = 0x03;

// RFC 8832 5.1: the channel type is one of three reliabilities and a bit for unordered delivery.
constexpr std::uint8_t kUnordered = 0x80;
constexpr std::uint8_t kReliable = 0x00;
constexpr std::uint8_t kLimitedRetransmissions = 0x01;
constexpr std::uint8_t kLimitedLifetime = 0x02;

constexpr std::size_t kOpenHeader = 12;

std::optional<ControlMessage> parse_open(ByteReader reader) {
  const std::uint8_t type = reader.u8();
  Open open;
  open.config.priority = reader.u16();
  const std::uint32_t reliability = reader.u32();
  const std::uint16_t label_length = reader.u16();
  const std::uint16_t protocol_length = reader.u16();
  open.config.label = as_text(reader.bytes(label_length));
  open.config.protocol = as_text(reader.bytes(protocol_length));
  if (!reader.ok() || reader.remaining() != 0) return std::nullopt;
  open.config.ordered = (type & kUnordered) == 0;
  switch (type & ~kUnordered) {
    case kReliable:
      return open;
    case kLimitedRetransmissions:
      open.config.max_retransmissions = reliability;
      return open;
    case kLimitedLifetime:
      open.config.max_lifetime = milliseconds(reliability);
      return open;
    default:
      return std::nullopt;
  }
}

struct Reliability {
  std::uint8_t type = kReliable;
  std::uint32_t parameter = 0;
};

Reliability reliability_of(const ChannelConfig& config) {
  if (config.max_retransmissions) return {kLimitedRetransmissions, *config.max_retransmissions};
  if (!config.max_lifetime) return {};
  constexpr milliseconds kLongest(std::numeric_limits<std::uint32_t>::max());
  const auto lifetime = std::clamp(std::chrono::ceil<milliseconds>(*config.max_lifetime), milliseconds(0), kLongest);
  return {kLimitedLifetime, static_cast<std::uint32_t>(lifetime.count())};
}

}  // namespace

std::optional<ControlMessage> parse_control(ByteView message) {
  ByteReader reader(message);
  switch (reader.u8()) {
    case kAck:
      return Ack{};
    case kOpen:
      return parse_open(reader);
    default:
      return std::nullopt;
  }
}

Buffer open_message(BufferPool& pool, const ChannelConfig& config) {
  const auto [type, parameter] = reliability_of(config);
  const std::size_t length = kOpenHeader + config.label.size() + config.protocol.size();
  Buffer message = pool.acquire(0, length);
  SpanWriter writer(message.append(length));
  writer.u8(kOpen);
  writer.u8(config.ordered ? type : type | kUnordered);
  writer.u16(config.priority);
  writer.u32(parameter);
  writer.u16(static_cast<std::uint16_t>(config.label.size()));
  writer.u16(static_cast<std::uint16_t>(config.protocol.size()));
  writer.bytes(as_byte_view(config.label));
  writer.bytes(as_byte_view(config.protocol));
  return message;
}

Buffer ack_message(BufferPool& pool) {
  Buffer message = pool.acquire(0, 1);
  message.append(1).front() = std::byte{kAck};
  return message;
}

}  // namespace isotube::datachannel
