#include "sdp/lines.hpp"

#include <algorithm>
#include <charconv>

namespace isotube::sdp {
namespace {

constexpr std::size_t kMaxToken = 255;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_token_character(char c) {
  return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`{|}~").find(c) != std::string_view::npos;
}

std::expected<Line, ParseError> line_of(int number, std::string_view text) {
  if (text.size() > kMaxLine) {
    return malformed(number, "the line is longer than " + std::to_string(kMaxLine) + " bytes; shorten or remove it");
  }
  if (text.size() < 2 || text[0] < 'a' || text[0] > 'z' || text[1] != '=') {
    return malformed(number, "a line must begin with a small letter and \"=\", like \"a=mid:0\"");
  }
  // RFC 8866 9: byte-string is any byte but NUL, CR and LF.
  if (text.find_first_of(std::string_view("\0\r", 2)) != std::string_view::npos) {
    return malformed(number, "the line holds a NUL or a lone CR; send the text as it was generated");
  }
  return Line{number, text[0], text.substr(2)};
}

}  // namespace

std::expected<std::vector<Line>, ParseError> split_lines(std::string_view text) {
  if (text.size() > kMaxDescription) {
    return malformed(0, "the text is larger than " + std::to_string(kMaxDescription) + " bytes");
  }
  std::vector<Line> lines;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (content.empty()) continue;
    const auto line = line_of(number, content);
    if (!line) return std::unexpected(line.error());
    lines.push_back(*line);
  }
  if (lines.empty()) return malformed(0, "the text is empty");
  return lines;
}

Attribute attribute_of(const Line& line) {
  const std::size_t colon = line.value.find(':');
  if (colon == std::string_view::npos) return {line.value, {}};
  return {line.value.substr(0, colon), line.value.substr(colon + 1)};
}

std::vector<std::string_view> words_of(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::optional<std::uint64_t> number_of(std::string_view text, std::uint64_t limit) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > limit) return std::nullopt;
  return value;
}

bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= kMaxToken && std::ranges::all_of(text, is_token_character);
}

std::unexpected<ParseError> malformed(int line, std::string what) {
  return std::unexpected(ParseError{ParseError::Kind::Malformed, line, std::move(what)});
}

std::unexpected<ParseError> unusable(int line, std::string what) {
  return std::unexpected(ParseError{ParseError::Kind::Unusable, line, std::move(what)});
}

}  // namespace isotube::sdp
