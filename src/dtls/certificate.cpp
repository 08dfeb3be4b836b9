#include "dtls/certificate.hpp"

#include <openssl/ec.h>
#include <openssl/rand.h>

#include <array>
#include <ctime>

#include "dtls/certificate_impl.hpp"
#include "dtls/fingerprint_check.hpp"
#include "dtls/openssl.hpp"

namespace isotube::dtls {
namespace {

constexpr std::int64_t kDay = 24 * 60 * 60;
constexpr std::int64_t kValidDays = 30;

// All of what follows fails only for lack of memory (or of a working random source, which is no better).
void demand(bool done) {
  if (!done) throw std::bad_alloc();
}

/// 63 random bits: RFC 5280 4.1.2.2 wants a positive number, and RFC 8827 6.5 nothing that tells who we are.
void set_serial(X509& certificate) {
  std::array<unsigned char, 8> bytes{};
  demand(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  std::uint64_t serial = 0;
  for (unsigned char each : bytes) serial = serial << 8 | each;
  demand(ASN1_INTEGER_set_uint64(X509_get_serialNumber(&certificate), serial >> 1) == 1);
}

void set_validity(X509& certificate, std::int64_t unix_seconds) {
  const std::time_t from = unix_seconds - kDay;
  const std::time_t until = unix_seconds + kValidDays * kDay;
  demand(ASN1_TIME_set(X509_getm_notBefore(&certificate), from) != nullptr);
  demand(ASN1_TIME_set(X509_getm_notAfter(&certificate), until) != nullptr);
}

/// The same name on all certificates: it must tell nothing about the tube.
void set_names(X509& certificate) {
  X509_NAME* name = X509_get_subject_name(&certificate);
  constexpr std::array<unsigned char, 6> kName = {'W', 'e', 'b', 'R', 'T', 'C'};
  demand(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, kName.data(), static_cast<int>(kName.size()),
                                    -1, 0) == 1);
  demand(X509_set_issuer_name(&certificate, name) == 1);
}

Fingerprint fingerprint_of(const X509& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  demand(X509_digest(&certificate, digest_of(HashAlgorithm::Sha256), digest.data(), &length) == 1);
  return {HashAlgorithm::Sha256, to_bytes(std::as_bytes(std::span(digest).first(length)))};
}

}  // namespace

Certificate Certificate::generate(std::int64_t unix_seconds) {
  const OpenSslCall call(nullptr, TimePoint{});
  auto impl = std::make_unique<Impl>();
  impl->key.reset(or_bad_alloc(EVP_EC_gen("P-256")));
  impl->certificate.reset(or_bad_alloc(X509_new()));
  X509& certificate = *impl->certificate;
  demand(X509_set_version(&certificate, X509_VERSION_3) == 1);
  set_serial(certificate);
  set_validity(certificate, unix_seconds);
  set_names(certificate);
  demand(X509_set_pubkey(&certificate, impl->key.get()) == 1);
  demand(X509_sign(&certificate, impl->key.get(), EVP_sha256()) > 0);
  impl->fingerprint = fingerprint_of(certificate);
  return Certificate(std::move(impl));
}

Certificate::Certificate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Certificate::Certificate(Certificate&&) noexcept = default;
Certificate& Certificate::operator=(Certificate&&) noexcept = default;
Certificate::~Certificate() = default;

const Fingerprint& Certificate::fingerprint() const { return impl_->fingerprint; }

}  // namespace isotube::dtls
