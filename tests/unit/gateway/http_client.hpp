// A blocking HTTP client that says exactly what a test tells it to. Reads give up after some seconds, so that a server
// that hangs fails a test instead of stopping it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "gateway/message.hpp"

namespace isotube::gateway {

struct Reply {
  unsigned status = 0;  ///< 0: the connection ended, or what came was no response
  Fields fields;
  std::string body;
};

class HttpClient {
 public:
  enum class Wire : std::uint8_t { Plain, Tls };

  explicit HttpClient(const Address& server, Wire wire = Wire::Plain);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;

  /// Whether TCP and, where asked for, TLS were agreed on.
  [[nodiscard]] bool connected() const;
  /// Sends as far as the server takes it.
  void send(std::string_view bytes);
  [[nodiscard]] Reply read_reply(std::string_view method = "GET");
  /// True once the server ended the connection; what it sent before is dropped.
  [[nodiscard]] bool ended();
  /// A whole request with Host and Content-Length, and its reply.
  [[nodiscard]] Reply ask(std::string_view method, std::string_view target, const Fields& fields = {},
                          std::string_view body = {});
  /// Of the certificate that the server showed.
  [[nodiscard]] std::string server_common_name() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// One request on a connection of its own.
[[nodiscard]] Reply ask(const Address& server, std::string_view method, std::string_view target,
                        const Fields& fields = {}, std::string_view body = {});

/// Shorthand for a list of header fields.
[[nodiscard]] Fields with(std::initializer_list<std::pair<std::string, std::string>> fields);

}  // namespace isotube::gateway
