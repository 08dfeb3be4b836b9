// Long-term credentials (RFC 8489 9.2): what a server challenged with, and what answers the challenge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "stun/builder.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace isotube::turn {

/// User and password for one server, with the newest realm and nonce that it gave. Every request is signed with the
/// newest nonce, whichever transaction brought it.
class Login {
 public:
  Login(std::string_view username, std::string_view password) : username_(username), password_(password) {}

  enum class Challenge : std::uint8_t {
    Taken,
    Unusable,      ///< realm or nonce missing or malformed
    Downgraded,    ///< somebody took the password algorithms out (RFC 8489 9.2.1)
    Unanswerable,  ///< no algorithm that we know, or no user name
  };

  /// Reads a 401 or 438. Unless Taken nothing changes.
  [[nodiscard]] Challenge take(const stun::MessageView& answer);
  /// Another server, or the same one after it forgot us.
  void forget();

  /// True when requests can be signed.
  [[nodiscard]] bool challenged() const { return key_.has_value(); }
  [[nodiscard]] const std::string& realm() const { return realm_; }
  [[nodiscard]] const std::string& nonce() const { return nonce_; }

  /// Adds the credentials and, as the last attribute, the integrity.
  void sign(stun::MessageBuilder& request);
  /// True if the answer carries the integrity that requests carry (RFC 8489 9.2.5), and it is right.
  [[nodiscard]] bool is_genuine(const stun::MessageView& answer);

  /// True if the nonce says that password algorithms were listed, and they are not there: to be ignored.
  [[nodiscard]] static bool is_downgraded(const stun::MessageView& answer);

 private:
  std::string username_;
  std::string password_;
  std::string realm_;
  std::string nonce_;
  bool anonymous_ = false;
  /// The server's PASSWORD-ALGORITHMS, to be repeated as they came; empty: MD5 and SHA-1, as in RFC 5389.
  Bytes algorithms_;
  stun::PasswordAlgorithmId algorithm_ = stun::PasswordAlgorithmId::Md5;
  std::optional<stun::IntegrityKey> key_;
};

}  // namespace isotube::turn
