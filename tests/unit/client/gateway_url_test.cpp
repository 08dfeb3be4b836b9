#include "client/gateway_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace isotube::client {
namespace {

using ::testing::HasSubstr;

TEST(GatewayUrl, HasTheDefaultPortOfItsScheme) {
  EXPECT_EQ(GatewayUrl::parse("http://host")->port, 80);
  EXPECT_EQ(GatewayUrl::parse("https://host")->port, 443);
  EXPECT_TRUE(GatewayUrl::parse("HTTPS://host")->tls);
  EXPECT_EQ(GatewayUrl::parse("https://host:8443")->authority(), "host:8443");
  EXPECT_EQ(GatewayUrl::parse("https://host:443")->authority(), "host");
}

TEST(GatewayUrl, KeepsAPathWithoutItsLastSlash) {
  EXPECT_EQ(GatewayUrl::parse("http://host/")->path, "");
  EXPECT_EQ(GatewayUrl::parse("http://host/gate/one/")->path, "/gate/one");
}

TEST(GatewayUrl, TakesIpv6InBrackets) {
  const auto url = GatewayUrl::parse("http://[2001:db8::1]:8080");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->to_string(), "http://[2001:db8::1]:8080");
}

TEST(GatewayUrl, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1:8080", "must begin with http:// or https://"},
      {"ftp://host", "must begin with http:// or https://"},
      {"http://", "the host is missing"},
      {"http://:8080", "the host is missing"},
      {"http://host:0", "'0' is not a port"},
      {"http://host:99999", "'99999' is not a port"},
      {"http://::1:8080", "brackets"},
      {"http://host?x=1", "at most a path"},
      {"http://host/a b", "at most a path"},
      {"http://user:secret@host", "--token-file"},
  };
  for (const auto& [text, complaint] : cases) {
    const auto url = GatewayUrl::parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_THAT(url.error(), HasSubstr(complaint)) << text;
  }
}

TEST(GatewayUrl, DoesNotRepeatAPasswordInItsComplaint) {
  EXPECT_THAT(GatewayUrl::parse("http://user:secret@host").error(), ::testing::Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace isotube::client
