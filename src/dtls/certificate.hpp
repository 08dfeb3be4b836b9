// A tube's own certificate, and the fingerprints that bind certificates to descriptions (RFC 8122, RFC 8827 6.5).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace isotube::dtls {

enum class HashAlgorithm : std::uint8_t { Sha256, Sha384, Sha512 };

/// One `a=fingerprint`: the hash of a certificate in DER.
struct Fingerprint {
  HashAlgorithm algorithm = HashAlgorithm::Sha256;
  Bytes digest;

  /// "sha-256 AB:CD:…".
  [[nodiscard]] std::string to_string() const;
  /// Reads what to_string() writes, in any case. Nothing for an unknown algorithm or a wrong length.
  [[nodiscard]] static std::optional<Fingerprint> parse(std::string_view text);

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

/// A fresh self-signed ECDSA P-256 certificate with its key. Made per tube and never shared.
/// Cheap to move; not copyable. Throws std::bad_alloc only.
class Certificate {
 public:
  /// Valid from a day before `unix_seconds` (clocks differ) for 30 days.
  [[nodiscard]] static Certificate generate(std::int64_t unix_seconds);

  Certificate(Certificate&&) noexcept;
  Certificate& operator=(Certificate&&) noexcept;
  ~Certificate();

  [[nodiscard]] const Fingerprint& fingerprint() const;

 private:
  friend class Session;
  struct Impl;
  explicit Certificate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::dtls
