// Our own credentials, and what only their owner can do: tell requests that are meant for them, and answer.
#pragma once

#include <span>
#include <string_view>

#include "ice/agent.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace isotube::ice {

class LocalKey {
 public:
  explicit LocalKey(Random random);

  [[nodiscard]] const Credentials& credentials() const { return credentials_; }

  /// Whether a request with this USERNAME is for us. RFC 8445 7.3: the part before the colon is ours; what follows may
  /// not be known yet.
  [[nodiscard]] bool is_named_by(std::string_view username) const;
  [[nodiscard]] bool signed_right(const stun::MessageView& request);

  /// `remote` is where the request came from.
  [[nodiscard]] Bytes success(const Address& remote, const stun::MessageView& request);
  [[nodiscard]] Bytes error(const stun::MessageView& request, int code, std::span<const stun::AttributeType> unknown);

 private:
  Credentials credentials_;
  stun::IntegrityKey key_;
};

/// The attributes of a Binding request that have to be understood and are not (RFC 8489 6.3.1).
[[nodiscard]] std::vector<stun::AttributeType> not_understood(const stun::MessageView& request);

}  // namespace isotube::ice
