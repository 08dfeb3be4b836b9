// Self-signed certificates for tests.
#pragma once

#include <string>

namespace isotube::gateway {

struct TestCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

[[nodiscard]] TestCertificate make_test_certificate(const std::string& common_name);

}  // namespace isotube::gateway
