#include <algorithm>
#include <array>

#include "sdp/description.hpp"

namespace isotube::sdp {
namespace {

class Writer {
 public:
  template <typename... Parts>
  void line(const Parts&... parts) {
    (text_.append(parts), ...);
    text_.append("\r\n");
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string_view name_of(Setup setup) {
  switch (setup) {
    case Setup::ActPass:
      return "actpass";
    case Setup::Active:
      return "active";
    case Setup::Passive:
      return "passive";
  }
  return {};
}

/// RFC 8839 4.2.1.2: the candidate that most likely works for a peer without ICE, relayed before reflexive before
/// host. No peer uses it, but one that doesn't trickle compares it with the candidates (RFC 8839 4.2.5).
const ice::Candidate* default_candidate(const std::vector<ice::Candidate>& candidates) {
  constexpr std::array kOrder = {ice::CandidateType::Relayed, ice::CandidateType::ServerReflexive,
                                 ice::CandidateType::Host};
  for (const ice::CandidateType type : kOrder) {
    const auto found = std::ranges::find_if(candidates, [&](const ice::Candidate& candidate) {
      return candidate.type == type && candidate.protocol == ice::TransportProtocol::Udp &&
             candidate.host_name.empty() && candidate.address.port != 0;
    });
    if (found != candidates.end()) return &*found;
  }
  return nullptr;
}

void write_connection(Writer& writer, const ice::Candidate* candidate) {
  // RFC 8840 4.1.1: port 9 and 0.0.0.0 until there is a candidate.
  const Address address = candidate == nullptr ? Address{IpAddress{}, 9} : candidate->address;
  writer.line("m=application ", std::to_string(address.port), " UDP/DTLS/SCTP webrtc-datachannel");
  writer.line("c=IN ", address.ip.is_v6() ? "IP6 " : "IP4 ", address.ip.to_string());
}

void write_rejected(Writer& writer, const std::vector<RejectedMedia>& sections) {
  for (const RejectedMedia& section : sections) {
    writer.line("m=", section.media, " 0 ", section.protocol, " ", section.formats);
    writer.line("c=IN IP4 0.0.0.0");
    if (!section.mid.empty()) writer.line("a=mid:", section.mid);
  }
}

void write_credentials(Writer& writer, const ice::Credentials& credentials) {
  if (!credentials.ufrag.empty()) writer.line("a=ice-ufrag:", credentials.ufrag);
  if (!credentials.pwd.empty()) writer.line("a=ice-pwd:", credentials.pwd);
}

void write_pacing(Writer& writer, const std::optional<Duration>& pacing) {
  if (!pacing) return;
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(*pacing);
  writer.line("a=ice-pacing:", std::to_string(milliseconds.count()));
}

void write_candidates(Writer& writer, const std::vector<ice::Candidate>& candidates, bool end) {
  for (const ice::Candidate& candidate : candidates) writer.line("a=", ice::to_string(candidate));
  if (end) writer.line("a=end-of-candidates");
}

void write_session(Writer& writer, const Description& description) {
  writer.line("v=0");
  writer.line("o=- ", std::to_string(description.session_id), " ", std::to_string(description.session_version),
              " IN IP4 0.0.0.0");
  writer.line("s=-");
  writer.line("t=0 0");
  if (description.bundle && !description.mid.empty()) writer.line("a=group:BUNDLE ", description.mid);
  if (description.ice_lite) writer.line("a=ice-lite");
  writer.line("a=ice-options:", description.trickle ? "trickle ice2" : "ice2");
  write_pacing(writer, description.ice_pacing);
}

void write_data_section(Writer& writer, const Description& description) {
  write_connection(writer, default_candidate(description.candidates));
  if (!description.mid.empty()) writer.line("a=mid:", description.mid);
  write_credentials(writer, description.ice);
  for (const dtls::Fingerprint& fingerprint : description.fingerprints) {
    writer.line("a=fingerprint:", fingerprint.to_string());
  }
  writer.line("a=setup:", name_of(description.setup));
  writer.line("a=sctp-port:", std::to_string(description.sctp_port));
  if (description.max_message_size) {
    writer.line("a=max-message-size:", std::to_string(*description.max_message_size));
  }
  write_candidates(writer, description.candidates, description.end_of_candidates);
}

}  // namespace

std::string to_string(const Description& description) {
  Writer writer;
  write_session(writer, description);
  write_rejected(writer, description.rejected_before);
  write_data_section(writer, description);
  write_rejected(writer, description.rejected_after);
  return writer.take();
}

Description answer_to(const Description& offer) {
  Description answer;
  answer.type = Type::Answer;
  answer.mid = offer.mid;
  answer.bundle = offer.bundle;
  answer.setup = offer.setup == Setup::Active ? Setup::Passive : Setup::Active;
  answer.rejected_before = offer.rejected_before;
  answer.rejected_after = offer.rejected_after;
  return answer;
}

std::string to_string(const Fragment& fragment) {
  Writer writer;
  if (fragment.ice_lite) writer.line("a=ice-lite");
  write_credentials(writer, fragment.ice);
  write_pacing(writer, fragment.ice_pacing);
  writer.line("m=application 9 UDP/DTLS/SCTP webrtc-datachannel");
  if (!fragment.mid.empty()) writer.line("a=mid:", fragment.mid);
  write_candidates(writer, fragment.candidates, fragment.end_of_candidates);
  return writer.take();
}

}  // namespace isotube::sdp
