#include "ice/candidate.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace isotube::ice {
namespace {

/// RFC 8839 5.1: foundation 1*32, ufrag 4*256 ice-char; names as DNS bounds them.
constexpr std::size_t kMaxFoundation = 32;
constexpr std::size_t kMaxUfrag = 256;
constexpr std::size_t kMaxHostName = 255;

struct TypeName {
  CandidateType type;
  std::string_view name;
};
constexpr std::array<TypeName, 4> kTypeNames = {{{CandidateType::Host, "host"},
                                                 {CandidateType::ServerReflexive, "srflx"},
                                                 {CandidateType::PeerReflexive, "prflx"},
                                                 {CandidateType::Relayed, "relay"}}};

// Not <cctype>: those ask the process's locale.
char lower(char each) { return each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each; }

bool is_alphanumeric(char each) { return (each >= '0' && each <= '9') || (lower(each) >= 'a' && lower(each) <= 'z'); }

bool is_ice_text(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most &&
         std::ranges::all_of(text, [](char each) { return is_alphanumeric(each) || each == '+' || each == '/'; });
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxHostName && std::ranges::all_of(text, [](char each) {
    return is_alphanumeric(each) || each == '-' || each == '.' || each == '_';
  });
}

bool equal_without_case(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, lower, lower);
}

template <typename Integer>
std::optional<Integer> read_integer(std::string_view text) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The next word of `text`, which loses it; empty at the end.
std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

/// What "raddr", "rport" and "ufrag" may say after the fixed part.
struct Extensions {
  std::optional<IpAddress> related_ip;
  std::optional<std::uint16_t> related_port;
  std::string ufrag;
};

std::expected<Extensions, CandidateError> read_extensions(std::string_view text) {
  Extensions extensions;
  for (std::string_view name = next_word(text); !name.empty(); name = next_word(text)) {
    const std::string_view value = next_word(text);
    if (value.empty()) return std::unexpected(CandidateError::Malformed);
    if (name == "raddr") {
      // A name here (RFC 8839 5.1 allows one) tells nothing that is used.
      extensions.related_ip = IpAddress::parse(value);
    } else if (name == "rport") {
      extensions.related_port = read_integer<std::uint16_t>(value);
      if (!extensions.related_port) return std::unexpected(CandidateError::Malformed);
    } else if (name == "ufrag") {
      if (!is_ice_text(value, kMaxUfrag)) return std::unexpected(CandidateError::Malformed);
      extensions.ufrag = value;
    }
  }
  return extensions;
}

/// Puts an address or a name into `candidate`; false if `text` is neither.
bool read_host(std::string_view text, Candidate& candidate) {
  if (const auto ip = IpAddress::parse(text)) {
    candidate.address.ip = *ip;
    return true;
  }
  if (!is_host_name(text)) return false;
  candidate.host_name = text;
  return true;
}

std::optional<CandidateType> read_type(std::string_view name) {
  const auto* found = std::ranges::find(kTypeNames, name, &TypeName::name);
  if (found == kTypeNames.end()) return std::nullopt;
  return found->type;
}

}  // namespace

std::expected<Candidate, CandidateError> parse_candidate(std::string_view text) {
  constexpr std::string_view kPrefix = "candidate:";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  const std::string_view foundation = next_word(text);
  const auto component = read_integer<std::uint16_t>(next_word(text));
  const std::string_view transport = next_word(text);
  const auto priority = read_integer<std::uint32_t>(next_word(text));
  const std::string_view host = next_word(text);
  const auto port = read_integer<std::uint16_t>(next_word(text));
  const std::string_view keyword = next_word(text);
  const std::string_view type_name = next_word(text);
  if (!is_ice_text(foundation, kMaxFoundation) || !component || *component == 0 || *component > 256 || !priority ||
      !port || keyword != "typ" || type_name.empty()) {
    return std::unexpected(CandidateError::Malformed);
  }
  Candidate candidate;
  candidate.foundation = foundation;
  candidate.priority = *priority;
  candidate.address.port = *port;
  if (!read_host(host, candidate)) return std::unexpected(CandidateError::Malformed);
  const auto extensions = read_extensions(text);
  if (!extensions) return std::unexpected(extensions.error());
  candidate.ufrag = extensions->ufrag;
  if (extensions->related_ip && extensions->related_port) {
    candidate.related = Address{*extensions->related_ip, *extensions->related_port};
  }
  const auto type = read_type(type_name);
  const bool tcp = equal_without_case(transport, "tcp");
  if (*component != 1 || !type || (!tcp && !equal_without_case(transport, "udp"))) {
    return std::unexpected(CandidateError::Unsupported);
  }
  candidate.type = *type;
  candidate.protocol = tcp ? TransportProtocol::Tcp : TransportProtocol::Udp;
  return candidate;
}

std::string to_string(const Candidate& candidate) {
  std::string text = "candidate:" + candidate.foundation + " 1 ";
  text.append(candidate.protocol == TransportProtocol::Tcp ? "tcp " : "udp ");
  text.append(std::to_string(candidate.priority)).append(" ");
  text.append(candidate.host_name.empty() ? candidate.address.ip.to_string() : candidate.host_name).append(" ");
  text.append(std::to_string(candidate.address.port)).append(" typ ").append(to_string(candidate.type));
  if (candidate.related) {
    text.append(" raddr ").append(candidate.related->ip.to_string());
    text.append(" rport ").append(std::to_string(candidate.related->port));
  }
  if (!candidate.ufrag.empty()) text.append(" ufrag ").append(candidate.ufrag);
  return text;
}

std::string_view to_string(CandidateType type) { return std::ranges::find(kTypeNames, type, &TypeName::type)->name; }

std::uint32_t candidate_priority(CandidateType type, std::uint16_t local_preference) {
  // RFC 8445 5.1.2.2: recommended type preferences; the last byte is 256 less the component.
  constexpr std::array<std::uint32_t, 4> kTypePreference = {126, 100, 110, 0};
  const std::uint32_t type_preference = kTypePreference[static_cast<std::size_t>(type)];
  return (type_preference << 24) | (std::uint32_t{local_preference} << 8) | 255U;
}

}  // namespace isotube::ice
