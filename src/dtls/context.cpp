#include "dtls/context.hpp"

namespace isotube::dtls {
namespace {

/// AES-128-GCM first: RFC 8827 6.5 has every WebRTC endpoint know it, and it costs less than the 256 that OpenSSL
/// prefers. ECDHE-RSA is for peers with an RSA certificate. AEAD only: Session::kOverhead holds for all of these.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";

/// Offered though no media ever flows: browsers offer it always, and werift as a DTLS server never starts SCTP with a
/// client that does not (RFC 5764 4.1.2 wants it of media only).
constexpr const char* kSrtpProfiles = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";

/// A self-signed certificate has 1 KiB, a chain with RSA keys 4.
constexpr long kMaxCertificates = 16'384;

constexpr std::uint64_t kOptions = SSL_OP_NO_QUERY_MTU        // the datagram size is ours to say
                                   | SSL_OP_NO_TICKET         // a tube connects once
                                   | SSL_OP_NO_RENEGOTIATION  // RFC 8827 has no use for it, and it is an attack surface
                                   | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION;

// These refuse nothing that we ask for, but for lack of memory.
void demand(bool done) {
  if (!done) throw std::bad_alloc();
}

}  // namespace

OwnedContext make_context(X509& certificate, EVP_PKEY& key) {
  OwnedContext context(or_bad_alloc(SSL_CTX_new(DTLS_method())));
  // RFC 8827 6.5: DTLS 1.2 at least; OpenSSL 3.0 knows no later.
  demand(SSL_CTX_set_min_proto_version(context.get(), DTLS1_2_VERSION) == 1);
  demand(SSL_CTX_set_max_proto_version(context.get(), DTLS1_2_VERSION) == 1);
  SSL_CTX_set_options(context.get(), kOptions);
  demand(SSL_CTX_set_cipher_list(context.get(), kCiphers) == 1);
  demand(SSL_CTX_set1_groups_list(context.get(), kGroups) == 1);
  demand(SSL_CTX_set_tlsext_use_srtp(context.get(), kSrtpProfiles) == 0);  // this one call has 0 for success
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  demand(SSL_CTX_set_max_send_fragment(context.get(), kMaxPlaintext) == 1);
  SSL_CTX_set_max_cert_list(context.get(), kMaxCertificates);
  demand(SSL_CTX_use_certificate(context.get(), &certificate) == 1);
  demand(SSL_CTX_use_PrivateKey(context.get(), &key) == 1);
  // RFC 8827 6.5: both sides show a certificate.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

}  // namespace isotube::dtls
