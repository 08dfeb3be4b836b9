#include "runtime/tls_trust.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <new>
#include <utility>

namespace isotube::runtime {
namespace {

std::shared_ptr<SSL_CTX> make_context() {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (!context) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // No session may pass from one tube to another.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  // The queue that is written from moves, and idle connections are to hold little.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  return context;
}

/// Empties the thread's queue too, where an entry would be taken for another connection's.
std::string last_error() {
  const unsigned long code = ERR_peek_last_error();
  std::string text = "unknown";
  if (const char* reason = ERR_reason_error_string(code); reason != nullptr) text = reason;
  ERR_clear_error();
  return text;
}

}  // namespace

std::expected<TlsTrust, std::string> TlsTrust::system() {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context = make_context();
  if (SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return std::unexpected("the machine's authorities can't be read: " + last_error());
  }
  ERR_clear_error();
  return TlsTrust(std::move(context));
}

std::expected<TlsTrust, std::string> TlsTrust::from_file(const std::string& path) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context = make_context();
  if (SSL_CTX_load_verify_file(context.get(), path.c_str()) != 1) {
    return std::unexpected("the authorities in " + path + " can't be read: " + last_error());
  }
  ERR_clear_error();
  return TlsTrust(std::move(context));
}

}  // namespace isotube::runtime
