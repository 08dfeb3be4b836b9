#include "gateway/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Config usual() {
  Config config;
  config.allow = {"tcp:127.0.0.1:9000"};
  return config;
}

std::string error_of(const Config& config) {
  const auto checked = check(config);
  return checked ? "no error" : checked.error();
}

TEST(CheckConfig, TakesTheUsualWithoutAWarning) {
  const auto warnings = check(usual());
  ASSERT_TRUE(warnings);
  EXPECT_THAT(*warnings, IsEmpty());
}

TEST(CheckConfig, WarnsOfAGatewayThatConnectsNowhere) {
  EXPECT_THAT(*check(Config{}), ElementsAre(HasSubstr("connects nowhere")));
}

TEST(CheckConfig, WantsTokensAndWarnsWithoutTlsWhereOthersCanConnect) {
  Config config = usual();
  for (const char* address : {"0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"}) {
    config.listen = *Address::parse(address);
    config.token_file.reset();
    EXPECT_THAT(error_of(config), HasSubstr("needs --token-file"));
    config.token_file = "tokens";
    EXPECT_THAT(*check(config), ElementsAre(HasSubstr("without TLS")));
  }
  config.tls_certificate = "cert.pem";
  config.tls_key = "key.pem";
  EXPECT_THAT(*check(config), IsEmpty());
}

TEST(CheckConfig, WantsCertificateAndKeyTogether) {
  Config config = usual();
  config.tls_certificate = "cert.pem";
  EXPECT_THAT(error_of(config), HasSubstr("--tls-cert needs --tls-key"));
  config.tls_certificate.reset();
  config.tls_key = "key.pem";
  EXPECT_THAT(error_of(config), HasSubstr("--tls-key needs --tls-cert"));
}

TEST(CheckConfig, NamesTheOptionThatIsWrong) {
  Config config = usual();
  config.allow = {"tcp:127.0.0.1:9000", "tcp:nonsense"};
  EXPECT_THAT(error_of(config), HasSubstr("--allow: allow rule 'tcp:nonsense'"));
  config = usual();
  config.cors_origins = {"*"};
  EXPECT_THAT(error_of(config), HasSubstr("--cors-origin '*'"));
  config.cors_origins = {"https://app.example/path"};
  EXPECT_THAT(error_of(config), HasSubstr("--cors-origin 'https://app.example/path'"));
  config = usual();
  config.host_names = {"https://gate.example"};
  EXPECT_THAT(error_of(config), HasSubstr("--host-name 'https://gate.example'"));
  config = usual();
  for (const auto& [low, high] : std::vector<std::pair<std::uint16_t, std::uint16_t>>{{0, 5}, {6, 5}}) {
    config.network.udp_ports = {.low = low, .high = high};
    EXPECT_THAT(error_of(config), HasSubstr("--udp-ports"));
  }
}

}  // namespace
}  // namespace isotube::gateway
