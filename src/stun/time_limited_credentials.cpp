#include "stun/time_limited_credentials.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "base/assert.hpp"

namespace isotube::stun {

TimeLimitedCredentials make_time_limited_credentials(std::string_view secret, std::int64_t expires_at,
                                                     std::string_view id) {
  TimeLimitedCredentials made{.username = std::to_string(expires_at), .password = {}};
  made.username.append(":").append(id);
  made.password = time_limited_password(secret, made.username);
  return made;
}

std::string time_limited_password(std::string_view secret, std::string_view username) {
  constexpr std::size_t kDigest = 20;
  constexpr std::size_t kBase64 = 28;
  std::array<unsigned char, kDigest> digest{};
  unsigned length = 0;
  // Once per tube: here the one-shot form, slow as it is, does no harm.
  const bool done =
      HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(username.data()), username.size(), digest.data(), &length) != nullptr;
  ISOTUBE_ASSERT(done && length == kDigest);
  std::array<unsigned char, kBase64 + 1> text{};  // with the zero that OpenSSL puts behind it
  EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(kDigest));
  return {reinterpret_cast<const char*>(text.data()), kBase64};
}

}  // namespace isotube::stun
