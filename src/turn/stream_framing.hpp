// Messages out of the bytes of a TCP or TLS connection (RFC 8656 12.5, RFC 8489 6.2.2): each says its length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace isotube::turn {

/// push() a piece, then take messages with next() until there is none. At most one message's beginning is kept.
class StreamFraming {
 public:
  /// Whole messages are views of `piece` or of this object, valid until the next push().
  void push(ByteView piece);
  /// The next whole message, padding included; nothing if more bytes are needed, or if broken().
  [[nodiscard]] std::optional<ByteView> next();
  /// True once bytes came that are the beginning of no message: where the next one begins can't be known any more.
  [[nodiscard]] bool broken() const { return broken_; }
  /// Another connection begins.
  void reset();

 private:
  enum class Shape : std::uint8_t { Incomplete, Whole, Broken };
  struct Head {
    Shape shape;
    /// How many bytes it takes to know more, or the size of the whole.
    std::size_t size;
  };
  [[nodiscard]] static Head look_at(ByteView bytes);

  /// The beginning that the last piece ended with, filled up from the next one.
  Bytes begun_;
  /// A message that was filled up; valid until the next push().
  Bytes whole_;
  ByteView piece_;
  bool broken_ = false;
};

}  // namespace isotube::turn
