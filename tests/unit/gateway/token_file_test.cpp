#include "gateway/token_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "unit/gateway/temporary_folder.hpp"

namespace isotube::gateway {
namespace {

TokenFile file_of(std::string_view text) {
  auto file = TokenFile::parse(text);
  EXPECT_TRUE(file) << file.error();
  return file ? *file : TokenFile{};
}

std::string error_of(std::string_view text) {
  const auto file = TokenFile::parse(text);
  return file ? "no error" : file.error();
}

TEST(TokenFile, ReadsNamesRolesAndTokens) {
  const TokenFile file = file_of(
      "# who may do what\n"
      "\n"
      "alice:client:AAAAAAAAAAAAAAAA\r\n"
      "  root@ops:admin:B-._~+/=BBBBBBBBBB  \n");
  EXPECT_EQ(file.size(), 2U);
  ASSERT_TRUE(file.find_token("AAAAAAAAAAAAAAAA"));
  EXPECT_EQ(file.find_token("AAAAAAAAAAAAAAAA")->name, "alice");
  EXPECT_EQ(file.find_token("AAAAAAAAAAAAAAAA")->role, Role::Client);
  ASSERT_TRUE(file.find_token("B-._~+/=BBBBBBBBBB"));
  EXPECT_EQ(file.find_token("B-._~+/=BBBBBBBBBB")->role, Role::Admin);
  EXPECT_EQ(file.find_name("alice"), file.find_token("AAAAAAAAAAAAAAAA"));
  EXPECT_TRUE(file.warnings().empty());
}

TEST(TokenFile, FindsWholeTokensOnly) {
  const TokenFile file = file_of("alice:client:AAAAAAAAAAAAAAAA");
  for (const char* token : {"", "A", "AAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaa", "alice"}) {
    EXPECT_FALSE(file.find_token(token)) << token;
  }
  EXPECT_FALSE(file.find_token(std::string_view("AAAAAAAAAAAAAAAA\0", 17)));
  EXPECT_FALSE(file.find_name("bob"));
}

TEST(TokenFile, NarrowsATokenByTheRulesBehindIt) {
  const TokenFile file = file_of(
      "a:client:AAAAAAAAAAAAAAAA:tcp:10.0.0.5:22,tcp:db:5432\n"
      "b:client:BBBBBBBBBBBBBBBB: tcp:[2001:db8::1]:80   tcp:c:* ,\n"
      "c:client:CCCCCCCCCCCCCCCC\n");
  const auto& a = *file.find_name("a")->narrowed;
  EXPECT_TRUE(a.allows({"10.0.0.5", 22}));
  EXPECT_TRUE(a.allows({"db", 5432}));
  EXPECT_FALSE(a.allows({"db", 22}));
  const auto& b = *file.find_name("b")->narrowed;
  EXPECT_TRUE(b.allows({"2001:db8::1", 80}));
  EXPECT_TRUE(b.allows({"c", 9}));
  EXPECT_FALSE(file.find_name("c")->narrowed);
}

TEST(TokenFile, WarnsOfAShortTokenWithoutShowingIt) {
  const TokenFile file = file_of("alice:client:hunter2");
  ASSERT_EQ(file.warnings().size(), 1U);
  EXPECT_NE(file.warnings()[0].find("alice"), std::string::npos);
  EXPECT_EQ(file.warnings()[0].find("hunter2"), std::string::npos);
}

TEST(TokenFile, NamesTheLineThatIsWrongAndNeverShowsAToken) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"\n\nSECRETSECRETSECRET", "line 3: the role must be"},
           {"SECRET SECRET:client:x", "line 1: the name must be"},
           {":client:SECRET", "line 1: the name must be"},
           {"alice", "line 1: the role must be"},
           {"alice:SECRETSECRETSECRET", "line 1: the role must be"},
           {"alice:root:SECRET", "line 1: the role must be"},
           {"alice:Client:SECRET", "line 1: the role must be"},
           {"alice:client", "line 1: the token must be"},
           {"alice:client:", "line 1: the token must be"},
           {"alice:client:SECRET SECRET", "line 1: the token must be"},
           {"alice:client:SECRET\xC3", "line 1: the token must be"},
           {"alice:client:" + std::string(1025, 'a'), "line 1: the token must be"},
           {"alice:client:SECRET:", "line 1: a rule must follow"},
           {"alice:client:SECRET: , ", "line 1: a rule must follow"},
           {"alice:client:SEC:SECRET", "line 1: what follows the token must be rules"},
           {"alice:client:SECRET:tcp:a:1 SECRET", "line 1: what follows the token must be rules"},
           {"alice:client:SECRET:tcp:127.1:22", "line 1: allow rule 'tcp:127.1:22'"},
           {"alice:client:SECRET1\nalice:client:SECRET2", "line 2: the name 'alice' was given before"},
           {"alice:client:SECRET1\nbob:client:SECRET1", "line 2: the token of 'bob' was given before"},
           {std::string(65, 'n') + ":client:SECRET", "line 1: the name must be"},
           {"", "no token in it"},
           {"# alice:client:SECRET", "no token in it"},
       }) {
    const std::string error = error_of(text);
    EXPECT_NE(error.find(why), std::string::npos) << text << " gave: " << error;
    EXPECT_EQ(error.find("SECRET"), std::string::npos) << error;
  }
}

TEST(TokenFile, ReadsAFileAndWarnsIfOthersCanReadIt) {
  const TemporaryFolder folder;
  const auto path = folder.write("tokens", "alice:client:AAAAAAAAAAAAAAAA\n");
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  auto file = TokenFile::read(path);
  ASSERT_TRUE(file) << file.error();
  EXPECT_TRUE(file->warnings().empty());
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  file = TokenFile::read(path);
  ASSERT_TRUE(file);
  ASSERT_EQ(file->warnings().size(), 1U);
  EXPECT_NE(file->warnings()[0].find("chmod 600"), std::string::npos);
}

TEST(TokenFile, SaysWhichFileCantBeRead) {
  const TemporaryFolder folder;
  const auto missing = TokenFile::read(folder.path() / "missing");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().find("missing"), std::string::npos);
  EXPECT_NE(missing.error().find("No such file"), std::string::npos);
  const auto large = TokenFile::read(folder.write("large", std::string((1 << 20) + 1, '#')));
  ASSERT_FALSE(large);
  EXPECT_NE(large.error().find("larger than 1 MiB"), std::string::npos);
  EXPECT_FALSE(TokenFile::read(folder.path()));
}

}  // namespace
}  // namespace isotube::gateway
