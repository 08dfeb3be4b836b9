#include "app/transfer.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/random.hpp"

namespace isotube::app {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr auto kTupled = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kChunk = std::size_t{256} << 10;

/// SHA-256 over what passes by.
class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
      throw std::runtime_error("OpenSSL has no SHA-256");
    }
  }

  void add(ByteView bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

  [[nodiscard]] std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &length);
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : std::span(digest).first(length)) text += {kHex[byte >> 4], kHex[byte & 0xF]};
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

Random random_of(std::string_view stream) { return Random(Random::Seed{}).fork(stream); }

}  // namespace

asio::awaitable<std::expected<End, std::string>> send_bytes(tcp::socket& socket, std::string stream,
                                                            std::uint64_t bytes, std::atomic<std::uint64_t>& done) {
  Digest digest;
  Bytes chunk(kChunk);
  Random random = random_of(stream);
  random.fill(chunk);
  std::uint64_t sent = 0;
  while (sent < bytes) {
    // New bytes at the front make each chunk another one, at a cost that doesn't show in the throughput.
    random.fill(MutableByteView(chunk).first(32));
    const ByteView part = ByteView(chunk).first(std::min<std::uint64_t>(chunk.size(), bytes - sent));
    digest.add(part);
    const auto buffer = asio::buffer(part.data(), part.size());
    const auto [error, written] = co_await asio::async_write(socket, buffer, kTupled);
    if (error) co_return std::unexpected("sending ended after " + std::to_string(sent) + " bytes: " + error.message());
    sent += written;
    done = sent;
  }
  boost::system::error_code ignored;
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  co_return End{sent, digest.finish(), std::chrono::steady_clock::now()};
}

asio::awaitable<std::expected<End, std::string>> receive_bytes(tcp::socket& socket, std::atomic<std::uint64_t>& done) {
  Digest digest;
  Bytes chunk(kChunk);
  std::uint64_t received = 0;
  for (;;) {
    const auto buffer = asio::buffer(chunk.data(), chunk.size());
    const auto [error, count] = co_await socket.async_read_some(buffer, kTupled);
    if (error == asio::error::eof) co_return End{received, digest.finish(), std::chrono::steady_clock::now()};
    if (error) {
      co_return std::unexpected("receiving ended after " + std::to_string(received) + " bytes: " + error.message());
    }
    digest.add(ByteView(chunk).first(count));
    received += count;
    done = received;
  }
}

}  // namespace isotube::app
