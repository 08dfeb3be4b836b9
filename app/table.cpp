#include "app/table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace isotube::app {
namespace {

/// Characters that a UTF-8 text takes on a terminal, as far as we write it: one for each code point.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string Table::line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const {
  std::string text;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths.at(i) - std::min(widths.at(i), width(cells[i])), ' ');
    if (i > 0) text += "  ";
    text += columns_.at(i).align == Align::Left ? cells[i] + padding : padding + cells[i];
  }
  while (text.ends_with(' ')) text.pop_back();
  return text + "\n";
}

std::string Table::text() const {
  std::vector<std::string> heads;
  heads.reserve(columns_.size());
  for (const Column& column : columns_) heads.push_back(column.head);
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    widths[i] = width(heads[i]);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width(row.at(i)));
  }
  std::string text = line(heads, widths);
  for (const auto& row : rows_) text += line(row, widths);
  return text;
}

std::string decimal_text(double value, int places) {
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.*f", places, value);
  return {text.data(), std::min(static_cast<std::size_t>(std::max(length, 0)), text.size() - 1)};
}

std::string bytes_text(double bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return decimal_text(bytes, unit == 0 ? 0 : 1) + " " + kUnits.at(unit);
}

}  // namespace isotube::app
