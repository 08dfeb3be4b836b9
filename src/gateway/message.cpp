#include "gateway/message.hpp"

#include <algorithm>

namespace isotube::gateway {
namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char left, char right) { return to_lower(left) == to_lower(right); });
}

}  // namespace

std::string_view Fields::get(std::string_view name) const {
  const auto found = std::ranges::find_if(fields_, [&](const auto& field) { return same_name(field.first, name); });
  return found == fields_.end() ? std::string_view{} : std::string_view(found->second);
}

std::size_t Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields_, [&](const auto& field) { return same_name(field.first, name); }));
}

std::string Fields::joined(std::string_view name) const {
  std::string all;
  for (const auto& [field, value] : fields_) {
    if (!same_name(field, name)) continue;
    if (!all.empty()) all += ", ";
    all += value;
  }
  return all;
}

}  // namespace isotube::gateway
