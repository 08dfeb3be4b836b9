// Certificates for tests, and servers' TLS contexts with them.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

namespace isotube::runtime {

/// Vouches for itself: to trust it, trust `pem`.
struct TestCertificate {
  std::string pem;
  std::shared_ptr<SSL_CTX> server_context;
};

struct CertificateWishes {
  /// As OpenSSL writes subject alternative names: "DNS:relay.example", "IP:127.0.0.1".
  std::vector<std::string> alternative_names;
  std::string common_name = "test";
  long valid_from = -86'400;
  long valid_until = 86'400;
};

[[nodiscard]] TestCertificate make_test_certificate(const CertificateWishes& wishes);

}  // namespace isotube::runtime
