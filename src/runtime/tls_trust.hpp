// Whose certificates a TLS client believes.
#pragma once

#include <expected>
#include <memory>
#include <string>

struct ssl_ctx_st;

namespace isotube::runtime {

/// An immutable value; copies share what was read. It holds no tube's data, so all tubes may have one: the machine's
/// authorities take up to 100 ms to read, too long for each connection. Thread-safe.
class TlsTrust {
 public:
  /// Believes nobody: every TLS connection with it fails.
  TlsTrust() = default;
  /// The machine's authorities, as OpenSSL finds them (SSL_CERT_FILE and SSL_CERT_DIR change where).
  [[nodiscard]] static std::expected<TlsTrust, std::string> system();
  /// The authorities of a PEM file, and no others. The error says which file, and why.
  [[nodiscard]] static std::expected<TlsTrust, std::string> from_file(const std::string& path);

  /// Settings of a client of TLS 1.2 and up; nothing if nobody is believed.
  [[nodiscard]] ssl_ctx_st* context() const { return context_.get(); }

 private:
  explicit TlsTrust(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}

  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace isotube::runtime
