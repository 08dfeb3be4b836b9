#include "stun/credentials.hpp"

#include <openssl/evp.h>

#include <memory>
#include <new>
#include <string>

#include "base/assert.hpp"

namespace isotube::stun {
namespace {

Bytes digest_of(const EVP_MD* algorithm, const std::string& text) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!context) throw std::bad_alloc();
  Bytes digest(static_cast<std::size_t>(EVP_MD_get_size(algorithm)));
  const bool done = EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1 &&
                    EVP_DigestUpdate(context.get(), text.data(), text.size()) == 1 &&
                    EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1;
  ISOTUBE_ASSERT(done);
  return digest;
}

}  // namespace

Bytes long_term_key(PasswordAlgorithmId algorithm, std::string_view username, std::string_view realm,
                    std::string_view password) {
  std::string text(username);
  text.append(":").append(realm).append(":").append(password);
  return digest_of(algorithm == PasswordAlgorithmId::Sha256 ? EVP_sha256() : EVP_md5(), text);
}

std::array<std::byte, 32> user_hash(std::string_view username, std::string_view realm) {
  std::string text(username);
  text.append(":").append(realm);
  const Bytes digest = digest_of(EVP_sha256(), text);
  std::array<std::byte, 32> hash{};
  std::ranges::copy(digest, hash.begin());
  return hash;
}

}  // namespace isotube::stun
