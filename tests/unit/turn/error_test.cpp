#include "turn/error.hpp"

#include <gtest/gtest.h>

namespace isotube::turn {
namespace {

TEST(TurnError, ReadsAsOneLineWithWhatIsNotPrintableEscaped) {
  TurnError error;
  error.method = stun::Method::ChannelBind;
  error.cause = Cause::ErrorResponse;
  error.code = 403;
  error.reason = "no\xFF\n\x1B[2Jway\\";
  error.server = "turn:relay.example:3478";
  error.transport = Transport::Tcp;
  error.peer = Address::parse("192.0.2.9:40000");
  EXPECT_EQ(to_string(error),
            "ChannelBind for 192.0.2.9:40000 at turn:relay.example:3478 over TCP: refused, 403 "
            "(no\\xff\\x0a\\x1b[2Jway\\x5c)");
}

TEST(TurnError, SaysTheCauseAloneWhenNobodyAnswered) {
  TurnError error;
  error.server = "turns:relay.example:5349";
  error.transport = Transport::Tls;
  EXPECT_EQ(to_string(error), "Allocate at turns:relay.example:5349 over TLS: no answer");
}

}  // namespace
}  // namespace isotube::turn
