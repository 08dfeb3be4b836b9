#include "gateway/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string_view>

namespace isotube::gateway {
namespace ssl = boost::asio::ssl;

namespace {

std::unexpected<std::string> unusable(std::string_view what, const std::filesystem::path& path,
                                      const boost::system::error_code& error) {
  // A failure leaves entries in the thread's queue, where another connection would find them.
  ERR_clear_error();
  return std::unexpected(std::string(what) + " " + path.string() + ": " + error.message());
}

}  // namespace

std::expected<std::shared_ptr<ssl::context>, std::string> load_tls(const std::filesystem::path& certificate,
                                                                   const std::filesystem::path& key) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  // A session cache would hold memory for clients that never come back; tickets do without.
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  boost::system::error_code error;
  // Without a callback OpenSSL would ask for a pass phrase on the terminal.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string{}; }, error);
  if (error) return unusable("TLS certificate", certificate, error);
  context->use_certificate_chain_file(certificate.string(), error);
  if (error) return unusable("TLS certificate", certificate, error);
  context->use_private_key_file(key.string(), ssl::context::pem, error);
  if (error) return unusable("TLS key (it must be without a pass phrase)", key, error);
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    ERR_clear_error();
    return std::unexpected("TLS key " + key.string() + " is not the key of " + certificate.string());
  }
  return context;
}

}  // namespace isotube::gateway
