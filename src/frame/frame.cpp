#include "frame/frame.hpp"

#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace isotube::frame {
namespace {

constexpr std::size_t kTimestampAt = 4;
constexpr std::size_t kLengthAt = 12;

// Single loads and stores instead of ByteReader's byte loop: this runs for every frame of bulk data.
template <typename Integer>
Integer load_big_endian(ByteView bytes) {
  Integer value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

template <typename Integer>
void store_big_endian(MutableByteView bytes, Integer value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(bytes.data(), &value, sizeof value);
}

}  // namespace

std::expected<Frame, FrameError> take_frame(ByteView& message, std::size_t max_frame) {
  if (message.size() < kHeaderSize) return std::unexpected(FrameError::Incomplete);
  const std::size_t length = load_big_endian<std::uint32_t>(message.subspan<kLengthAt, 4>());
  const std::size_t size = kOverhead + length;
  if (size > max_frame || size > kMaxFrame) return std::unexpected(FrameError::TooLong);
  if (size > message.size()) return std::unexpected(FrameError::Incomplete);
  if (message[kHeaderSize + length] != kTerminator) return std::unexpected(FrameError::WrongTerminator);
  const Frame frame{.conn_no = ConnNo{load_big_endian<std::uint32_t>(message.first<4>())},
                    .timestamp_ms = load_big_endian<std::uint64_t>(message.subspan<kTimestampAt, 8>()),
                    .payload = message.subspan(kHeaderSize, length)};
  message = message.subspan(size);
  return frame;
}

void enclose(Buffer& payload, ConnNo conn_no, std::uint64_t timestamp_ms) {
  ISOTUBE_ASSERT(payload.size() <= kMaxFrame - kOverhead);
  const auto length = static_cast<std::uint32_t>(payload.size());
  payload.append(kTrailerSize)[0] = kTerminator;
  const MutableByteView header = payload.prepend(kHeaderSize);
  store_big_endian(header.first<4>(), std::to_underlying(conn_no));
  store_big_endian(header.subspan<kTimestampAt, 8>(), timestamp_ms);
  store_big_endian(header.subspan<kLengthAt, 4>(), length);
}

std::string Target::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::Normal:
      return "Normal";
    case CloseReason::Error:
      return "Error";
    case CloseReason::Timeout:
      return "Timeout";
    case CloseReason::ServerRefuse:
      return "ServerRefuse";
    case CloseReason::Client:
      return "Client";
    case CloseReason::Unknown:
      return "Unknown";
    case CloseReason::InvalidInstruction:
      return "InvalidInstruction";
    case CloseReason::GuacdRefuse:
      return "GuacdRefuse";
    case CloseReason::ConnectionLost:
      return "ConnectionLost";
    case CloseReason::ConnectionFailed:
      return "ConnectionFailed";
    case CloseReason::TunnelClosed:
      return "TunnelClosed";
    case CloseReason::AdminClosed:
      return "AdminClosed";
    case CloseReason::ErrorRecording:
      return "ErrorRecording";
    case CloseReason::GuacdError:
      return "GuacdError";
    case CloseReason::AIClosed:
      return "AIClosed";
    case CloseReason::AddressResolutionFailed:
      return "AddressResolutionFailed";
    case CloseReason::DecryptionFailed:
      return "DecryptionFailed";
    case CloseReason::ConfigurationError:
      return "ConfigurationError";
    case CloseReason::ProtocolError:
      return "ProtocolError";
    case CloseReason::UpstreamClosed:
      return "UpstreamClosed";
  }
  return "Unknown";
}

}  // namespace isotube::frame
