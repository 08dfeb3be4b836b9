#include "client/printable.hpp"

#include <algorithm>

namespace isotube::client {

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  std::size_t length = std::min(text.size(), kLongest);
  // A UTF-8 character that the cut would go through is left out whole.
  while (length > 0 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  std::string result(text.substr(0, length));
  std::ranges::replace_if(result, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  if (length < text.size()) result += "…";
  return result;
}

}  // namespace isotube::client
