#include "ice/local_key.hpp"

#include <array>

#include "stun/builder.hpp"

namespace isotube::ice {
namespace {

using stun::AttributeType;

/// 48 bits tell sessions apart, 144 bits can't be guessed (RFC 8445 5.3 wants 24 and 128).
constexpr std::size_t kUfragLength = 8;
constexpr std::size_t kPwdLength = 24;

std::string draw_text(Random& random, std::size_t length) {
  constexpr std::string_view kIceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text(length, '\0');
  for (char& each : text) each = kIceChars[random.below(kIceChars.size())];
  return text;
}

Credentials draw_credentials(Random random) {
  Credentials credentials;
  credentials.ufrag = draw_text(random, kUfragLength);
  credentials.pwd = draw_text(random, kPwdLength);
  return credentials;
}

stun::Integrity integrity_of(const stun::MessageView& request) {
  return request.integrity_sha256() ? stun::Integrity::Sha256 : stun::Integrity::Sha1;
}

}  // namespace

LocalKey::LocalKey(Random random) : credentials_(draw_credentials(random)), key_(as_byte_view(credentials_.pwd)) {}

bool LocalKey::is_named_by(std::string_view username) const {
  return username.starts_with(credentials_.ufrag) && username.substr(credentials_.ufrag.size()).starts_with(":");
}

bool LocalKey::signed_right(const stun::MessageView& request) {
  return key_.check(request) == stun::IntegrityCheck::Right;
}

Bytes LocalKey::success(const Address& remote, const stun::MessageView& request) {
  return stun::MessageBuilder(stun::Class::Success, stun::Method::Binding, request.transaction_id())
      .xor_address(AttributeType::XorMappedAddress, remote)
      .integrity(integrity_of(request), key_)
      .fingerprint()
      .take();
}

Bytes LocalKey::error(const stun::MessageView& request, int code, std::span<const AttributeType> unknown) {
  stun::MessageBuilder builder(stun::Class::Error, stun::Method::Binding, request.transaction_id());
  builder.error(code, {});
  if (!unknown.empty()) builder.unknown_attributes(unknown);
  return builder.integrity(integrity_of(request), key_).fingerprint().take();
}

std::vector<AttributeType> not_understood(const stun::MessageView& request) {
  constexpr std::array<AttributeType, 3> kUnderstood = {AttributeType::Username, AttributeType::Priority,
                                                        AttributeType::UseCandidate};
  return request.not_understood(kUnderstood);
}

}  // namespace isotube::ice
