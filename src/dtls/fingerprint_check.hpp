// Whether a certificate is one that a description announced (RFC 8122 5).
#pragma once

#include <span>

#include "dtls/certificate.hpp"
#include "dtls/openssl.hpp"

namespace isotube::dtls {

/// True if the hash of `certificate` is any one of `announced`; none announced matches nothing. Compares in constant
/// time and throws nothing, for it runs inside OpenSSL's frames.
[[nodiscard]] bool matches_any(const X509& certificate, std::span<const Fingerprint> announced) noexcept;

/// What `algorithm` is to OpenSSL. Never null.
[[nodiscard]] const EVP_MD* digest_of(HashAlgorithm algorithm) noexcept;

}  // namespace isotube::dtls
