// The client's side of one TLS connection, in memory: it has no socket.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <expected>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "runtime/byte_queue.hpp"
#include "runtime/tls_trust.hpp"

namespace isotube::runtime {

/// Feed it what the server sent, then call handshake() or read() until it wants more: by then it has taken all of it.
/// What is in output() is to be sent to the server, after an error too (it tells the server why). Errors are in plain
/// words and final.
///
/// The server's certificate must lead to an authority that is trusted and be for `name`, a host name or an IP address
/// (RFC 9525; what it is for is compared by OpenSSL itself).
class TlsClient {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<TlsClient>, std::string> create(const TlsTrust& trust,
                                                                                     std::string name);
  explicit TlsClient(std::string name);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// `bytes` must stay valid until they are taken.
  void feed(ByteView bytes) { input_ = bytes; }
  /// Whether the handshake is done; if not, it wants more.
  [[nodiscard]] std::expected<bool, std::string> handshake();
  /// How many bytes of plaintext were put into `out`; 0 if it wants more.
  [[nodiscard]] std::expected<std::size_t, std::string> read(MutableByteView out);
  [[nodiscard]] std::expected<void, std::string> write(ByteView plaintext);
  /// Puts the farewell (close_notify) into output().
  void close();

  [[nodiscard]] ByteQueue& output() { return output_; }

 private:
  template <auto kFree>
  struct FreeWith {
    template <typename T>
    void operator()(T* object) const noexcept {
      kFree(object);
    }
  };

  /// What a server can make us say without reading any of it ends here.
  static constexpr std::size_t kMaxOutput = std::size_t{512} << 10;

  static int on_write(BIO* bio, const char* bytes, int length) noexcept;
  static int on_read(BIO* bio, char* out, int room) noexcept;
  static long on_control(BIO* bio, int command, long number, void* pointer) noexcept;
  static int on_create(BIO* bio) noexcept;
  static int on_verify(int trusted, X509_STORE_CTX* verification) noexcept;

  void make_bio_method();
  void attach();
  [[nodiscard]] bool expect_name();
  [[nodiscard]] std::string explain_certificate(X509_STORE_CTX& verification) const;
  /// What OpenSSL's refusal means; must come before anything else changes its error queue.
  [[nodiscard]] std::string explain(int error) const;

  std::string name_;
  ByteView input_;
  ByteQueue output_;
  std::string certificate_problem_;
  // In this order: OpenSSL's objects refer to their method and to us.
  std::unique_ptr<BIO_METHOD, FreeWith<BIO_meth_free>> method_;
  std::unique_ptr<SSL, FreeWith<SSL_free>> ssl_;
};

}  // namespace isotube::runtime
