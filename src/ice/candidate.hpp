// ICE candidates (RFC 8445 5.1, RFC 8839 5.1) as values and as text.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.hpp"

namespace isotube::ice {

enum class CandidateType : std::uint8_t { Host, ServerReflexive, PeerReflexive, Relayed };

enum class TransportProtocol : std::uint8_t { Udp, Tcp };

/// One candidate. Data channels have a single component, so there is no component field: other components are
/// dropped when a description is read.
struct Candidate {
  std::string foundation;
  TransportProtocol protocol = TransportProtocol::Udp;
  std::uint32_t priority = 0;
  Address address;
  /// Set instead of `address.ip` when the peer gave a name (".local" of RFC draft mdns-ice-candidates, or a host
  /// name): such a candidate is skipped without waiting.
  std::string host_name;
  CandidateType type = CandidateType::Host;
  std::optional<Address> related;
  /// The generation that it belongs to, where the signalling says so (RFC 8839 5.4, `ufrag` extension).
  std::string ufrag;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

/// Why a candidate line can't be used. `Unsupported` (another component, an unknown transport or type) is skipped by
/// the reader of a description, `Malformed` is an error.
enum class CandidateError : std::uint8_t { Malformed, Unsupported };

/// Reads the value of an `a=candidate` attribute: "candidate:…", with or without that word. Unknown extensions are
/// ignored.
[[nodiscard]] std::expected<Candidate, CandidateError> parse_candidate(std::string_view text);

/// The value of an `a=candidate` attribute, "candidate:" included.
[[nodiscard]] std::string to_string(const Candidate& candidate);

[[nodiscard]] std::string_view to_string(CandidateType type);

/// RFC 8445 5.1.2.1 with the recommended type preferences; component 1.
[[nodiscard]] std::uint32_t candidate_priority(CandidateType type, std::uint16_t local_preference);

}  // namespace isotube::ice
