#include "isolation/turn_circuit.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "isolation/turn_circuits.hpp"
#include "world.hpp"

namespace isotube::isolation {
namespace {

using stun::Method;
using turn::Cause;
using turn::TurnError;

[[nodiscard]] TurnError refused(Method method, int code) {
  return {.method = method, .cause = Cause::ErrorResponse, .code = code};
}
[[nodiscard]] TurnError silent(Method method = Method::Allocate) { return {.method = method, .cause = Cause::Timeout}; }

/// A circuit, and a clock that stands still unless told.
class TurnWorld {
 public:
  explicit TurnWorld(std::uint64_t seed = 1) : circuit({}, seeded(seed)) {}

  void fail_allocate(const TurnError& error = silent(), int times = 1) {
    for (int i = 0; i < times; ++i) circuit.allocate_failed(now, *circuit.try_allocate(now), error);
  }
  void sit_out_open_time() { now = *circuit.next_probe(); }
  [[nodiscard]] Duration open_time() const { return *circuit.next_probe() - now; }

  TimePoint now = kStart;
  TurnCircuit circuit;
};

TEST(TurnCircuit, OpensAtFiveFailuresInARow) {
  TurnWorld world;
  world.fail_allocate(silent(), 4);
  EXPECT_EQ(world.circuit.state(), CircuitState::Closed);
  world.fail_allocate();
  EXPECT_EQ(world.circuit.state(), CircuitState::Open);
  EXPECT_EQ(world.circuit.failure_count(), 5U);
  EXPECT_EQ(world.circuit.streak(), 5U);
}

TEST(TurnCircuit, ASuccessEndsTheStreakButNotTheCount) {
  TurnWorld world;
  world.fail_allocate(silent(), 4);
  world.circuit.succeeded();
  EXPECT_EQ(world.circuit.streak(), 0U);
  EXPECT_EQ(world.circuit.failure_count(), 4U);
  world.fail_allocate(silent(), 4);
  world.circuit.allocated(world.now, *world.circuit.try_allocate(world.now));
  EXPECT_EQ(world.circuit.streak(), 0U);
  EXPECT_EQ(world.circuit.failure_count(), 8U);
}

TEST(TurnCircuit, WrongCredentialsAQuotaAndAFullRelayOpenItAtOnce) {
  for (const int code : {401, 441, 486, 508}) {
    TurnWorld world;
    world.fail_allocate(refused(Method::Allocate, code));
    EXPECT_EQ(world.circuit.state(), CircuitState::Open) << code;
  }
  TurnWorld world;
  world.circuit.failed(world.now, refused(Method::Refresh, 401));
  EXPECT_EQ(world.circuit.state(), CircuitState::Open);
}

TEST(TurnCircuit, EveryOtherEndOfATransactionCountsOne) {
  for (const Cause cause : {Cause::Timeout, Cause::IntegrityViolated, Cause::UnexpectedResponse, Cause::NonceLoop,
                            Cause::PortsExhausted, Cause::TooManyAlternatives, Cause::FlowFailed}) {
    TurnWorld world;
    // A code that came with it does not matter.
    world.circuit.failed(world.now, {.method = Method::Refresh, .cause = cause, .code = 401});
    EXPECT_EQ(world.circuit.state(), CircuitState::Closed) << turn::TurnError{.cause = cause}.code;
    EXPECT_EQ(world.circuit.streak(), 1U);
  }
  for (const int code : {300, 400, 403, 420, 437, 442, 443, 500}) {
    TurnWorld world;
    world.fail_allocate(refused(Method::Allocate, code));
    EXPECT_EQ(world.circuit.state(), CircuitState::Closed) << code;
    EXPECT_EQ(world.circuit.streak(), 1U) << code;
  }
}

TEST(TurnCircuit, ARefusedPeerIsNoFailureOfTheServer) {
  TurnWorld world;
  for (const Method method : {Method::CreatePermission, Method::ChannelBind}) {
    for (const int code : {400, 403, 443}) world.circuit.failed(world.now, refused(method, code));
  }
  EXPECT_EQ(world.circuit.failure_count(), 0U);
  EXPECT_EQ(world.circuit.streak(), 0U);
  EXPECT_EQ(world.circuit.peers_refused(), 6U);
}

TEST(TurnCircuit, ThatAllPeersWereRefusedIsAFailure) {
  TurnWorld world;
  world.circuit.all_peers_refused(world.now, refused(Method::CreatePermission, 403));
  EXPECT_EQ(world.circuit.failure_count(), 1U);
  EXPECT_EQ(world.circuit.streak(), 1U);
}

TEST(TurnCircuit, OpenRefusesAllocatesAndSaysForHowLong) {
  TurnWorld world;
  world.fail_allocate(silent(), 5);
  const Duration open_time = world.open_time();
  world.now += 3s;
  EXPECT_EQ(world.circuit.try_allocate(world.now).error(), TurnRefusal{open_time - 3s});
}

TEST(TurnCircuit, StaysOpenFor24To30SecondsAndDoublesUpToFiveMinutes) {
  Duration shortest = 1h;
  Duration longest = 0s;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    TurnWorld world(seed);
    world.fail_allocate(silent(), 5);
    Duration expected = world.open_time();
    shortest = std::min(shortest, expected);
    longest = std::max(longest, expected);
    for (int i = 0; i < 10; ++i) {
      world.sit_out_open_time();
      world.fail_allocate();
      expected = std::min<Duration>(2 * expected, 5min);
      EXPECT_EQ(world.open_time(), expected);
    }
  }
  EXPECT_GE(shortest, 24s);
  EXPECT_LE(shortest, 24500ms);
  EXPECT_GE(longest, 29500ms);
  EXPECT_LE(longest, 30s);
}

TEST(TurnCircuit, LetsOneAllocateThroughAsProbeAndItsSuccessCloses) {
  TurnWorld world;
  world.fail_allocate(silent(), 5);
  world.sit_out_open_time();
  const auto probe = world.circuit.try_allocate(world.now);
  ASSERT_TRUE(probe);
  EXPECT_EQ(world.circuit.state(), CircuitState::HalfOpen);
  EXPECT_EQ(world.circuit.try_allocate(world.now).error(), TurnRefusal{});
  world.circuit.allocated(world.now, *probe);
  EXPECT_EQ(world.circuit.state(), CircuitState::Closed);
  EXPECT_EQ(world.circuit.streak(), 0U);
  world.fail_allocate(silent(), 4);
  EXPECT_EQ(world.circuit.state(), CircuitState::Closed);
}

TEST(TurnCircuit, OnlyTheProbesOwnOutcomeDecides) {
  TurnWorld world;
  const auto early = *world.circuit.try_allocate(world.now);
  const auto other = *world.circuit.try_allocate(world.now);
  world.fail_allocate(silent(), 5);
  world.sit_out_open_time();
  ASSERT_TRUE(world.circuit.try_allocate(world.now));
  world.circuit.succeeded();
  world.circuit.failed(world.now, refused(Method::Refresh, 401));
  world.circuit.all_peers_refused(world.now, refused(Method::ChannelBind, 403));
  world.circuit.allocated(world.now, early);
  world.circuit.allocate_failed(world.now, other, silent());
  world.circuit.allocate_cancelled(world.now, other);
  EXPECT_EQ(world.circuit.state(), CircuitState::HalfOpen);
  EXPECT_EQ(world.circuit.failure_count(), 8U);
}

TEST(TurnCircuit, RefreshesWhileOpenNeitherCloseNorProlongIt) {
  TurnWorld world;
  world.fail_allocate(refused(Method::Allocate, 486));
  const auto until = world.circuit.next_probe();
  world.circuit.succeeded();
  world.circuit.failed(world.now, silent(Method::Refresh));
  EXPECT_EQ(world.circuit.state(), CircuitState::Open);
  EXPECT_EQ(world.circuit.next_probe(), until);
  EXPECT_EQ(world.circuit.failure_count(), 2U);
}

TEST(TurnCircuit, AProbeThatIsGivenUpLeavesThePlaceToTheNext) {
  TurnWorld world;
  world.fail_allocate(silent(), 5);
  world.sit_out_open_time();
  world.circuit.allocate_cancelled(world.now, *world.circuit.try_allocate(world.now));
  EXPECT_EQ(world.circuit.state(), CircuitState::Open);
  EXPECT_TRUE(world.circuit.try_allocate(world.now));
}

TEST(TurnCircuit, AProbeThatNobodySpeaksOfIsGivenUpInTheEnd) {
  TurnWorld world;
  world.fail_allocate(silent(), 5);
  world.sit_out_open_time();
  const auto lost = *world.circuit.try_allocate(world.now);
  world.now += 2min - 1ns;
  EXPECT_FALSE(world.circuit.try_allocate(world.now));
  world.now += 1ns;
  const auto next = world.circuit.try_allocate(world.now);
  ASSERT_TRUE(next);
  world.circuit.allocate_failed(world.now, lost, silent());
  EXPECT_EQ(world.circuit.state(), CircuitState::HalfOpen);
  world.circuit.allocated(world.now, *next);
  EXPECT_EQ(world.circuit.state(), CircuitState::Closed);
}

TEST(TurnCircuit, NewCredentialsAreTriedAtOnceWhereTheOldOnesWereRefused) {
  TurnWorld world;
  world.fail_allocate(refused(Method::Allocate, 401));
  world.circuit.credentials_changed(world.now);
  const auto probe = world.circuit.try_allocate(world.now);
  ASSERT_TRUE(probe);
  world.circuit.credentials_changed(world.now);
  EXPECT_TRUE(world.circuit.try_allocate(world.now)) << "the first probe still showed the old ones";

  TurnWorld quota;
  quota.fail_allocate(refused(Method::Allocate, 486));
  quota.circuit.credentials_changed(quota.now);
  EXPECT_FALSE(quota.circuit.try_allocate(quota.now));
}

TEST(TurnCircuit, ResetClosesAtOnceAndForgetsTheDoubling) {
  TurnWorld world;
  world.fail_allocate(silent(), 5);
  world.sit_out_open_time();
  world.fail_allocate();
  world.circuit.reset(world.now);
  EXPECT_EQ(world.circuit.state(), CircuitState::Closed);
  EXPECT_EQ(world.circuit.failure_count(), 6U);
  world.fail_allocate(silent(), 5);
  EXPECT_LE(world.open_time(), 30s);
}

TEST(TurnCircuit, TellsItsTransitionsInOrder) {
  TurnWorld world;
  world.fail_allocate(refused(Method::Allocate, 508));
  world.sit_out_open_time();
  world.circuit.allocated(world.now, *world.circuit.try_allocate(world.now));
  std::vector<std::pair<CircuitState, CircuitState>> steps;
  std::uint64_t number = 0;
  while (const auto transition = world.circuit.poll_transition()) {
    EXPECT_EQ(transition->number, ++number);
    steps.emplace_back(transition->from, transition->to);
    EXPECT_EQ(transition->failure.has_value(), transition->to == CircuitState::Open);
  }
  using enum CircuitState;
  EXPECT_EQ(steps,
            (std::vector<std::pair<CircuitState, CircuitState>>{{Closed, Open}, {Open, HalfOpen}, {HalfOpen, Closed}}));
}

TEST(TurnCircuits, EachServerCountsForItself) {
  TurnCircuits circuits({}, seeded(1));
  circuits.configure(std::vector<std::string>{"turn:one", "turn:two"});
  for (int i = 0; i < 5; ++i) circuits.at("turn:one")->failed(kStart, silent());
  EXPECT_EQ(circuits.at("turn:one")->state(), CircuitState::Open);
  EXPECT_EQ(circuits.at("turn:two")->state(), CircuitState::Closed);
  EXPECT_EQ(circuits.at("turn:three"), nullptr);
  EXPECT_TRUE(circuits.is_healthy());
  EXPECT_FALSE(circuits.time_left(kStart));
  EXPECT_EQ(circuits.turn_failure_count(), 5U);
}

TEST(TurnCircuits, AreUnhealthyWhenEveryServersCircuitIsOpen) {
  TurnCircuits circuits({}, seeded(1));
  EXPECT_TRUE(circuits.is_healthy()) << "no server, no circuit";
  circuits.configure(std::vector<std::string>{"turn:one", "turn:two"});
  circuits.at("turn:one")->failed(kStart, refused(Method::Refresh, 441));
  circuits.at("turn:two")->failed(kStart + 1s, refused(Method::Refresh, 441));
  EXPECT_FALSE(circuits.is_healthy());
  const auto first = std::min(*circuits.at("turn:one")->next_probe(), *circuits.at("turn:two")->next_probe());
  EXPECT_EQ(circuits.next_probe()->due, first);
  EXPECT_EQ(circuits.time_left(kStart + 1s), first - kStart - 1s);
  EXPECT_EQ(circuits.time_left(kStart + 1h), 0s);
  circuits.reset(kStart + 2s);
  EXPECT_TRUE(circuits.is_healthy());
  EXPECT_FALSE(circuits.next_probe());
}

TEST(TurnCircuits, KeepWhatTheyKnowOfServersThatStay) {
  TurnCircuits circuits({}, seeded(1));
  circuits.configure(std::vector<std::string>{"turn:gone", "turn:stays"});
  circuits.at("turn:gone")->failed(kStart, silent());
  circuits.at("turn:stays")->failed(kStart, refused(Method::Refresh, 401));
  circuits.configure(std::vector<std::string>{"turn:stays", "turn:new", "turn:stays"});
  EXPECT_EQ(circuits.servers(), (std::vector<std::string>{"turn:stays", "turn:new"}));
  EXPECT_EQ(circuits.at("turn:stays")->state(), CircuitState::Open);
  EXPECT_EQ(circuits.turn_failure_count(), 2U);
  EXPECT_EQ(circuits.poll_transition()->server, "turn:stays");
  EXPECT_FALSE(circuits.poll_transition());
}

TEST(TurnCircuits, HaveABoundedNumberOfServers) {
  TurnCircuits circuits({}, seeded(1));
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.push_back("turn:" + std::to_string(i));
  circuits.configure(many);
  EXPECT_EQ(circuits.servers().size(), TurnCircuits::kMaxServers);
}

}  // namespace
}  // namespace isotube::isolation
