#include "sctp/cookie.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <memory>
#include <new>

#include "base/assert.hpp"

namespace isotube::sctp {
namespace {

constexpr std::size_t kBodySize = 4 * 4 + 2 + 1 + 8;

Bytes body_of(const Cookie& cookie) {
  Bytes body;
  BytesWriter writer(body);
  writer.u32(cookie.our_tag);
  writer.u32(cookie.peer.tag);
  writer.u32(cookie.peer.initial_tsn);
  writer.u32(cookie.peer.a_rwnd);
  writer.u16(cookie.peer.inbound_streams);
  const Extensions& extensions = cookie.peer.extensions;
  writer.u8(static_cast<std::uint8_t>((extensions.partial_reliability ? 1 : 0) | (extensions.stream_reset ? 2 : 0) |
                                      (extensions.interleaving ? 4 : 0)));
  writer.u64(static_cast<std::uint64_t>(cookie.made.time_since_epoch().count()));
  return body;
}

}  // namespace

CookieJar::CookieJar(Random random) { random.fill(key_); }

CookieJar::Digest CookieJar::sign(ByteView bytes) const {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free);
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(hmac.get()),
                                                                          &EVP_MAC_CTX_free);
  if (!context) throw std::bad_alloc();
  std::array<char, 7> name{"SHA256"};
  const std::array parameters{OSSL_PARAM_construct_utf8_string("digest", name.data(), 0), OSSL_PARAM_construct_end()};
  Digest digest{};
  std::size_t length = 0;
  const bool done =
      EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key_.data()), key_.size(),
                   parameters.data()) == 1 &&
      EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) == 1 &&
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &length, digest.size()) == 1;
  ISOTUBE_ASSERT(done && length == digest.size());
  return digest;
}

Bytes CookieJar::seal(const Cookie& cookie) const {
  Bytes sealed = body_of(cookie);
  const Digest digest = sign(sealed);
  sealed.insert(sealed.end(), digest.begin(), digest.end());
  return sealed;
}

std::optional<Cookie> CookieJar::open(ByteView sealed) const {
  if (sealed.size() != kBodySize + Digest().size()) return std::nullopt;
  const Digest expected = sign(sealed.first(kBodySize));
  if (CRYPTO_memcmp(expected.data(), sealed.data() + kBodySize, expected.size()) != 0) return std::nullopt;
  ByteReader reader(sealed);
  Cookie cookie;
  cookie.our_tag = reader.u32();
  cookie.peer.tag = reader.u32();
  cookie.peer.initial_tsn = reader.u32();
  cookie.peer.a_rwnd = reader.u32();
  cookie.peer.inbound_streams = reader.u16();
  const std::uint8_t extensions = reader.u8();
  cookie.peer.extensions = {(extensions & 1) != 0, (extensions & 2) != 0, (extensions & 4) != 0};
  cookie.made = TimePoint(Duration(static_cast<std::int64_t>(reader.u64())));
  return cookie;
}

}  // namespace isotube::sctp
