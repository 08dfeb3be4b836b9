#include "runtime/tls_client.hpp"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <climits>
#include <new>
#include <utility>
#include <vector>

#include "base/address.hpp"

namespace isotube::runtime {
namespace {

/// Stands around every call into OpenSSL: the thread's error queue is shared by all tubes that run on it, and an entry
/// that another one left would turn "wants more" into "failed".
class OpenSslCall {
 public:
  OpenSslCall() { ERR_clear_error(); }
  ~OpenSslCall() { ERR_clear_error(); }
  OpenSslCall(const OpenSslCall&) = delete;
  OpenSslCall& operator=(const OpenSslCall&) = delete;
};

template <typename T>
T* or_bad_alloc(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

/// A name out of a certificate that nobody vouches for, fit for a line of text.
std::string printable(std::string_view name) {
  constexpr std::size_t kLongest = 100;
  std::string text(name.substr(0, kLongest));
  std::ranges::replace_if(text, [](char c) { return c < 0x21 || c > 0x7E; }, '?');
  return text;
}

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string address_of(std::string_view octets) {
  std::array<std::uint8_t, 4> v4;
  std::array<std::uint8_t, 16> v6;
  if (octets.size() == v4.size()) {
    std::ranges::copy(octets, v4.begin());
    return IpAddress::v4(v4).to_string();
  }
  if (octets.size() != v6.size()) return "?";
  std::ranges::copy(octets, v6.begin());
  return IpAddress::v6(v6).to_string();
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_DNS) names.push_back(printable(text_of(name->d.dNSName)));
    if (name->type == GEN_IPADD) names.push_back(address_of(text_of(name->d.iPAddress)));
  }
  if (!names.empty()) return names;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) names.push_back(printable(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))));
  return names;
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 3;
  if (names.empty()) return "nobody";
  std::string text = names.front();
  for (std::size_t i = 1; i < std::min(names.size(), kMost); ++i) text += " and " + names[i];
  if (names.size() > kMost) text += " and " + std::to_string(names.size() - kMost) + " more";
  return text;
}

TlsClient& self(BIO* bio) { return *static_cast<TlsClient*>(BIO_get_data(bio)); }

}  // namespace

TlsClient::TlsClient(std::string name) : name_(std::move(name)) {
  // RFC 6066 3: names are sent without the dot that a resolver may be given.
  if (name_.ends_with('.')) name_.pop_back();
}

std::expected<std::unique_ptr<TlsClient>, std::string> TlsClient::create(const TlsTrust& trust, std::string name) {
  if (trust.context() == nullptr) return std::unexpected("no authority is trusted, so no certificate can be");
  const OpenSslCall call;
  auto client = std::make_unique<TlsClient>(std::move(name));
  client->ssl_.reset(or_bad_alloc(SSL_new(trust.context())));
  client->make_bio_method();
  client->attach();
  SSL_set_app_data(client->ssl_.get(), client.get());
  SSL_set_verify(client->ssl_.get(), SSL_VERIFY_PEER, &TlsClient::on_verify);
  if (!client->expect_name()) {
    return std::unexpected("'" + printable(client->name_) + "' is no name that a certificate can be for");
  }
  SSL_set_connect_state(client->ssl_.get());
  return client;
}

std::expected<bool, std::string> TlsClient::handshake() {
  const OpenSslCall call;
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) return true;
  const int error = SSL_get_error(ssl_.get(), done);
  if (error == SSL_ERROR_WANT_READ) return false;
  if (!certificate_problem_.empty()) return std::unexpected(certificate_problem_);
  return std::unexpected("the TLS handshake failed: " + explain(error));
}

std::expected<std::size_t, std::string> TlsClient::read(MutableByteView out) {
  const OpenSslCall call;
  std::size_t count = 0;
  const int done = SSL_read_ex(ssl_.get(), out.data(), out.size(), &count);
  if (done == 1) return count;
  const int error = SSL_get_error(ssl_.get(), done);
  if (error == SSL_ERROR_WANT_READ) return 0;
  if (error == SSL_ERROR_ZERO_RETURN) return std::unexpected("the server closed the connection");
  return std::unexpected("TLS failed: " + explain(error));
}

std::expected<void, std::string> TlsClient::write(ByteView plaintext) {
  const OpenSslCall call;
  std::size_t written = 0;
  const int done = SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written);
  // Output takes everything, so a write is never done in part.
  if (done == 1) return {};
  return std::unexpected("TLS failed: " + explain(SSL_get_error(ssl_.get(), done)));
}

void TlsClient::close() {
  const OpenSslCall call;
  // Whether the server answers it makes no difference to us.
  (void)SSL_shutdown(ssl_.get());
}

void TlsClient::make_bio_method() {
  // BIO_get_new_index() has 127 numbers for the whole process; nothing looks ours up by type.
  method_.reset(or_bad_alloc(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream in memory")));
  BIO_meth_set_write(method_.get(), &TlsClient::on_write);
  BIO_meth_set_read(method_.get(), &TlsClient::on_read);
  BIO_meth_set_ctrl(method_.get(), &TlsClient::on_control);
  BIO_meth_set_create(method_.get(), &TlsClient::on_create);
}

void TlsClient::attach() {
  using OwnedBio = std::unique_ptr<BIO, FreeWith<BIO_free>>;
  // One for each direction: a write inside a read would clear the flag that says "wants more".
  OwnedBio reading(or_bad_alloc(BIO_new(method_.get())));
  OwnedBio writing(or_bad_alloc(BIO_new(method_.get())));
  BIO_set_data(reading.get(), this);
  BIO_set_data(writing.get(), this);
  SSL_set_bio(ssl_.get(), reading.release(), writing.release());
}

bool TlsClient::expect_name() {
  X509_VERIFY_PARAM* const checks = SSL_get0_param(ssl_.get());
  if (IpAddress::parse(name_)) return X509_VERIFY_PARAM_set1_ip_asc(checks, name_.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(checks, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // With an empty name OpenSSL would check none; a zero within one would end it there for SNI.
  if (name_.empty() || name_.find('\0') != std::string::npos) return false;
  if (X509_VERIFY_PARAM_set1_host(checks, name_.data(), name_.size()) != 1) return false;
  // SNI holds names only (RFC 6066 3). The macro that does this casts in C's way.
  return SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name_.data()) == 1;
}

std::string TlsClient::explain_certificate(X509_STORE_CTX& verification) const {
  const int error = X509_STORE_CTX_get_error(&verification);
  const X509* certificate = X509_STORE_CTX_get_current_cert(&verification);
  const bool other_name = error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
  if (other_name && certificate != nullptr) {
    return "the certificate is for " + list_of(names_of(certificate)) + ", not " + name_;
  }
  return "the certificate of " + name_ + " is not trusted: " + X509_verify_cert_error_string(error);
}

std::string TlsClient::explain(int error) const {
  if (output_.size() >= kMaxOutput) return "the server takes nothing";
  const unsigned long code = ERR_peek_error();
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
    return "the server does not speak TLS";
  }
  if (const char* reason = ERR_reason_error_string(code); reason != nullptr) return reason;
  return "OpenSSL's error " + std::to_string(error);
}

int TlsClient::on_verify(int trusted, X509_STORE_CTX* verification) noexcept {
  if (trusted == 1) return 1;
  const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* client = static_cast<TlsClient*>(SSL_get_app_data(ssl));
  try {
    client->certificate_problem_ = client->explain_certificate(*verification);
  } catch (...) {
    // Out of memory: what OpenSSL says by itself must do.
    client->certificate_problem_.clear();
  }
  return 0;
}

int TlsClient::on_write(BIO* bio, const char* bytes, int length) noexcept {
  BIO_clear_retry_flags(bio);
  if (bytes == nullptr || length <= 0) return 0;
  ByteQueue& output = self(bio).output_;
  if (output.size() >= kMaxOutput) return -1;
  try {
    output.append(std::as_bytes(std::span(bytes, static_cast<std::size_t>(length))));
    return length;
  } catch (...) {
    return -1;
  }
}

int TlsClient::on_read(BIO* bio, char* out, int room) noexcept {
  BIO_clear_retry_flags(bio);
  ByteView& input = self(bio).input_;
  if (out == nullptr || room <= 0 || input.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t length = std::min(input.size(), static_cast<std::size_t>(room));
  std::ranges::copy(input.first(length), std::as_writable_bytes(std::span(out, length)).begin());
  input = input.subspan(length);
  return static_cast<int>(length);
}

long TlsClient::on_control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) noexcept {
  return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

int TlsClient::on_create(BIO* bio) noexcept {
  BIO_set_init(bio, 1);
  return 1;
}

}  // namespace isotube::runtime
