// RFC 3629 4:
//
//   1 byte    00-7F
//   2 bytes   C2-DF  80-BF
//   3 bytes   E0     A0-BF  80-BF  |  E1-EC, EE-EF  80-BF  80-BF  |  ED  80-9F  80-BF
//   4 bytes   F0     90-BF  80-BF  80-BF  |  F1-F3  80-BF  80-BF  80-BF  |  F4  80-8F  80-BF  80-BF
#include "frame/utf8.hpp"

#include <algorithm>
#include <cstdint>

namespace isotube::frame {
namespace {

constexpr bool is_continuation(char each) { return (static_cast<std::uint8_t>(each) & 0xC0) == 0x80; }

/// Bytes of the code point that `text` begins with; 0 if it begins with none. `text` must not be empty.
std::size_t code_point_size(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  if (lead <= 0x7F) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < size || !std::ranges::all_of(text.substr(1, size - 1), is_continuation)) return 0;
  const auto second = static_cast<std::uint8_t>(text[1]);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool too_high = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_high ? 0 : size;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = code_point_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string_view utf8_head(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && is_continuation(text[size])) --size;
  return text.substr(0, size);
}

}  // namespace isotube::frame
