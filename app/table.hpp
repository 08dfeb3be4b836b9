// Tables and numbers as text for a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace isotube::app {

enum class Align : std::uint8_t { Left, Right };

/// Columns as wide as their widest cell, with a head.
class Table {
 public:
  struct Column {
    std::string head;
    Align align = Align::Left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell for each column.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// The table, each line ended.
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "12.5" for (12.46, 1).
[[nodiscard]] std::string decimal_text(double value, int places);
/// "1.2 GB", in powers of 1000.
[[nodiscard]] std::string bytes_text(double bytes);

}  // namespace isotube::app
