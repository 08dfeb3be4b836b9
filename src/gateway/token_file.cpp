#include "gateway/token_file.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/assert.hpp"

namespace isotube::gateway {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxToken = 1024;
/// 96 bits in base64: fewer can be guessed over a network in the long run.
constexpr std::size_t kShortToken = 16;
constexpr std::string_view kBlanks = " \t\r";

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || is_one_of(c, "._@-"); });
}

bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= kMaxToken &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || is_one_of(c, "-._~+/="); });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Takes the text before the next ':' off `rest`, or all of it.
std::string_view take_field(std::optional<std::string_view>& rest) {
  if (!rest) return {};
  const std::string_view all = *rest;
  const std::size_t colon = all.find(':');
  if (colon == std::string_view::npos) {
    rest.reset();
    return all;
  }
  rest = all.substr(colon + 1);
  return all.substr(0, colon);
}

std::vector<std::string> split_rules(std::string_view text) {
  std::vector<std::string> rules;
  constexpr std::string_view kBetween = " \t,";
  while (true) {
    const std::size_t begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return rules;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(kBetween), text.size());
    rules.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::optional<Role> parse_role(std::string_view text) {
  if (text == "client") return Role::Client;
  if (text == "admin") return Role::Admin;
  return std::nullopt;
}

}  // namespace

TokenFile::Digest TokenFile::digest_of(std::string_view token) {
  // Digests have one length: comparing them tells nothing about the length of a token.
  Digest digest{};
  const int done = EVP_Digest(token.data(), token.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  ISOTUBE_ASSERT(done == 1);
  return digest;
}

std::expected<void, std::string> TokenFile::add_line(std::string_view line) {
  std::optional<std::string_view> rest = line;
  const std::string_view name = take_field(rest);
  const std::string_view role_text = take_field(rest);
  const std::string_view token = take_field(rest);
  if (!is_name(name)) return std::unexpected("the name must be 1 to 64 letters, digits or ._@- (NAME:ROLE:TOKEN)");
  const auto role = parse_role(role_text);
  if (!role) return std::unexpected("the role must be client or admin (NAME:ROLE:TOKEN)");
  if (!is_token(token)) return std::unexpected("the token must be 1 to 1024 letters, digits or -._~+/=");
  if (find_name(name)) return std::unexpected("the name '" + std::string(name) + "' was given before");
  const Digest digest = digest_of(token);
  if (std::ranges::find(digests_, digest) != digests_.end()) {
    return std::unexpected("the token of '" + std::string(name) + "' was given before");
  }
  Entry entry{.name = std::string(name), .role = *role, .narrowed = nullptr};
  if (rest) {
    const auto rules = split_rules(*rest);
    if (rules.empty()) return std::unexpected("a rule must follow the ':' behind the token");
    // A token with a ':' in it lands here, and an error about the rule would show its end.
    if (!std::ranges::all_of(rules, [](const std::string& rule) { return rule.starts_with("tcp:"); })) {
      return std::unexpected("what follows the token must be rules tcp:HOST:PORT; a token has no ':'");
    }
    auto list = AllowList::parse(rules);
    if (!list) return std::unexpected(std::move(list.error()));
    entry.narrowed = std::make_shared<const AllowList>(std::move(*list));
  }
  if (token.size() < kShortToken) {
    warnings_.push_back("the token of '" + entry.name + "' is short; use at least 16 random characters");
  }
  entries_.push_back(std::move(entry));
  digests_.push_back(digest);
  return {};
}

std::expected<TokenFile, std::string> TokenFile::parse(std::string_view text) {
  TokenFile file;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    if (auto added = file.add_line(line); !added) {
      return std::unexpected("line " + std::to_string(number) + ": " + added.error());
    }
  }
  if (file.entries_.empty()) return std::unexpected("there is no token in it; write lines of NAME:ROLE:TOKEN");
  return file;
}

std::expected<TokenFile, std::string> TokenFile::read(const std::filesystem::path& path) {
  const std::string where = "token file " + path.string();
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::unexpected(where + ": can't be opened: " + std::strerror(errno));
  std::string text(kMaxFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return std::unexpected(where + ": can't be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFile) return std::unexpected(where + ": is larger than 1 MiB");
  auto file = parse(text);
  OPENSSL_cleanse(text.data(), text.size());
  if (!file) return std::unexpected(where + ": " + file.error());
  std::error_code error;
  const auto mode = std::filesystem::status(path, error).permissions();
  if (!error && (mode & std::filesystem::perms::others_read) != std::filesystem::perms::none) {
    file->warnings_.push_back(where + " can be read by every user of this machine; chmod 600 it");
  }
  return file;
}

const TokenFile::Entry* TokenFile::find_token(std::string_view token) const {
  const Digest wanted = digest_of(token);
  const Entry* found = nullptr;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (CRYPTO_memcmp(wanted.data(), digests_[i].data(), wanted.size()) == 0) found = &entries_[i];
  }
  return found;
}

const TokenFile::Entry* TokenFile::find_name(std::string_view name) const {
  const auto found = std::ranges::find(entries_, name, &Entry::name);
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace isotube::gateway
