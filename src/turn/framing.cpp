#include "turn/framing.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace isotube::turn {
namespace {

/// A Send indication of one address and one payload: attributes' headers, flags, family and port included.
constexpr std::size_t kPeerAttributeV4 = stun::kAttributeHeaderSize + 8;
constexpr std::size_t kPeerAttributeV6 = stun::kAttributeHeaderSize + 20;
constexpr std::size_t kMaxAttributes = 0xFFFC;

std::size_t peer_attribute_size(const Address& peer) { return peer.ip.is_v4() ? kPeerAttributeV4 : kPeerAttributeV6; }

/// XOR-PEER-ADDRESS (RFC 8656 18.3), masked with the magic cookie and the transaction id (RFC 8489 14.2).
void write_peer(SpanWriter& writer, const stun::TransactionId& id, const Address& peer) {
  std::array<std::byte, 16> mask{};
  SpanWriter mask_writer(mask);
  mask_writer.u32(stun::kMagicCookie);
  mask_writer.bytes(id.bytes);
  writer.u16(static_cast<std::uint16_t>(stun::AttributeType::XorPeerAddress));
  writer.u16(static_cast<std::uint16_t>(peer_attribute_size(peer) - stun::kAttributeHeaderSize));
  writer.u8(0);
  writer.u8(peer.ip.is_v4() ? 1 : 2);
  writer.u16(static_cast<std::uint16_t>(peer.port ^ (stun::kMagicCookie >> 16)));
  std::size_t index = 0;
  for (std::uint8_t octet : peer.ip.octets()) {
    writer.u8(static_cast<std::uint8_t>(octet ^ std::to_integer<std::uint8_t>(mask[index++])));
  }
}

}  // namespace

std::optional<ChannelData> read_channel_data(ByteView bytes) {
  ByteReader reader(bytes);
  const auto channel = static_cast<ChannelNumber>(reader.u16());
  const std::size_t length = reader.u16();
  const ByteView payload = reader.bytes(length);
  if (!reader.ok()) return std::nullopt;
  return ChannelData{channel, payload};
}

std::size_t channel_data_size(std::size_t payload, bool stream) {
  return kChannelHeader + (stream ? padded(payload) : payload);
}

void write_channel_data(MutableByteView out, ChannelNumber channel, std::size_t payload) {
  SpanWriter writer(out);
  writer.u16(static_cast<std::uint16_t>(channel));
  writer.u16(static_cast<std::uint16_t>(payload));
  ISOTUBE_ASSERT(writer.ok() && out.size() >= kChannelHeader + payload);
  std::ranges::fill(out.subspan(kChannelHeader + payload), std::byte{0});
}

std::size_t send_header_size(const Address& peer) {
  return stun::kHeaderSize + peer_attribute_size(peer) + stun::kAttributeHeaderSize;
}

std::optional<std::size_t> send_indication_size(const Address& peer, std::size_t payload) {
  const std::size_t size = send_header_size(peer) + padded(payload);
  if (size - stun::kHeaderSize > kMaxAttributes) return std::nullopt;
  return size;
}

void write_send_indication(MutableByteView out, const stun::TransactionId& id, const Address& peer,
                           std::size_t payload) {
  SpanWriter writer(out);
  writer.u16(stun::message_type(stun::Class::Indication, stun::Method::Send));
  writer.u16(static_cast<std::uint16_t>(out.size() - stun::kHeaderSize));
  writer.u32(stun::kMagicCookie);
  writer.bytes(id.bytes);
  write_peer(writer, id, peer);
  writer.u16(static_cast<std::uint16_t>(stun::AttributeType::Data));
  writer.u16(static_cast<std::uint16_t>(payload));
  ISOTUBE_ASSERT(writer.ok() && out.size() == writer.size() + padded(payload));
  std::ranges::fill(out.subspan(writer.size() + payload), std::byte{0});
}

}  // namespace isotube::turn
