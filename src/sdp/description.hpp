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

/// An m-line with port 0, which carries nothing: kept because an answer has as many m-lines as its offer, in the same
/// order (RFC 3264 6).
struct RejectedMedia {
  std::string media;     ///< "audio"
  std::string protocol;  ///< "UDP/TLS/RTP/SAVPF"
  std::string formats;   ///< "111 0"
  std::string mid;       ///< empty without `a=mid`

  friend bool operator==(const RejectedMedia&, const RejectedMedia&) = default;
};

/// What a description says that a tube needs.
struct Description {
  Type type = Type::Offer;
  /// From `o=`; ours are random (RFC 9429 5.2.1).
  std::uint64_t session_id = 0;
  std::uint64_t session_version = 0;
  /// Empty without `a=mid`.
  std::string mid = "0";
  /// Whether `mid` is in a BUNDLE group. An answer may say so only if the offer did (RFC 9143 7.3).
  bool bundle = true;
  ice::Credentials ice;
  bool ice_lite = false;
  /// `a=ice-options:trickle` (RFC 8840 4.1): candidates may follow.
  bool trickle = true;
  /// Whole milliseconds.
  std::optional<Duration> ice_pacing;
  Setup setup = Setup::ActPass;
  std::vector<dtls::Fingerprint> fingerprints;
  std::uint16_t sctp_port = 5000;
  /// Nothing if the attribute is missing, which means 65,536 (RFC 8841 6.1); 0 means no limit.
  std::optional<std::uint64_t> max_message_size;
  std::vector<ice::Candidate> candidates;
  bool end_of_candidates = false;
  /// An answer copies them from its offer.
  std::vector<RejectedMedia> rejected_before, rejected_after;

  friend bool operator==(const Description&, const Description&) = default;
};

/// Malformed: no SDP (HTTP 400). Unusable: SDP that can't work for us (HTTP 422), with the line to blame. `what` says
/// what is wrong and what to send instead; it holds nothing of the text but words of printable ASCII.
struct ParseError {
  enum class Kind : std::uint8_t { Malformed, Unusable };
  Kind kind = Kind::Malformed;
  int line = 0;  ///< from 1; 0 where something is missing altogether
  std::string what;
};

/// Largest description that is read, in bytes.
inline constexpr std::size_t kMaxDescription = 65'536;

/// Candidates that are kept; more are skipped.
inline constexpr std::size_t kMaxCandidates = 64;

/// Reads an offer or answer of any WebRTC stack. m-lines other than the first data channel's are refused (Unusable)
/// unless they are rejected ones (port 0). Unknown attributes are ignored, as are candidates of another component or
/// transport. What may stand on both levels (RFC 8839 5, RFC 8122 5, RFC 4145 4) is taken from the media level first.
[[nodiscard]] std::expected<Description, ParseError> parse(Type type, std::string_view text);
[[nodiscard]] std::string to_string(const Description& description);

/// An answer that repeats of `offer` what its answer must repeat: the mid, the BUNDLE group and the rejected m-lines.
/// Its setup is the fitting one: active unless the offer insists on being that (RFC 8842 5.3).
[[nodiscard]] Description answer_to(const Description& offer);

/// A trickle fragment (RFC 8840 9): candidates, or new credentials for a restart.
struct Fragment {
  /// Empty without `a=mid`.
  std::string mid = "0";
  /// Both empty where the fragment gives none; a fragment that names only its generation has no `pwd`.
  ice::Credentials ice;
  bool ice_lite = false;
  /// Whole milliseconds.
  std::optional<Duration> ice_pacing;
  std::vector<ice::Candidate> candidates;
  bool end_of_candidates = false;

  friend bool operator==(const Fragment&, const Fragment&) = default;
};

/// Reads a body of application/trickle-ice-sdpfrag, with the attributes below its pseudo m-line or without one.
[[nodiscard]] std::expected<Fragment, ParseError> parse_fragment(std::string_view text);
[[nodiscard]] std::string to_string(const Fragment& fragment);

}  // namespace isotube::sdp
