// MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489 14.5, 14.6).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>

#include "base/bytes.hpp"
#include "stun/message.hpp"

struct evp_mac_ctx_st;

namespace isotube::stun {

enum class Integrity : std::uint8_t { Sha1, Sha256 };

enum class IntegrityCheck : std::uint8_t { Right, Wrong, Missing };

/// A key and the HMAC contexts that were set up with it: a message costs no key schedule and no look-up of an
/// algorithm (OpenSSL's one-shot HMAC() does both, under locks that all tubes share).
/// Ownership: belongs to one tube. Not thread-safe; may move between threads between calls. The key is wiped when it
/// dies.
class IntegrityKey {
 public:
  static constexpr std::size_t kSha1Size = 20;
  static constexpr std::size_t kSha256Size = 32;

  explicit IntegrityKey(ByteView key);
  ~IntegrityKey();
  IntegrityKey(IntegrityKey&&) noexcept = default;
  IntegrityKey& operator=(IntegrityKey&&) noexcept;

  /// Compares in constant time what the message carries with what it should carry. Where both are there,
  /// MESSAGE-INTEGRITY-SHA256 decides (RFC 8489 9.1.3).
  [[nodiscard]] IntegrityCheck check(const MessageView& message);

  /// The value of the attribute for a message whose bytes up to it are `head`. The header's length is taken as if the
  /// message ended with an attribute of `value_size` bytes.
  [[nodiscard]] std::array<std::byte, kSha1Size> sha1(ByteView head, std::size_t value_size);
  [[nodiscard]] std::array<std::byte, kSha256Size> sha256(ByteView head, std::size_t value_size);

 private:
  struct FreeContext {
    void operator()(evp_mac_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_mac_ctx_st, FreeContext>;

  [[nodiscard]] Context make_context(const char* digest) const;
  void compute(Context& context, const char* digest, ByteView head, std::size_t value_size, MutableByteView out);
  void wipe();

  Bytes key_;
  // Made when first needed: most tubes meet only one of them.
  Context sha1_;
  Context sha256_;
};

}  // namespace isotube::stun
