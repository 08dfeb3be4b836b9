#include "unit/gateway/http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

namespace isotube::gateway {

class HttpClient::Impl {
 public:
  Impl(const Address& server, Wire wire) : server_(server) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port);
    std::memcpy(&to.sin_addr, server.ip.octets().data(), 4);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    if (connected_ && wire == Wire::Tls) start_tls();
  }
  ~Impl() {
    ssl_.reset();
    ::close(fd_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] const Address& server() const { return server_; }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// False at the end, or when patience is over.
  bool receive(std::string& into) {
    std::array<char, 4096> room;
    const auto got = ssl_ ? SSL_read(ssl_.get(), room.data(), static_cast<int>(room.size()))
                          : ::recv(fd_, room.data(), room.size(), 0);
    timed_out_ = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (got <= 0) return false;
    into.append(room.data(), static_cast<std::size_t>(got));
    return true;
  }

  [[nodiscard]] bool timed_out() const { return timed_out_; }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  std::string pending;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  void start_tls() {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    connected_ = SSL_connect(ssl_.get()) == 1;
  }

  Address server_;
  int fd_ = -1;
  bool connected_ = false;
  bool timed_out_ = false;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
};

HttpClient::HttpClient(const Address& server, Wire wire) : impl_(std::make_unique<Impl>(server, wire)) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;

bool HttpClient::connected() const { return impl_->connected(); }

void HttpClient::send(std::string_view bytes) { impl_->send(bytes); }

Reply HttpClient::read_reply(std::string_view method) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  std::string& text = impl_->pending;
  std::size_t end = 0;
  while ((end = text.find(kEnd)) == std::string::npos) {
    if (!impl_->receive(text)) return {};
  }
  Reply reply;
  std::string_view head = std::string_view(text).substr(0, end + 2);
  if (head.starts_with("HTTP/1.") && head.size() > 12) {
    std::from_chars(head.data() + 9, head.data() + 12, reply.status);
  }
  head.remove_prefix(head.find("\r\n") + 2);
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    const std::size_t colon = line.find(": ");
    reply.fields.add(std::string(line.substr(0, colon)), std::string(line.substr(std::min(colon + 2, line.size()))));
    head.remove_prefix(line.size() + 2);
  }
  std::size_t length = 0;
  const std::string_view digits = reply.fields.get("Content-Length");
  std::from_chars(digits.data(), digits.data() + digits.size(), length);
  text.erase(0, end + kEnd.size());
  if (method == "HEAD") return reply;
  while (text.size() < length && impl_->receive(text)) {
  }
  reply.body = text.substr(0, length);
  text.erase(0, length);
  return reply;
}

bool HttpClient::ended() {
  std::string dropped;
  while (impl_->receive(dropped)) {
  }
  return !impl_->timed_out();
}

Reply HttpClient::ask(std::string_view method, std::string_view target, const Fields& fields, std::string_view body) {
  std::string request = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
  if (fields.count("Host") == 0) request += "Host: " + impl_->server().to_string() + "\r\n";
  for (const auto& [name, value] : fields.all()) request += name + ": " + value + "\r\n";
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  send(request + "\r\n" + std::string(body));
  return read_reply(method);
}

std::string HttpClient::server_common_name() const {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(impl_->ssl()), &X509_free);
  if (!certificate) return {};
  std::array<char, 64> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  return name.data();
}

Reply ask(const Address& server, std::string_view method, std::string_view target, const Fields& fields,
          std::string_view body) {
  return HttpClient(server).ask(method, target, fields, body);
}

Fields with(std::initializer_list<std::pair<std::string, std::string>> fields) {
  Fields all;
  for (const auto& [name, value] : fields) all.add(name, value);
  return all;
}

}  // namespace isotube::gateway
