#include "stun/time_limited_credentials.hpp"

#include <gtest/gtest.h>

namespace isotube::stun {
namespace {

// RFC 2202, test cases 1 and 2 of HMAC-SHA-1, in base64.
TEST(TimeLimitedCredentials, ThePasswordIsHmacSha1InBase64) {
  EXPECT_EQ(time_limited_password(std::string(20, '\x0b'), "Hi There"), "thcxhlUFcmTii8C2+zeMjvFGvgA=");
  EXPECT_EQ(time_limited_password("Jefe", "what do ya want for nothing?"), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
}

// As `printf 1400000000:tube | openssl dgst -sha1 -hmac north -binary | base64` says.
TEST(TimeLimitedCredentials, TheUserNameIsExpiryAndIdAndIsWhatIsSigned) {
  const TimeLimitedCredentials made = make_time_limited_credentials("north", 1'400'000'000, "tube");
  EXPECT_EQ(made.username, "1400000000:tube");
  EXPECT_EQ(made.password, "cn38Mf0F5BFueggOi4JGczBpILM=");
}

TEST(TimeLimitedCredentials, AnEmptySecretIsASecretToo) {
  // HMAC of nothing with nothing: fbdb1d1b18aa6c08324b7d64b71fb76370690e1d.
  EXPECT_EQ(time_limited_password("", ""), "+9sdGxiqbAgyS31ktx+3Y3BpDh0=");
}

}  // namespace
}  // namespace isotube::stun
