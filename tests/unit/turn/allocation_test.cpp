// Getting an allocation, and every way not to get one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.hpp"

namespace isotube::turn {
namespace {

using namespace testing;
using ::testing::ElementsAre;

TEST(TurnAllocate, AsksWithoutCredentialsFirstAndAnswersTheChallenge) {
  World world;
  world.allocate();
  EXPECT_EQ(world.client.state(), State::Allocating);
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
  ASSERT_EQ(world.relay.requests.size(), 2U);
  const Request& first = world.relay.requests[0];
  const Request& second = world.relay.requests[1];
  EXPECT_FALSE(first.is_signed());
  EXPECT_FALSE(first.view().has(AttributeType::Username));
  EXPECT_EQ(first.view().u32(AttributeType::RequestedTransport), 17U << 24);
  EXPECT_EQ(first.view().u32(AttributeType::Lifetime), 600U);
  EXPECT_FALSE(first.view().has(AttributeType::RequestedAddressFamily));
  EXPECT_TRUE(second.view().integrity_sha1().has_value());
  EXPECT_NE(first.view().transaction_id(), second.view().transaction_id());
  EXPECT_EQ(world.client.relayed(), world.relay.relayed);
  EXPECT_EQ(world.client.flow(), 1U);
  ASSERT_EQ(world.count<Allocated>(), 1U);
  EXPECT_EQ(world.all<Allocated>()[0].mapped, world.relay.mapped);
  EXPECT_EQ(world.client.counters().requests, 1U);
  EXPECT_EQ(world.client.counters().allocate.succeeded, 1U);
  EXPECT_EQ(world.client.counters().allocate.after_stale_nonce, 0U);
  EXPECT_EQ(world.client.counters().failures, 0U);
}

TEST(TurnAllocate, TakesAnAllocationThatNobodyWantsAPasswordFor) {
  World world;
  world.relay.demands_login = false;
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.relay.requests.size(), 1U);
}

TEST(TurnAllocate, UsesSha256WhereverItIsOffered) {
  World world;
  world.relay.offers_sha256 = true;
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
  const auto view = world.relay.requests.at(1).view();
  EXPECT_FALSE(view.integrity_sha1().has_value());
  EXPECT_TRUE(view.integrity_sha256().has_value());
  const auto chosen = view.password_algorithms(AttributeType::PasswordAlgorithm);
  ASSERT_TRUE(chosen.has_value());
  ASSERT_EQ(chosen->size(), 1U);
  EXPECT_EQ(chosen->front().id, stun::PasswordAlgorithmId::Sha256);
  const auto repeated = view.password_algorithms(AttributeType::PasswordAlgorithms);
  ASSERT_TRUE(repeated.has_value());
  EXPECT_EQ(repeated->size(), 2U);
}

TEST(TurnAllocate, HidesTheUserNameWhereTheNonceCookieAsksForIt) {
  World world;
  world.relay.anonymous = true;
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
  EXPECT_TRUE(world.relay.requests.at(1).view().has(AttributeType::UserHash));
  EXPECT_FALSE(world.relay.requests.at(1).view().has(AttributeType::Username));
}

TEST(TurnAllocate, IgnoresAChallengeThatLostItsAlgorithmsOnTheWay) {
  World world;
  world.relay.offers_sha256 = true;
  world.relay.lists_algorithms = false;
  world.allocate();
  world.run_for(10s);
  EXPECT_EQ(world.client.state(), State::Idle);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::IntegrityViolated);
  // One for each of the four requests.
  EXPECT_EQ(world.client.counters().answers_dropped, 4U);
}

TEST(TurnAllocate, AsksAnIPv6ServerForAnIPv6Relay) {
  World world({.server = address("[2001:db8::1]:3478")});
  world.relay.relayed = address("[2001:db8::7]:50000");
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.relay.requests[0].view().u32(AttributeType::RequestedAddressFamily), 2U << 24);
}

TEST(TurnAllocate, DoesNotTakeARelayOfTheOtherFamily) {
  World world;
  world.relay.relayed = address("[2001:db8::7]:50000");
  world.allocate();
  world.run_for(10s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::UnexpectedResponse);
}

TEST(TurnAllocate, GivesUpAfterFiveAndAHalfSecondsOfSilence) {
  World world;
  world.loses_to_relay = [](const Bytes&) { return true; };
  world.allocate();
  world.run_for(5499ms);
  EXPECT_EQ(world.client.state(), State::Allocating);
  world.run_for(1ms);
  EXPECT_EQ(world.client.state(), State::Idle);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::Timeout);
  EXPECT_EQ(world.failures()[0].method, Method::Allocate);
  EXPECT_EQ(world.failures()[0].server, "turn:relay.example:3478");
  EXPECT_EQ(world.client.counters().retransmissions, 3U);
  EXPECT_EQ(world.count<AllocationLost>(), 1U);
  EXPECT_THAT(world.closed, ElementsAre(1U));
  EXPECT_EQ(world.client.next_timeout(), kNever);
}

TEST(TurnAllocate, SurvivesTheLossOfThreeRequests) {
  World world;
  int sent = 0;
  world.loses_to_relay = [&](const Bytes&) { return ++sent <= 3; };
  world.allocate();
  world.run_for(5s);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnAllocate, EndsWithASecondChallengeForTheSameRealm) {
  World world({.password = "wrong"});
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Idle);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::ErrorResponse);
  EXPECT_EQ(world.failures()[0].code, 401);
  EXPECT_EQ(to_string(world.failures()[0]).find("wrong"), std::string::npos);
  EXPECT_EQ(world.relay.requests.size(), 2U);
}

TEST(TurnAllocate, AnswersAChallengeForAnotherRealm) {
  World world;
  world.allocate();
  world.run_for(1s);
  world.client.flow_failed(world.now, 1, "moved");
  world.relay.realm = "other.example";
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
}

TEST(TurnAllocate, EndsAtOnceWithoutAUserName) {
  World world({.username = ""});
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].code, 401);
}

constexpr std::string_view kReason("\xFF\x00no", 4);

class TurnAllocateRefused : public ::testing::TestWithParam<int> {};

TEST_P(TurnAllocateRefused, EndsAtOnceAndCanBeTriedAgain) {
  World world;
  world.relay.script = [&](const Request& request) -> Scripted {
    if (!request.is_signed()) return std::nullopt;
    return Answers{world.relay.error(request, GetParam(), kReason)};
  };
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Idle);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::ErrorResponse);
  EXPECT_EQ(world.failures()[0].code, GetParam());
  // Row T15 of the fault matrix: a reason is any bytes.
  EXPECT_EQ(world.failures()[0].reason, kReason);
  EXPECT_TRUE(world.lost_after_failure());
  EXPECT_EQ(world.client.counters().failures, 1U);
  world.relay.script = nullptr;
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
  // A new flow, so a new local port; and the nonce is known by now.
  EXPECT_EQ(world.client.flow(), 2U);
  EXPECT_TRUE(world.relay.requests.back().is_signed());
}

INSTANTIATE_TEST_SUITE_P(Codes, TurnAllocateRefused,
                         ::testing::Values(400, 403, 420, 440, 441, 442, 486, 500, 508, 600));

TEST(TurnAllocate, T4GetsANewLocalPortWhereTheOldOneIsTaken) {
  World world;
  world.relay.allocations[1].expires = TimePoint{} + 1h;
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Allocated);
  EXPECT_EQ(world.client.flow(), 2U);
  EXPECT_THAT(world.closed, ElementsAre(1U));
  EXPECT_EQ(world.client.counters().failures, 0U);
}

TEST(TurnAllocate, T4GivesUpAtTheThirdLocalPortThatIsTaken) {
  World world;
  for (FlowId flow = 1; flow <= 3; ++flow) world.relay.allocations[flow].expires = TimePoint{} + 1h;
  world.allocate();
  world.run_for(1s);
  EXPECT_EQ(world.client.state(), State::Idle);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::PortsExhausted);
  EXPECT_EQ(world.failures()[0].code, 437);
  EXPECT_EQ(world.flows.size(), 3U);
  EXPECT_THAT(world.closed, ElementsAre(1U, 2U, 3U));
}

Bytes redirect(World& world, const Request& request, const Address& to, std::string_view domain = {}) {
  auto message = Relay::builder(request, stun::Class::Error);
  message.error(300, "elsewhere").address(AttributeType::AlternateServer, to);
  if (!domain.empty()) message.text(AttributeType::AlternateDomain, domain);
  return world.relay.sign(request, message);
}

TEST(TurnAlternate, GoesToTheServerThatWasNamed) {
  World world({.transport = Transport::Tls});
  const Address other = address("192.0.2.2:5349");
  world.relay.script = [&](const Request& request) -> Scripted {
    if (request.flow > 1) return std::nullopt;
    return Answers{redirect(world, request, other, "two.relay.example")};
  };
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.client.state(), State::Allocated);
  ASSERT_EQ(world.flows.size(), 2U);
  EXPECT_EQ(world.flows[0].name, "relay.example");
  EXPECT_EQ(world.flows[1].server, other);
  EXPECT_EQ(world.flows[1].transport, Transport::Tls);
  EXPECT_EQ(world.flows[1].name, "two.relay.example");
  EXPECT_EQ(world.client.server().address, other);
  // A nonce is its server's own.
  EXPECT_FALSE(world.relay.requests.at(1).is_signed());
  EXPECT_EQ(world.client.counters().failures, 0U);
}

TEST(TurnAlternate, NoticesServersThatNameEachOther) {
  World world;
  world.relay.script = [&](const Request& request) -> Scripted {
    return Answers{redirect(world, request, address(request.flow % 2 == 1 ? "192.0.2.2:3478" : "192.0.2.1:3478"))};
  };
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::TooManyAlternatives);
  EXPECT_EQ(world.flows.size(), 2U);
}

TEST(TurnAlternate, FollowsThreeServersAndNoMore) {
  World world;
  world.relay.script = [&](const Request& request) -> Scripted {
    const Address next{IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(10 + request.flow)}), 3478};
    return Answers{redirect(world, request, next)};
  };
  world.allocate();
  world.run_for(1s);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::TooManyAlternatives);
  EXPECT_EQ(world.flows.size(), 4U);
  // The next time begins at the configured server.
  world.relay.script = nullptr;
  world.allocate();
  EXPECT_EQ(world.flows.back().server, address("192.0.2.1:3478"));
}

TEST(TurnAlternate, IsRefusedWithoutAnAddressOrWithABadDomain) {
  for (const std::string_view domain : {"", "two words"}) {
    World world;
    world.relay.script = [&](const Request& request) -> Scripted {
      if (domain.empty()) return Answers{world.relay.error(request, 300)};
      return Answers{redirect(world, request, address("192.0.2.2:3478"), domain)};
    };
    world.allocate();
    world.run_for(1s);
    ASSERT_EQ(world.failures().size(), 1U);
    EXPECT_EQ(world.failures()[0].cause, Cause::ErrorResponse);
    EXPECT_EQ(world.failures()[0].code, 300);
  }
}

TEST(TurnAllocate, DoesNothingUnlessIdle) {
  World world;
  world.allocate();
  world.allocate();
  EXPECT_EQ(world.flows.size(), 1U);
  world.run_for(1s);
  world.allocate();
  EXPECT_EQ(world.flows.size(), 1U);
}

TEST(TurnAllocate, EndsWhenTheFlowCantBeOpened) {
  World world;
  world.opens_flows = false;
  world.allocate();
  world.client.flow_failed(world.now, 1, "refused by somebody");
  world.drain();
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::FlowFailed);
  EXPECT_EQ(world.failures()[0].reason, "refused by somebody");
  EXPECT_EQ(world.client.state(), State::Idle);
  EXPECT_TRUE(world.closed.empty());
}

TEST(TurnAllocate, WaitsEightSecondsForTheFlowToOpen) {
  World world({.transport = Transport::Tcp});
  world.opens_flows = false;
  world.allocate();
  world.run_for(7999ms);
  EXPECT_TRUE(world.failures().empty());
  world.run_for(1ms);
  ASSERT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(world.failures()[0].cause, Cause::Timeout);
  EXPECT_THAT(world.closed, ElementsAre(1U));
}

}  // namespace
}  // namespace isotube::turn
