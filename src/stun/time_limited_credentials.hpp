// Credentials that a TURN server checks without knowing their user: those of "A REST API For Access To TURN Services"
// (draft-uberti-behave-turn-rest-00), coturn's `use-auth-secret`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace isotube::stun {

struct TimeLimitedCredentials {
  std::string username;  ///< "EXPIRY:ID"
  std::string password;
};

/// Valid until `expires_at`, in seconds since 1970. `id` names who uses them: coturn counts its quotas by it, so an id
/// per tube gives each tube a quota of its own.
[[nodiscard]] TimeLimitedCredentials make_time_limited_credentials(std::string_view secret, std::int64_t expires_at,
                                                                   std::string_view id);

/// base64(HMAC-SHA1(secret, username)).
[[nodiscard]] std::string time_limited_password(std::string_view secret, std::string_view username);

}  // namespace isotube::stun
