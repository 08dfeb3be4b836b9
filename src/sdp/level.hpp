// The attributes that describe a data channel's transport, as one level (session or media) of a description gives them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sdp/description.hpp"
#include "sdp/lines.hpp"

namespace isotube::sdp {

/// A value and the line that gave it, so that what is wrong with it can be told later.
template <typename Value>
struct Given {
  Value value{};
  int line = 0;
};

struct Level {
  std::optional<Given<std::string>> mid;
  std::optional<Given<std::string>> ufrag;
  std::optional<Given<std::string>> pwd;
  std::optional<Given<Setup>> setup;
  std::optional<Given<Duration>> ice_pacing;
  std::optional<Given<std::uint16_t>> sctp_port;
  std::optional<Given<std::uint64_t>> max_message_size;
  std::vector<dtls::Fingerprint> fingerprints;  ///< of unknown algorithms none
  std::vector<ice::Candidate> candidates;       ///< at most kMaxCandidates
  std::vector<std::string> bundled;             ///< mids of `a=group:BUNDLE`
  bool ice_lite = false;
  bool trickle = false;
  bool end_of_candidates = false;
  bool bundle_only = false;

  /// Takes an `a=` line; one of another subject changes nothing.
  [[nodiscard]] std::expected<void, ParseError> read(const Line& line);
};

/// What holds for the media section: its own attributes, the session's where it has none (RFC 8839 5, RFC 8122 5).
[[nodiscard]] Level merged(Level session, Level media);

}  // namespace isotube::sdp
