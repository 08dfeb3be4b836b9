#include "stun/integrity.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <new>
#include <string>

#include "base/assert.hpp"

namespace isotube::stun {
namespace {

const unsigned char* octets(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

bool equal_in_constant_time(ByteView one, ByteView other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

/// RFC 8489 14.6: truncated to a multiple of 4, never below 16.
bool is_sha256_length(std::size_t size) { return size >= 16 && size <= IntegrityKey::kSha256Size && size % 4 == 0; }

}  // namespace

void IntegrityKey::FreeContext::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

IntegrityKey::IntegrityKey(ByteView key) : key_(to_bytes(key)) {}

IntegrityKey::~IntegrityKey() { wipe(); }

IntegrityKey& IntegrityKey::operator=(IntegrityKey&& other) noexcept {
  wipe();
  key_ = std::move(other.key_);
  sha1_ = std::move(other.sha1_);
  sha256_ = std::move(other.sha256_);
  return *this;
}

void IntegrityKey::wipe() { OPENSSL_cleanse(key_.data(), key_.size()); }

IntegrityCheck IntegrityKey::check(const MessageView& message) {
  if (const auto& field = message.integrity_sha256()) {
    if (!is_sha256_length(field->value.size())) return IntegrityCheck::Wrong;
    const auto expected = sha256(message.bytes().first(field->offset), field->value.size());
    const bool right = equal_in_constant_time(ByteView(expected).first(field->value.size()), field->value);
    return right ? IntegrityCheck::Right : IntegrityCheck::Wrong;
  }
  if (const auto& field = message.integrity_sha1()) {
    const auto expected = sha1(message.bytes().first(field->offset), kSha1Size);
    return equal_in_constant_time(expected, field->value) ? IntegrityCheck::Right : IntegrityCheck::Wrong;
  }
  return IntegrityCheck::Missing;
}

std::array<std::byte, IntegrityKey::kSha1Size> IntegrityKey::sha1(ByteView head, std::size_t value_size) {
  std::array<std::byte, kSha1Size> out{};
  compute(sha1_, "SHA1", head, value_size, out);
  return out;
}

std::array<std::byte, IntegrityKey::kSha256Size> IntegrityKey::sha256(ByteView head, std::size_t value_size) {
  std::array<std::byte, kSha256Size> out{};
  compute(sha256_, "SHA256", head, value_size, out);
  return out;
}

IntegrityKey::Context IntegrityKey::make_context(const char* digest) const {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free);
  if (!hmac) throw std::bad_alloc();
  Context context(EVP_MAC_CTX_new(hmac.get()));
  if (!context) throw std::bad_alloc();
  std::string name(digest);
  const std::array<OSSL_PARAM, 2> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), name.size()), OSSL_PARAM_construct_end()};
  // An empty key must not be a null pointer, which would mean "the key that was set before".
  static constexpr unsigned char kEmpty = 0;
  const unsigned char* key = key_.empty() ? &kEmpty : octets(key_);
  ISOTUBE_ASSERT(EVP_MAC_init(context.get(), key, key_.size(), parameters.data()) == 1);
  return context;
}

void IntegrityKey::compute(Context& context, const char* digest, ByteView head, std::size_t value_size,
                           MutableByteView out) {
  ISOTUBE_ASSERT(head.size() >= kHeaderSize);
  if (!context) {
    context = make_context(digest);
  } else {
    ISOTUBE_ASSERT(EVP_MAC_init(context.get(), nullptr, 0, nullptr) == 1);
  }
  const std::size_t length = head.size() - kHeaderSize + kAttributeHeaderSize + value_size;
  const std::array<unsigned char, 2> length_field = {static_cast<unsigned char>(length >> 8),
                                                     static_cast<unsigned char>(length & 0xFF)};
  std::size_t written = 0;
  const bool done =
      EVP_MAC_update(context.get(), octets(head), 2) == 1 &&
      EVP_MAC_update(context.get(), length_field.data(), length_field.size()) == 1 &&
      EVP_MAC_update(context.get(), octets(head.subspan(4)), head.size() - 4) == 1 &&
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(out.data()), &written, out.size()) == 1;
  ISOTUBE_ASSERT(done && written == out.size());
}

}  // namespace isotube::stun
