// The tokens that open the gateway's doors, and what each may do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/allow_list.hpp"

namespace isotube::gateway {

/// Client: sees and acts on the tubes that it created. Admin: on all.
enum class Role : std::uint8_t { Client, Admin };

/// The tokens of one file.
///
/// A line each, `NAME:ROLE:TOKEN[:ALLOW]`. NAME (letters, digits, '.', '_', '@', '-'; at most 64) is what logs show.
/// ROLE is `client` or `admin`. TOKEN is what RFC 6750 2.1 lets a bearer token be (letters, digits and -._~+/=), so it
/// has no ':'. ALLOW, the rest of the line, narrows the targets of that token: rules as `--allow` takes them, with
/// blanks or commas between (`tcp:10.0.0.5:22,tcp:db.internal:5432`); a target must be allowed by the gateway and by
/// one of them. Empty lines and lines that begin with '#' are skipped.
///
/// Immutable, so it may be read from any thread. Keeps digests, not the tokens themselves.
class TokenFile {
 public:
  struct Entry {
    std::string name;
    Role role = Role::Client;
    /// Null if the token is not narrowed.
    std::shared_ptr<const AllowList> narrowed;
  };

  /// Errors name the line and never show a token.
  [[nodiscard]] static std::expected<TokenFile, std::string> parse(std::string_view text);
  [[nodiscard]] static std::expected<TokenFile, std::string> read(const std::filesystem::path& path);

  /// Null if no entry has this token. Takes the same time whichever entry matches, or none.
  [[nodiscard]] const Entry* find_token(std::string_view token) const;
  /// Null if there is no entry of this name (any more).
  [[nodiscard]] const Entry* find_name(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// What is odd but no error: short tokens, a file that others can read.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  using Digest = std::array<unsigned char, 32>;

  [[nodiscard]] static Digest digest_of(std::string_view token);
  [[nodiscard]] std::expected<void, std::string> add_line(std::string_view line);

  std::vector<Entry> entries_;
  std::vector<Digest> digests_;  ///< of the entry at the same place
  std::vector<std::string> warnings_;
};

}  // namespace isotube::gateway
