#include "client/printable.hpp"

#include <algorithm>

namespace isotube::client {

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  std::string result(text.substr(0, kLongest));
  std::ranges::replace_if(result, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  if (text.size() > kLongest) result += "…";
  return result;
}

}  // namespace isotube::client
