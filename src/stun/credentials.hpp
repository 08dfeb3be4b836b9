// What user name, realm and password become in STUN (RFC 8489 9.1.1, 9.2.2, 14.4).
//
// Names and passwords are taken as they are: preparing them (OpaqueString, RFC 8265) is the caller's, and ICE's need
// none.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.hpp"
#include "stun/message.hpp"

namespace isotube::stun {

/// The key of long-term credentials: MD5 or SHA-256 of "user:realm:password" (RFC 8489 18.5.1). The key of short-term
/// credentials is the password itself.
[[nodiscard]] Bytes long_term_key(PasswordAlgorithmId algorithm, std::string_view username, std::string_view realm,
                                  std::string_view password);

/// The value of USERHASH: SHA-256 of "user:realm".
[[nodiscard]] std::array<std::byte, 32> user_hash(std::string_view username, std::string_view realm);

}  // namespace isotube::stun
