#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "sdp/description.hpp"
#include "sdp/level.hpp"
#include "sdp/lines.hpp"

namespace isotube::sdp {
namespace {

using Result = std::expected<void, ParseError>;
using Lines = std::span<const Line>;

/// `m=<media> <port> <proto> <fmt> …` (RFC 8866 5.14).
struct MediaLine {
  std::string media;
  std::uint64_t port = 0;
  std::string protocol;
  std::string formats;
};

bool is_protocol(std::string_view text) {
  const auto parts = words_of(text, "/");
  return !parts.empty() && std::ranges::all_of(parts, is_token);
}

std::expected<MediaLine, ParseError> read_media_line(const Line& line) {
  const auto words = words_of(line.value);
  // "49170/2" is a range of ports, which has no meaning for us.
  const auto port = words.size() < 2 ? std::nullopt : number_of(words[1].substr(0, words[1].find('/')), 65'535);
  if (words.size() < 4 || !is_token(words[0]) || !port || !is_protocol(words[2]) ||
      !std::ranges::all_of(words.begin() + 3, words.end(), is_token)) {
    return malformed(line.number, "an m-line must be a media, a port, a protocol and formats (RFC 8866 5.14)");
  }
  MediaLine media{std::string(words[0]), *port, std::string(words[2]), std::string(words[3])};
  for (const auto word : std::span(words).subspan(4)) media.formats.append(" ").append(word);
  return media;
}

Result check_is_data_channel(const MediaLine& media, int line) {
  if (media.media != "application") {
    return unusable(line, "m=" + media.media +
                              " is active, but only data channels are carried; offer one m=application line and no "
                              "audio or video, or set its port to 0");
  }
  if (media.protocol == "DTLS/SCTP") {
    return unusable(line,
                    "the m-line has the old form \"DTLS/SCTP 5000\" with a=sctpmap; send \"UDP/DTLS/SCTP "
                    "webrtc-datachannel\" with a=sctp-port (RFC 8841)");
  }
  // RFC 8841 4.2: which of both is meant is decided by the candidates, not by this word.
  if (media.protocol != "UDP/DTLS/SCTP" && media.protocol != "TCP/DTLS/SCTP") {
    return unusable(line, "the m-line's protocol must be UDP/DTLS/SCTP (RFC 8841)");
  }
  if (media.formats != "webrtc-datachannel") {
    return unusable(line, "the m-line's format must be webrtc-datachannel alone (RFC 8841)");
  }
  return {};
}

/// A browser page that stops and adds media for days collects rejected m-lines; each costs its answer one too.
constexpr std::size_t kMaxRejected = 64;

/// Puts a description together, section by section.
class Reader {
 public:
  explicit Reader(Type type) { description_.type = type; }

  std::expected<Description, ParseError> read(Lines lines);

 private:
  Result read_head(Lines lines);
  Result read_section(Lines lines);
  Result keep_rejected(const MediaLine& media, Lines lines);
  Result finish();
  Result finish_transport(const Level& level);

  Description description_;
  Level session_;
  std::optional<Level> data_;
  int rejected_data_line_ = 0;
};

bool is_media(const Line& line) { return line.type == 'm'; }

std::expected<Description, ParseError> Reader::read(Lines lines) {
  auto section = std::ranges::find_if(lines, is_media);
  if (const Result result = read_head({lines.begin(), section}); !result) return std::unexpected(result.error());
  while (section != lines.end()) {
    const auto next = std::find_if(section + 1, lines.end(), is_media);
    if (const Result result = read_section({section, next}); !result) return std::unexpected(result.error());
    section = next;
  }
  if (const Result result = finish(); !result) return std::unexpected(result.error());
  return std::move(description_);
}

/// The session level: RFC 8866 5 fixes the order of its first lines, RFC 9429 5.8.1 what is to be read of them.
Result Reader::read_head(Lines lines) {
  if (lines.empty() || lines[0].type != 'v' || lines[0].value != "0") {
    return malformed(lines.empty() ? 0 : lines[0].number, "a session description begins with \"v=0\"");
  }
  if (lines.size() < 2 || lines[1].type != 'o') return malformed(lines[0].number, "\"v=0\" must be followed by \"o=\"");
  const auto words = words_of(lines[1].value);
  constexpr std::uint64_t kLimit = std::numeric_limits<std::uint64_t>::max();
  const auto id = words.size() == 6 ? number_of(words[1], kLimit) : std::nullopt;
  const auto version = words.size() == 6 ? number_of(words[2], kLimit) : std::nullopt;
  if (!id || !version) {
    return malformed(lines[1].number, "\"o=\" must be a name, two 64-bit numbers and an address (RFC 8866 5.2)");
  }
  description_.session_id = *id;
  description_.session_version = *version;
  for (const Line& line : lines.subspan(2)) {
    if (const Result result = session_.read(line); !result) return result;
  }
  return {};
}

Result Reader::read_section(Lines lines) {
  const auto media = read_media_line(lines[0]);
  if (!media) return std::unexpected(media.error());
  const auto is_bundle_only = [](const Line& line) {
    return line.type == 'a' && attribute_of(line).name == "bundle-only";
  };
  // RFC 9143 6: with a=bundle-only, port 0 is not a rejection.
  if (media->port == 0 && std::ranges::none_of(lines, is_bundle_only)) return keep_rejected(*media, lines);
  if (const Result result = check_is_data_channel(*media, lines[0].number); !result) return result;
  if (data_) {
    return unusable(lines[0].number, "there is a second active m=application line; all channels share the first");
  }
  data_.emplace();
  for (const Line& line : lines.subspan(1)) {
    if (const Result result = data_->read(line); !result) return result;
  }
  return {};
}

Result Reader::keep_rejected(const MediaLine& media, Lines lines) {
  if (media.media == "application") rejected_data_line_ = lines[0].number;
  RejectedMedia rejected{media.media, media.protocol, media.formats, {}};
  for (const Line& line : lines.subspan(1)) {
    if (line.type != 'a' || attribute_of(line).name != "mid") continue;
    Level level;
    if (const Result result = level.read(line); !result) return result;
    rejected.mid = level.mid->value;
  }
  if (description_.rejected_before.size() + description_.rejected_after.size() == kMaxRejected) {
    return unusable(lines[0].number, "there are more than " + std::to_string(kMaxRejected) +
                                         " rejected m-lines; start with a new peer connection");
  }
  auto& list = data_ ? description_.rejected_after : description_.rejected_before;
  list.push_back(std::move(rejected));
  return {};
}

Result Reader::finish() {
  if (!data_) {
    if (rejected_data_line_ != 0) return unusable(rejected_data_line_, "the data channel is rejected (port 0)");
    return unusable(0, "there is no m=application line; create a data channel before the description");
  }
  const Level level = merged(std::move(session_), std::move(*data_));
  if (level.mid)
    description_.mid = level.mid->value;
  else
    description_.mid.clear();
  description_.bundle = std::ranges::find(level.bundled, description_.mid) != level.bundled.end();
  description_.ice_lite = level.ice_lite;
  description_.trickle = level.trickle;
  description_.end_of_candidates = level.end_of_candidates;
  description_.candidates = level.candidates;
  if (level.ice_pacing) description_.ice_pacing = level.ice_pacing->value;
  // RFC 9429 5.8.2: a missing port means 5000.
  if (level.sctp_port) description_.sctp_port = level.sctp_port->value;
  if (level.max_message_size) description_.max_message_size = level.max_message_size->value;
  return finish_transport(level);
}

Result Reader::finish_transport(const Level& level) {
  if (!level.ufrag || !level.pwd) {
    return unusable(0, "a=ice-ufrag and a=ice-pwd are needed, for the session or below m=application");
  }
  description_.ice = {level.ufrag->value, level.pwd->value};
  if (level.fingerprints.empty()) {
    return unusable(0, "an a=fingerprint of sha-256, sha-384 or sha-512 is needed; no other binds the certificate");
  }
  description_.fingerprints = level.fingerprints;
  const bool answers = description_.type == Type::Answer;
  if (!level.setup) {
    // RFC 4145 4: what holds where the attribute is missing.
    description_.setup = answers ? Setup::Passive : Setup::Active;
    return {};
  }
  if (answers && level.setup->value == Setup::ActPass) {
    return unusable(level.setup->line, "an answer must decide: a=setup:active or a=setup:passive (RFC 8842 5.3)");
  }
  description_.setup = level.setup->value;
  return {};
}

}  // namespace

std::expected<Description, ParseError> parse(Type type, std::string_view text) {
  const auto lines = split_lines(text);
  if (!lines) return std::unexpected(lines.error());
  return Reader(type).read(*lines);
}

}  // namespace isotube::sdp
