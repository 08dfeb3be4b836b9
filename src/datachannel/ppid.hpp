// Payload protocol identifiers of WebRTC (RFC 8831 8).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "datachannel/channels.hpp"

namespace isotube::datachannel {

inline constexpr sctp::Ppid kControl{50};
inline constexpr sctp::Ppid kText{51};
inline constexpr sctp::Ppid kBinary{53};
inline constexpr sctp::Ppid kEmptyText{56};
inline constexpr sctp::Ppid kEmptyBinary{57};
// 52 and 54 were fragments of messages; RFC 8831 8 has them deprecated, and no stack of today sends them.

/// What stands for an empty message; the receiver ignores it (RFC 8831 6.6).
inline constexpr std::array<std::byte, 1> kNothing{};

enum class Content : std::uint8_t { None, Some };

[[nodiscard]] constexpr sctp::Ppid ppid_of(MessageKind kind, Content content) {
  if (kind == MessageKind::Text) return content == Content::None ? kEmptyText : kText;
  return content == Content::None ? kEmptyBinary : kBinary;
}

/// What a user message of this identifier is; nothing for any other.
struct Payload {
  MessageKind kind;
  Content content;
};
[[nodiscard]] constexpr std::optional<Payload> payload_of(sctp::Ppid ppid) {
  switch (ppid) {
    case kText:
      return Payload{MessageKind::Text, Content::Some};
    case kBinary:
      return Payload{MessageKind::Binary, Content::Some};
    case kEmptyText:
      return Payload{MessageKind::Text, Content::None};
    case kEmptyBinary:
      return Payload{MessageKind::Binary, Content::None};
    default:
      return std::nullopt;
  }
}

}  // namespace isotube::datachannel
