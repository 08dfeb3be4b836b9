#include <openssl/crypto.h>

#include <array>
#include <cstddef>

#include "dtls/certificate.hpp"
#include "dtls/fingerprint_check.hpp"

namespace isotube::dtls {
namespace {

struct HashName {
  HashAlgorithm algorithm;
  std::string_view name;  // as RFC 8122 5 writes it
  std::size_t length;
};

constexpr std::array kHashNames = {
    HashName{HashAlgorithm::Sha256, "sha-256", 32},
    HashName{HashAlgorithm::Sha384, "sha-384", 48},
    HashName{HashAlgorithm::Sha512, "sha-512", 64},
};

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

// The C library's are locale-dependent.
char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

bool equal_in_any_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (lower(left[i]) != lower(right[i])) return false;
  }
  return true;
}

std::optional<unsigned> hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  const char letter = lower(digit);
  if (letter >= 'a' && letter <= 'f') return static_cast<unsigned>(letter - 'a' + 10);
  return std::nullopt;
}

/// "AB:CD:…": two digits a byte, one colon between bytes.
std::optional<Bytes> parse_digest(std::string_view text, std::size_t length) {
  if (text.size() != length * 3 - 1) return std::nullopt;
  Bytes digest;
  digest.reserve(length);
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t at = i * 3;
    const std::optional<unsigned> high = hex_value(text[at]);
    const std::optional<unsigned> low = hex_value(text[at + 1]);
    if (!high || !low) return std::nullopt;
    if (at + 2 < text.size() && text[at + 2] != ':') return std::nullopt;
    digest.push_back(static_cast<std::byte>(*high << 4 | *low));
  }
  return digest;
}

}  // namespace

std::string Fingerprint::to_string() const {
  std::string text;
  for (const HashName& hash : kHashNames) {
    if (hash.algorithm == algorithm) text = hash.name;
  }
  char separator = ' ';
  for (std::byte each : digest) {
    const auto value = std::to_integer<unsigned>(each);
    text += separator;
    text += kHexDigits[value >> 4];
    text += kHexDigits[value & 0xF];
    separator = ':';
  }
  return text;
}

std::optional<Fingerprint> Fingerprint::parse(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  for (const HashName& hash : kHashNames) {
    if (!equal_in_any_case(text.substr(0, space), hash.name)) continue;
    std::optional<Bytes> digest = parse_digest(text.substr(space + 1), hash.length);
    if (!digest) return std::nullopt;
    return Fingerprint{hash.algorithm, std::move(*digest)};
  }
  return std::nullopt;
}

const EVP_MD* digest_of(HashAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case HashAlgorithm::Sha384:
      return EVP_sha384();
    case HashAlgorithm::Sha512:
      return EVP_sha512();
    case HashAlgorithm::Sha256:
      break;
  }
  return EVP_sha256();
}

bool matches_any(const X509& certificate, std::span<const Fingerprint> announced) noexcept {
  for (const HashName& hash : kHashNames) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    bool hashed = false;
    for (const Fingerprint& each : announced) {
      if (each.algorithm != hash.algorithm || each.digest.size() != hash.length) continue;
      if (!hashed && X509_digest(&certificate, digest_of(hash.algorithm), digest.data(), &length) != 1) break;
      hashed = true;
      if (length == hash.length && CRYPTO_memcmp(digest.data(), each.digest.data(), length) == 0) return true;
    }
  }
  return false;
}

}  // namespace isotube::dtls
