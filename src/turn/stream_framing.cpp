#include "turn/stream_framing.hpp"

#include <algorithm>
#include <utility>

#include "stun/message.hpp"
#include "turn/framing.hpp"

namespace isotube::turn {

StreamFraming::Head StreamFraming::look_at(ByteView bytes) {
  if (bytes.size() < kChannelHeader) return {Shape::Incomplete, kChannelHeader};
  ByteReader reader(bytes);
  const std::uint16_t type = reader.u16();
  const std::size_t length = reader.u16();
  std::size_t size = kChannelHeader + padded(length);
  if (!is_channel_data(bytes)) {
    // The first two bits of STUN are 0, lengths are padded, and after these four bytes the magic cookie stands.
    if ((type & 0xC000) != 0 || length % 4 != 0) return {Shape::Broken, 0};
    if (bytes.size() < 8) return {Shape::Incomplete, 8};
    if (reader.u32() != stun::kMagicCookie) return {Shape::Broken, 0};
    size = stun::kHeaderSize + length;
  }
  return {bytes.size() < size ? Shape::Incomplete : Shape::Whole, size};
}

void StreamFraming::push(ByteView piece) {
  whole_.clear();
  piece_ = piece;
}

std::optional<ByteView> StreamFraming::next() {
  while (!broken_ && !piece_.empty()) {
    const Head head = look_at(begun_.empty() ? piece_ : ByteView(begun_));
    if (head.shape == Shape::Broken) {
      broken_ = true;
    } else if (head.shape == Shape::Whole) {
      // Only of the piece: what was begun is given below, when it is filled up.
      const ByteView message = piece_.first(head.size);
      piece_ = piece_.subspan(head.size);
      return message;
    } else {
      const std::size_t count = std::min(head.size - begun_.size(), piece_.size());
      begun_.insert(begun_.end(), piece_.begin(), piece_.begin() + static_cast<std::ptrdiff_t>(count));
      piece_ = piece_.subspan(count);
      const Head filled = look_at(begun_);
      broken_ = filled.shape == Shape::Broken;
      if (filled.shape == Shape::Whole) {
        std::swap(whole_, begun_);
        begun_.clear();
        return ByteView(whole_);
      }
    }
  }
  return std::nullopt;
}

void StreamFraming::reset() {
  begun_.clear();
  piece_ = {};
  broken_ = false;
}

}  // namespace isotube::turn
