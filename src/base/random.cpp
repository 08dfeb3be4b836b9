#include "base/random.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <new>

#include "base/assert.hpp"

namespace isotube {

Random Random::fork(std::string_view purpose) const {
  // SHA-256 over seed and purpose: knowing one stream's seed says nothing about its siblings.
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!digest) throw std::bad_alloc();
  Seed seed{};
  const bool done = EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1 &&
                    EVP_DigestUpdate(digest.get(), seed_.data(), seed_.size()) == 1 &&
                    EVP_DigestUpdate(digest.get(), purpose.data(), purpose.size()) == 1 &&
                    EVP_DigestFinal_ex(digest.get(), reinterpret_cast<unsigned char*>(seed.data()), nullptr) == 1;
  ISOTUBE_ASSERT(done);
  return Random(seed);
}

void Random::refill() {
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  if (!cipher) throw std::bad_alloc();
  std::array<unsigned char, 16> counter{};
  for (std::size_t i = 0; i < 8; ++i) counter[i] = static_cast<unsigned char>(counter_ >> (8 * i));
  ++counter_;
  constexpr std::array<unsigned char, kBlock> kZeros{};
  int length = 0;
  const bool done = EVP_EncryptInit_ex(cipher.get(), EVP_chacha20(), nullptr,
                                       reinterpret_cast<const unsigned char*>(seed_.data()), counter.data()) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), reinterpret_cast<unsigned char*>(block_.data()), &length,
                                      kZeros.data(), static_cast<int>(kZeros.size())) == 1;
  ISOTUBE_ASSERT(done);
  used_ = 0;
}

void Random::fill(MutableByteView out) {
  while (!out.empty()) {
    if (used_ == kBlock) refill();
    const std::size_t count = std::min(out.size(), kBlock - used_);
    std::ranges::copy(std::span(block_).subspan(used_, count), out.begin());
    used_ += count;
    out = out.subspan(count);
  }
}

std::uint32_t Random::next_u32() {
  std::array<std::byte, 4> bytes{};
  fill(bytes);
  return std::bit_cast<std::uint32_t>(bytes);
}

std::uint64_t Random::next_u64() {
  std::array<std::byte, 8> bytes{};
  fill(bytes);
  return std::bit_cast<std::uint64_t>(bytes);
}

std::uint64_t Random::below(std::uint64_t bound) {
  ISOTUBE_ASSERT(bound != 0);
  // Values past the last whole multiple of `bound` are thrown away, or small results would be more likely.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = next_u64();
  while (value >= limit) value = next_u64();
  return value % bound;
}

double Random::unit() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

}  // namespace isotube
