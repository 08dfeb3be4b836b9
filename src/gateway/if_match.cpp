#include "gateway/if_match.hpp"

#include <algorithm>
#include <string>

namespace isotube::gateway {
namespace {

constexpr std::string_view kBlanks = " \t";

void skip_blanks(std::string_view& text) { text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size())); }

struct Tag {
  std::string_view text;
  bool weak = false;
};

/// Takes one entity tag (RFC 9110 8.8.3) off the front of `text`.
std::optional<Tag> take_tag(std::string_view& text) {
  Tag tag;
  if (text.starts_with("W/")) {
    tag.weak = true;
    text.remove_prefix(2);
  }
  if (!text.starts_with('"')) return std::nullopt;
  const std::size_t close = text.find('"', 1);
  if (close == std::string_view::npos) return std::nullopt;
  tag.text = text.substr(1, close - 1);
  text.remove_prefix(close + 1);
  return tag;
}

}  // namespace

IfMatch judge_if_match(const Fields& fields, std::string_view generation) {
  if (fields.count("If-Match") == 0) return IfMatch::Missing;
  const std::string joined = fields.joined("If-Match");
  std::string_view rest = joined;
  skip_blanks(rest);
  if (rest.substr(0, rest.find_last_not_of(kBlanks) + 1) == "*") return IfMatch::Matches;
  bool matches = false;
  while (true) {
    const auto tag = take_tag(rest);
    if (!tag) return IfMatch::Malformed;
    matches = matches || (!tag->weak && (tag->text == "*" || tag->text == generation));
    skip_blanks(rest);
    if (rest.empty()) return matches ? IfMatch::Matches : IfMatch::Differs;
    if (!rest.starts_with(',')) return IfMatch::Malformed;
    rest.remove_prefix(1);
    skip_blanks(rest);
  }
}

}  // namespace isotube::gateway
