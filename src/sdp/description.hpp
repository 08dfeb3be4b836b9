// Session descriptions for one data channel m-line (RFC 8866, RFC 9429, RFC 8841), as values and as text.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "dtls/certificate.hpp"
#include "ice/agent.hpp"
#include "ice/candidate.hpp"

namespace isotube::sdp {

enum class Type : std::uint8_t { Offer, Answer };

/// a=setup (RFC 8842 5.2).
enum class Setup : std::uint8_t { ActPass, Active, Passive };

/// What a description says that a tube needs.
struct Description {
  Type type = Type::Offer;
  /// From `o=`; ours are random (RFC 9429 5.2.1).
  std::uint64_t session_id = 0;
  std::uint64_t session_version = 0;
  std::string mid = "0";
  ice::Credentials ice;
  bool ice_lite = false;
  bool trickle = true;
  std::optional<Duration> ice_pacing;
  Setup setup = Setup::ActPass;
  std::vector<dtls::Fingerprint> fingerprints;
  std::uint16_t sctp_port = 5000;
  /// Nothing if the attribute is missing, which means 65,536 (RFC 8841 6.1); 0 means no limit.
  std::optional<std::uint64_t> max_message_size;
  std::vector<ice::Candidate> candidates;
  bool end_of_candidates = false;

  friend bool operator==(const Description&, const Description&) = default;
};

/// Malformed: no SDP (HTTP 400). Unusable: SDP that can't work for us (HTTP 422), with the line to blame.
struct ParseError {
  enum class Kind : std::uint8_t { Malformed, Unusable };
  Kind kind = Kind::Malformed;
  int line = 0;  ///< from 1; 0 where something is missing altogether
  std::string what;
};

/// Largest description that is read, in bytes.
inline constexpr std::size_t kMaxDescription = 65'536;

/// Reads an offer or answer of any WebRTC stack. m-lines other than the first data channel's are refused (Unusable)
/// unless they are rejected ones (port 0). Unknown attributes are ignored.
[[nodiscard]] std::expected<Description, ParseError> parse(Type type, std::string_view text);
[[nodiscard]] std::string to_string(const Description& description);

/// A trickle fragment (RFC 8840 9): candidates, or new credentials for a restart.
struct Fragment {
  std::string mid = "0";
  ice::Credentials ice;
  std::vector<ice::Candidate> candidates;
  bool end_of_candidates = false;

  friend bool operator==(const Fragment&, const Fragment&) = default;
};

[[nodiscard]] std::expected<Fragment, ParseError> parse_fragment(std::string_view text);
[[nodiscard]] std::string to_string(const Fragment& fragment);

}  // namespace isotube::sdp
