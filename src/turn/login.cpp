#include "turn/login.hpp"

#include <algorithm>
#include <array>

#include "stun/credentials.hpp"

namespace isotube::turn {
namespace {

using stun::AttributeType;
using stun::PasswordAlgorithmId;

/// RFC 8489 9.2.1.
constexpr std::string_view kNonceCookie = "obMatJos2";

/// RFC 8489 18.1 with erratum 6290: bits are counted from the right.
constexpr std::uint32_t kPasswordAlgorithmsBit = 1U << 0;
constexpr std::uint32_t kUserAnonymityBit = 1U << 1;

/// RFC 8489 14.3 gives user names at most 508 bytes; time-limited ones with a tube's id are far below.
constexpr std::size_t kMaxUsername = 763;

/// What is repeated in each request must not be what the server likes: a few algorithms with parameters.
constexpr std::size_t kMaxAlgorithms = 256;

/// The 24 bits of the security features, from four characters of base64; 0 without a nonce cookie.
std::uint32_t security_features(std::string_view nonce) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (!nonce.starts_with(kNonceCookie) || nonce.size() < kNonceCookie.size() + 4) return 0;
  std::uint32_t features = 0;
  for (char each : nonce.substr(kNonceCookie.size(), 4)) {
    const std::size_t digit = kAlphabet.find(each);
    if (digit == std::string_view::npos) return 0;
    features = (features << 6) | static_cast<std::uint32_t>(digit);
  }
  return features;
}

/// RFC 8489 9.2.5 takes the first of the list that is supported. Any of the list is accepted by the server, so the
/// better one is taken whatever the order.
std::optional<PasswordAlgorithmId> choose(const std::vector<stun::PasswordAlgorithm>& offered) {
  for (PasswordAlgorithmId wanted : {PasswordAlgorithmId::Sha256, PasswordAlgorithmId::Md5}) {
    if (std::ranges::find(offered, wanted, &stun::PasswordAlgorithm::id) != offered.end()) return wanted;
  }
  return std::nullopt;
}

}  // namespace

bool Login::is_downgraded(const stun::MessageView& answer) {
  const auto nonce = answer.text(AttributeType::Nonce);
  return nonce && (security_features(*nonce) & kPasswordAlgorithmsBit) != 0 &&
         !answer.has(AttributeType::PasswordAlgorithms);
}

Login::Challenge Login::take(const stun::MessageView& answer) {
  const auto nonce = answer.text(AttributeType::Nonce);
  const auto realm = answer.text(AttributeType::Realm);
  // A 438 without REALM means the realm that is known.
  if (!nonce || nonce->empty() || (!realm && (!challenged() || answer.has(AttributeType::Realm)))) {
    return Challenge::Unusable;
  }
  if (is_downgraded(answer)) return Challenge::Downgraded;
  if (username_.empty() || username_.size() > kMaxUsername) return Challenge::Unanswerable;
  const ByteView algorithms = answer.find(AttributeType::PasswordAlgorithms).value_or(ByteView{});
  auto algorithm = std::optional(PasswordAlgorithmId::Md5);
  if (!algorithms.empty()) {
    const auto offered = answer.password_algorithms(AttributeType::PasswordAlgorithms);
    if (!offered || algorithms.size() > kMaxAlgorithms) return Challenge::Unusable;
    algorithm = choose(*offered);
    if (!algorithm) return Challenge::Unanswerable;
  }
  const bool same_key = challenged() && *algorithm == algorithm_ && (!realm || *realm == realm_);
  nonce_ = *nonce;
  if (realm) realm_ = *realm;
  anonymous_ = (security_features(nonce_) & kUserAnonymityBit) != 0;
  algorithms_ = to_bytes(algorithms);
  algorithm_ = *algorithm;
  if (!same_key) key_.emplace(stun::long_term_key(algorithm_, username_, realm_, password_));
  return Challenge::Taken;
}

void Login::forget() {
  key_.reset();
  realm_.clear();
  nonce_.clear();
  algorithms_.clear();
  anonymous_ = false;
}

void Login::sign(stun::MessageBuilder& request) {
  if (anonymous_) {
    request.bytes(AttributeType::UserHash, stun::user_hash(username_, realm_));
  } else {
    request.text(AttributeType::Username, username_);
  }
  request.text(AttributeType::Realm, realm_).text(AttributeType::Nonce, nonce_);
  if (algorithms_.empty()) {
    request.integrity(stun::Integrity::Sha1, *key_);
    return;
  }
  const std::array<stun::PasswordAlgorithm, 1> chosen = {stun::PasswordAlgorithm{algorithm_, {}}};
  request.bytes(AttributeType::PasswordAlgorithms, algorithms_)
      .password_algorithms(AttributeType::PasswordAlgorithm, chosen)
      // RFC 8489 9.2.5: once algorithms were listed, SHA-256 only.
      .integrity(stun::Integrity::Sha256, *key_);
}

bool Login::is_genuine(const stun::MessageView& answer) {
  if (!algorithms_.empty() && !answer.integrity_sha256()) return false;
  return key_ && key_->check(answer) == stun::IntegrityCheck::Right;
}

}  // namespace isotube::turn
