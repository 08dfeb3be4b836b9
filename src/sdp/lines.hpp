// SDP text as lines (RFC 8866 5): `<type>=<value>`, one letter, no space around the sign.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdp/description.hpp"

namespace isotube::sdp {

struct Line {
  int number = 0;  ///< from 1, empty lines counted
  char type = 0;
  std::string_view value;
};

/// `a=name` or `a=name:value`.
struct Attribute {
  std::string_view name;
  std::string_view value;
};

/// Longest line that is read. The longest that a browser writes is an identity assertion of a few KiB.
inline constexpr std::size_t kMaxLine = 8192;

/// Splits at LF or CRLF. Empty lines are skipped: texts that went through a form or a terminal have them. The views
/// are valid as long as `text` is.
[[nodiscard]] std::expected<std::vector<Line>, ParseError> split_lines(std::string_view text);

[[nodiscard]] Attribute attribute_of(const Line& line);

/// The words of `text`, separated by any number of characters of `separators`.
[[nodiscard]] std::vector<std::string_view> words_of(std::string_view text, std::string_view separators = " ");

/// A decimal number without sign, at most `limit`.
[[nodiscard]] std::optional<std::uint64_t> number_of(std::string_view text, std::uint64_t limit);

/// `token` of RFC 8866 9, at most 255 characters.
[[nodiscard]] bool is_token(std::string_view text);

[[nodiscard]] std::unexpected<ParseError> malformed(int line, std::string what);
[[nodiscard]] std::unexpected<ParseError> unusable(int line, std::string what);

}  // namespace isotube::sdp
