#include <utility>

#include "sdp/description.hpp"
#include "sdp/level.hpp"
#include "sdp/lines.hpp"

namespace isotube::sdp {

std::expected<Fragment, ParseError> parse_fragment(std::string_view text) {
  const auto lines = split_lines(text);
  if (!lines) return std::unexpected(lines.error());
  Level session;
  std::optional<Level> media;
  for (const Line& line : *lines) {
    if (line.type == 'm') {
      // RFC 8840 9.2: its fields but the place in the description mean nothing.
      if (media) return unusable(line.number, "the fragment has two m-lines, but a tube has one m=application line");
      media.emplace();
      continue;
    }
    if (const auto result = (media ? *media : session).read(line); !result) return std::unexpected(result.error());
  }
  Level level = merged(std::move(session), media ? std::move(*media) : Level{});
  if (level.pwd && !level.ufrag) {
    return malformed(level.pwd->line, "\"a=ice-pwd\" has no \"a=ice-ufrag\" beside it (RFC 8840 9.2)");
  }
  Fragment fragment;
  fragment.mid = level.mid ? std::move(level.mid->value) : std::string();
  if (level.ufrag) fragment.ice.ufrag = std::move(level.ufrag->value);
  if (level.pwd) fragment.ice.pwd = std::move(level.pwd->value);
  fragment.ice_lite = level.ice_lite;
  if (level.ice_pacing) fragment.ice_pacing = level.ice_pacing->value;
  fragment.candidates = std::move(level.candidates);
  fragment.end_of_candidates = level.end_of_candidates;
  return fragment;
}

}  // namespace isotube::sdp
