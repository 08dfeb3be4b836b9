#pragma once

#include "dtls/certificate.hpp"
#include "dtls/openssl.hpp"

namespace isotube::dtls {

struct Certificate::Impl {
  OwnedX509 certificate;
  OwnedKey key;
  Fingerprint fingerprint;
};

}  // namespace isotube::dtls
