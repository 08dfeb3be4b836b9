// Answers that are not the server's, or not to what was asked (RFC 8489 9.2.5 and 6.3).
#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::turn {
namespace {

using namespace testing;

using Forge = std::function<Bytes(World&, const Request&)>;

struct Mistake {
  std::string name;
  Forge forge;
  Cause cause;
};

Bytes flipped(Bytes bytes) {
  bytes.back() ^= std::byte{1};
  return bytes;
}

std::vector<Mistake> mistakes() {
  return {
      {"BadIntegrity", [](World& world, const Request& request) { return flipped(world.relay.allocated(request)); },
       Cause::IntegrityViolated},
      {"NoIntegrity",
       [](World& world, const Request& request) {
         auto message = Relay::builder(request, stun::Class::Success);
         message.xor_address(AttributeType::XorRelayedAddress, world.relay.relayed).u32(AttributeType::Lifetime, 600);
         return message.xor_address(AttributeType::XorMappedAddress, world.relay.mapped).take();
       },
       Cause::IntegrityViolated},
      {"ErrorWithoutIntegrity",
       [](World&, const Request& request) {
         return Relay::builder(request, stun::Class::Error).error(400, "spoofed").take();
       },
       Cause::IntegrityViolated},
      {"WrongMethod",
       [](World& world, const Request& request) {
         return world.relay.sign(request, {stun::Class::Success, Method::Refresh, request.view().transaction_id()});
       },
       Cause::UnexpectedResponse},
      {"ErrorWithoutCode",
       [](World& world, const Request& request) {
         return world.relay.sign(request, Relay::builder(request, stun::Class::Error));
       },
       Cause::UnexpectedResponse},
      {"UnknownAttribute",
       [](World& world, const Request& request) {
         auto message = Relay::builder(request, stun::Class::Success);
         message.xor_address(AttributeType::XorRelayedAddress, world.relay.relayed).u32(AttributeType::Lifetime, 600);
         message.xor_address(AttributeType::XorMappedAddress, world.relay.mapped);
         return world.relay.sign(request, message.flag(static_cast<AttributeType>(0x7F00)));
       },
       Cause::UnexpectedResponse},
      {"WithoutRelayedAddress", [](World& world, const Request& request) { return world.relay.success(request); },
       Cause::UnexpectedResponse},
      {"ZeroLifetime",
       [](World& world, const Request& request) {
         world.relay.lifetime = 0;
         return world.relay.allocated(request);
       },
       Cause::UnexpectedResponse},
  };
}

class TurnMistaken : public ::testing::TestWithParam<Mistake> {};

void answer_with_mistake(World& world, const Forge& forge, int times) {
  world.relay.script = [&world, forge, times](const Request& request) mutable -> Scripted {
    if (!request.is_signed() || times-- <= 0) return std::nullopt;
    return Answers{forge(world, request)};
  };
}

TEST_P(TurnMistaken, OverUdpIsAsIfItNeverCame) {
  World world;
  answer_with_mistake(world, GetParam().forge, 1);
  world.allocate();
  world.run_for(100ms);
  EXPECT_EQ(world.client.counters().answers_dropped, 1U);
  EXPECT_EQ(world.client.state(), State::Allocating);
  world.relay.lifetime = 600;
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.client.counters().failures, 0U);
}

TEST_P(TurnMistaken, OverUdpIsTheCauseIfNothingBetterComes) {
  World world;
  answer_with_mistake(world, GetParam().forge, 99);
  world.allocate();
  world.run_for(5s);
  EXPECT_TRUE(world.failures().empty());
  world.run_for(2s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, GetParam().cause);
  EXPECT_EQ(world.client.counters().answers_dropped, 4U);
}

TEST_P(TurnMistaken, OverTcpEndsTheTransaction) {
  World world({.transport = Transport::Tcp});
  answer_with_mistake(world, GetParam().forge, 99);
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, GetParam().cause);
}

INSTANTIATE_TEST_SUITE_P(Answers, TurnMistaken, ::testing::ValuesIn(mistakes()),
                         [](const auto& each) { return each.param.name; });

TEST(TurnMistaken, ToAnotherTransactionChangesNothing) {
  World world;
  world.allocate();
  world.run_for(1s);
  Request stranger = world.relay.requests[1];
  world.deliver(world.relay.allocated(stranger));
  world.deliver(stun::MessageBuilder(stun::Class::Error, Method::Refresh, {}).error(437, "gone").take());
  EXPECT_EQ(world.client.counters().answers_dropped, 2U);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnMistaken, WithAWrongFingerprintIsNoMessage) {
  World world;
  world.allocate();
  world.run_for(5ms);
  world.deliver(stun::MessageBuilder(stun::Class::Error, Method::Allocate, {})
                    .error(437, "x")
                    .u32(AttributeType::Fingerprint, 1)
                    .take());
  EXPECT_GT(world.client.counters().bytes_dropped, 0U);
  EXPECT_EQ(world.client.counters().answers_dropped, 0U);
}

TEST(TurnMistaken, SaysWhatTheUnsignedErrorSaid) {
  World world;
  answer_with_mistake(world, mistakes()[2].forge, 99);
  world.allocate();
  world.run_for(6s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].code, 400);
  EXPECT_EQ(world.failures()[0].reason, "spoofed");
}

TEST(TurnMistaken, GarbageIsCountedAndChangesNothing) {
  World world;
  world.allocate();
  world.run_for(1s);
  const auto drop = [&](std::string_view text) { world.deliver(to_bytes(as_byte_view(text))); };
  drop("garbage that is no message");
  drop("");
  drop("\x80");
  drop(std::string_view("\x40\x00\x00\x09short", 9));
  drop(std::string_view("\x40\x00\x00\x01x", 5));  // an unknown channel
  world.deliver(stun::MessageBuilder(stun::Class::Request, Method::Binding, {}).take());
  EXPECT_EQ(world.client.counters().bytes_dropped, 26U + 0U + 1U + 9U + 5U + 20U);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_TRUE(world.received.empty());
}

TEST(TurnMistaken, BytesOfAnOldFlowAreNotHeard) {
  World world;
  world.allocate();
  world.run_for(1s);
  (void)world.send(address("198.51.100.9:6000"), "x");
  world.run_for(1s);
  world.deliver(Relay::channel_data(0x4000, "late"), FlowId{7});
  EXPECT_TRUE(world.received.empty());
}

}  // namespace
}  // namespace isotube::turn
