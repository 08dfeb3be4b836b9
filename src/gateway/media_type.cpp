#include "gateway/media_type.hpp"

#include <algorithm>

namespace isotube::gateway {

bool has_media_type(const Fields& fields, std::string_view wanted) {
  if (fields.count("Content-Type") != 1) return false;
  const std::string_view given = fields.get("Content-Type");
  std::string_view type = given.substr(0, given.find(';'));
  type = type.substr(0, type.find_last_not_of(" \t") + 1);
  return std::ranges::equal(
      type, wanted, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

}  // namespace isotube::gateway
