// The tube frame (spec: docs/protocol.md): conn_no u32 | timestamp_ms u64 | length u32 | payload | ';', big-endian.
//
// This folder codes and decodes frames and control messages, and uses base/ only.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/buffer.hpp"
#include "base/bytes.hpp"

namespace isotube::frame {

/// A connection's number in its tube. 0 is control.
enum class ConnNo : std::uint32_t {};
inline constexpr ConnNo kControl{0};

inline constexpr std::size_t kHeaderSize = 16;
inline constexpr std::size_t kTrailerSize = 1;
inline constexpr std::size_t kOverhead = kHeaderSize + kTrailerSize;
inline constexpr std::byte kTerminator{0x3B};
/// Largest frame, and largest data channel message, whatever the peer announced.
inline constexpr std::size_t kMaxFrame = 262'144;
/// What a peer takes that announced nothing (RFC 8841 6.1).
inline constexpr std::size_t kDefaultMaxMessage = 65'536;

/// The longest message that a receiver takes that announced `announced` (RFC 8841 6.1: 0 means no limit).
[[nodiscard]] constexpr std::size_t message_limit(std::size_t announced) {
  return announced == 0 || announced > kMaxFrame ? kMaxFrame : announced;
}

struct Frame {
  ConnNo conn_no{};
  std::uint64_t timestamp_ms = 0;
  ByteView payload;  ///< into the message that was parsed
};

enum class FrameError : std::uint8_t { Incomplete, TooLong, WrongTerminator };

/// Takes the first frame off `message`, which shrinks to the rest; on an error it stays as it was. The terminator is
/// looked for at its exact place and nowhere else. `max_frame` is what we announced; kMaxFrame bounds it.
[[nodiscard]] std::expected<Frame, FrameError> take_frame(ByteView& message, std::size_t max_frame);

/// Makes a frame of `payload` in place: needs headroom() of kHeaderSize and tailroom() of kTrailerSize, and room for
/// both within kMaxFrame.
void enclose(Buffer& payload, ConnNo conn_no, std::uint64_t timestamp_ms);

/// Why a connection or a tube closes. Numbers are those of the protocol; unknown ones (3 too) read as Unknown.
enum class CloseReason : std::uint8_t {
  Normal = 0,
  Error = 1,
  Timeout = 2,
  ServerRefuse = 4,
  Client = 5,
  Unknown = 6,
  InvalidInstruction = 7,
  GuacdRefuse = 8,
  ConnectionLost = 9,
  ConnectionFailed = 10,
  TunnelClosed = 11,
  AdminClosed = 12,
  ErrorRecording = 13,
  GuacdError = 14,
  AIClosed = 15,
  AddressResolutionFailed = 16,
  DecryptionFailed = 17,
  ConfigurationError = 18,
  ProtocolError = 19,
  UpstreamClosed = 20,
};
[[nodiscard]] std::string_view to_string(CloseReason reason);

struct Target {
  std::string host;  ///< see is_valid_host()
  std::uint16_t port = 0;

  [[nodiscard]] std::string to_string() const;  ///< "host:port", IPv6 in brackets
  friend auto operator<=>(const Target&, const Target&) = default;
};

/// 1 to 255 bytes of UTF-8 without control characters: a NUL inside would let a policy and a resolver read two
/// different names. An IPv6 address has no brackets.
[[nodiscard]] bool is_valid_host(std::string_view host);

struct Ping {
  ConnNo conn_no{};
  ByteView echo;
};
struct Pong {
  ConnNo conn_no{};
  ByteView echo;
};
struct OpenConnection {
  ConnNo conn_no{};
  std::optional<Target> target;
};
struct CloseConnection {
  ConnNo conn_no{};
  CloseReason reason = CloseReason::Normal;
  std::string_view message;  ///< at most 65,535 bytes; one that is no UTF-8 reads as none
};
struct ConnectionOpened {
  ConnNo conn_no{};
};
struct SendEof {
  ConnNo conn_no{};
};
struct WindowUpdate {
  ConnNo conn_no{};
  std::uint32_t credit = 0;
};
/// Capability bits of Hello.
inline constexpr std::uint32_t kCapabilityCredit = 0x0001;
struct Hello {
  std::uint16_t version = 1;
  std::uint32_t capabilities = kCapabilityCredit;
};
struct RestartNeeded {};
/// A code that we don't know: counted and ignored.
struct UnknownControl {
  std::uint16_t code = 0;
};
/// Views point into the payload that was parsed.
using Control = std::variant<Ping, Pong, OpenConnection, CloseConnection, ConnectionOpened, SendEof, WindowUpdate,
                             Hello, RestartNeeded, UnknownControl>;

/// TooShort: the fields that the code needs, or a length inside, reach past the end. BadHost: see is_valid_host().
enum class ControlError : std::uint8_t { TooShort, BadHost };

/// Reads a control payload. Extra bytes at the end are ignored.
[[nodiscard]] std::expected<Control, ControlError> parse_control(ByteView payload);

/// Bytes that `control` takes as a whole frame.
[[nodiscard]] std::size_t control_frame_size(const Control& control);

/// Appends a whole control frame: needs tailroom() of control_frame_size(), which must not exceed kMaxFrame.
void append_control(Buffer& message, const Control& control, std::uint64_t timestamp_ms);

/// A whole control frame, ready to send.
[[nodiscard]] Buffer make_control(BufferPool& pool, const Control& control, std::uint64_t timestamp_ms);

}  // namespace isotube::frame
