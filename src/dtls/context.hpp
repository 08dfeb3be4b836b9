// How OpenSSL is set up for one tube.
#pragma once

#include <cstddef>

#include "dtls/openssl.hpp"

namespace isotube::dtls {

/// Largest plaintext of one record: a datagram on Ethernet less IPv4 and UDP headers (1,472). It bounds the write
/// buffer, which OpenSSL would make 16 KiB otherwise, and does not bound what we receive.
inline constexpr std::size_t kMaxPlaintext = 1'472;

/// An own context: no tube shares one (sessions, tickets, verify parameters and locks live in it).
[[nodiscard]] OwnedContext make_context(X509& certificate, EVP_PKEY& key);

}  // namespace isotube::dtls
