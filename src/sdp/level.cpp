#include "sdp/level.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace isotube::sdp {
namespace {

using Result = std::expected<void, ParseError>;

constexpr std::size_t kMaxFingerprints = 16;         // one per hash of a few certificates
constexpr std::uint64_t kMaxPacing = 9'999'999'999;  // RFC 8839 5.5: ten digits

/// RFC 8839 5.4: ice-char is a letter, a digit, "+" or "/".
bool is_ice_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

template <typename Value>
Result keep_once(std::optional<Given<Value>>& slot, Value value, const Line& line) {
  if (slot) return malformed(line.number, "\"a=" + std::string(attribute_of(line).name) + "\" is given twice");
  slot = Given<Value>{std::move(value), line.number};
  return {};
}

Result read_ice_string(std::optional<Given<std::string>>& slot, const Line& line, std::size_t shortest) {
  constexpr std::size_t kLongest = 256;
  const auto [name, value] = attribute_of(line);
  if (value.size() < shortest || value.size() > kLongest || !std::ranges::all_of(value, is_ice_character)) {
    return malformed(line.number, "\"a=" + std::string(name) + "\" must be " + std::to_string(shortest) +
                                      " to 256 letters, digits, \"+\" or \"/\" (RFC 8839 5.4)");
  }
  return keep_once(slot, std::string(value), line);
}

template <typename Value>
Result read_number(std::optional<Given<Value>>& slot, const Line& line, std::uint64_t limit) {
  const auto [name, value] = attribute_of(line);
  const auto number = number_of(value, limit);
  if (!number) {
    return malformed(line.number,
                     "\"a=" + std::string(name) + "\" must be a number of at most " + std::to_string(limit));
  }
  return keep_once(slot, static_cast<Value>(*number), line);
}

Result read_mid(Level& level, const Line& line) {
  const auto value = attribute_of(line).value;
  if (!is_token(value)) return malformed(line.number, "\"a=mid\" must be a word (RFC 5888 4)");
  return keep_once(level.mid, std::string(value), line);
}

Result read_ufrag(Level& level, const Line& line) { return read_ice_string(level.ufrag, line, 4); }
Result read_pwd(Level& level, const Line& line) { return read_ice_string(level.pwd, line, 22); }

Result read_setup(Level& level, const Line& line) {
  const auto value = attribute_of(line).value;
  if (value == "actpass") return keep_once(level.setup, Setup::ActPass, line);
  if (value == "active") return keep_once(level.setup, Setup::Active, line);
  if (value == "passive") return keep_once(level.setup, Setup::Passive, line);
  if (value == "holdconn") {
    return unusable(line.number, "\"a=setup:holdconn\" opens no connection; use actpass, active or passive");
  }
  return malformed(line.number, "\"a=setup\" must be actpass, active or passive (RFC 8842 5.2)");
}

Result read_pacing(Level& level, const Line& line) {
  std::optional<Given<std::uint64_t>> milliseconds;
  if (const Result result = read_number(milliseconds, line, kMaxPacing); !result) return result;
  return keep_once(level.ice_pacing, Duration(std::chrono::milliseconds(milliseconds->value)), line);
}

Result read_sctp_port(Level& level, const Line& line) {
  const Result result = read_number(level.sctp_port, line, std::numeric_limits<std::uint16_t>::max());
  // RFC 8841 5.2: port 0 says that the association is closed.
  if (result && level.sctp_port->value == 0) {
    return unusable(line.number, "\"a=sctp-port:0\" closes the association; give a port from 1 to 65535");
  }
  return result;
}

Result read_max_message_size(Level& level, const Line& line) {
  return read_number(level.max_message_size, line, std::numeric_limits<std::uint64_t>::max());
}

Result read_fingerprint(Level& level, const Line& line) {
  const auto value = attribute_of(line).value;
  const auto words = words_of(value);
  if (words.size() != 2)
    return malformed(line.number, "\"a=fingerprint\" must be a hash name and hex bytes (RFC 8122 5)");
  const auto fingerprint = dtls::Fingerprint::parse(value);
  if (fingerprint) {
    if (level.fingerprints.size() < kMaxFingerprints) level.fingerprints.push_back(*fingerprint);
    return {};
  }
  std::string name(words[0]);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  constexpr std::array<std::string_view, 3> kKnown = {"sha-256", "sha-384", "sha-512"};
  // RFC 8122 5: a hash that we don't know is skipped, there may be another.
  if (std::ranges::find(kKnown, name) == kKnown.end()) return {};
  return malformed(line.number, "\"a=fingerprint\" is not a " + name + " of hex bytes with colons between them");
}

Result read_candidate(Level& level, const Line& line) {
  auto candidate = ice::parse_candidate(attribute_of(line).value);
  if (candidate) {
    if (level.candidates.size() < kMaxCandidates) level.candidates.push_back(std::move(*candidate));
    return {};
  }
  if (candidate.error() == ice::CandidateError::Unsupported) return {};
  return malformed(line.number,
                   "\"a=candidate\" can't be read (RFC 8839 5.1); remove the line or send it as generated");
}

Result read_group(Level& level, const Line& line) {
  const auto words = words_of(attribute_of(line).value);
  if (words.empty() || words[0] != "BUNDLE") return {};
  level.bundled.insert(level.bundled.end(), words.begin() + 1, words.end());
  return {};
}

Result read_options(Level& level, const Line& line) {
  // RFC 8839 5.6 separates options by spaces; libdatachannel writes commas.
  const auto options = words_of(attribute_of(line).value, " ,");
  if (std::ranges::find(options, "trickle") != options.end()) level.trickle = true;
  return {};
}

Result set_flag(bool& flag) {
  flag = true;
  return {};
}

Result read_ice_lite(Level& level, const Line&) { return set_flag(level.ice_lite); }
Result read_end_of_candidates(Level& level, const Line&) { return set_flag(level.end_of_candidates); }
Result read_bundle_only(Level& level, const Line&) { return set_flag(level.bundle_only); }

struct Subject {
  std::string_view name;
  Result (*read)(Level&, const Line&);
};

constexpr std::array<Subject, 14> kSubjects = {{
    {"mid", read_mid},
    {"ice-ufrag", read_ufrag},
    {"ice-pwd", read_pwd},
    {"ice-options", read_options},
    {"ice-lite", read_ice_lite},
    {"ice-pacing", read_pacing},
    {"setup", read_setup},
    {"fingerprint", read_fingerprint},
    {"sctp-port", read_sctp_port},
    {"max-message-size", read_max_message_size},
    {"candidate", read_candidate},
    {"end-of-candidates", read_end_of_candidates},
    {"group", read_group},
    {"bundle-only", read_bundle_only},
}};

template <typename Value>
void prefer(std::optional<Given<Value>>& value, std::optional<Given<Value>>& fallback) {
  if (!value) value = std::move(fallback);
}

}  // namespace

std::expected<void, ParseError> Level::read(const Line& line) {
  if (line.type != 'a') return {};
  const auto subject = std::ranges::find(kSubjects, attribute_of(line).name, &Subject::name);
  return subject == kSubjects.end() ? Result{} : subject->read(*this, line);
}

Level merged(Level session, Level media) {
  prefer(media.mid, session.mid);
  prefer(media.ufrag, session.ufrag);
  prefer(media.pwd, session.pwd);
  prefer(media.setup, session.setup);
  prefer(media.ice_pacing, session.ice_pacing);
  prefer(media.sctp_port, session.sctp_port);
  prefer(media.max_message_size, session.max_message_size);
  if (media.fingerprints.empty()) media.fingerprints = std::move(session.fingerprints);
  if (media.candidates.empty()) media.candidates = std::move(session.candidates);
  media.bundled = std::move(session.bundled);
  media.ice_lite |= session.ice_lite;
  media.trickle |= session.trickle;
  media.end_of_candidates |= session.end_of_candidates;
  return media;
}

}  // namespace isotube::sdp
