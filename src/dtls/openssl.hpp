// OpenSSL's objects as owned values, and what surrounds every call into it.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <new>
#include <string>

#include "base/time.hpp"
#include "dtls/surroundings.hpp"

namespace isotube::dtls {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

using OwnedX509 = std::unique_ptr<X509, FreeWith<X509_free>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using OwnedContext = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using OwnedSsl = std::unique_ptr<SSL, FreeWith<SSL_free>>;
using OwnedBio = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using OwnedBioMethod = std::unique_ptr<BIO_METHOD, FreeWith<BIO_meth_free>>;

/// For what OpenSSL refuses only when memory ran out.
template <typename T>
[[nodiscard]] T* or_bad_alloc(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

/// Stands around every call into OpenSSL. The thread's error queue is shared by all tubes that run on it: an entry that
/// another one left would turn "wants more" into "failed" for a healthy session (row D5), and ours must not do that to
/// them.
class OpenSslCall {
 public:
  OpenSslCall(Surroundings* surroundings, TimePoint now) : scope_(surroundings, now) { ERR_clear_error(); }
  ~OpenSslCall() { ERR_clear_error(); }
  OpenSslCall(const OpenSslCall&) = delete;
  OpenSslCall& operator=(const OpenSslCall&) = delete;

 private:
  SurroundingsScope scope_;
};

}  // namespace isotube::dtls
