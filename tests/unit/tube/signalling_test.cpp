// Descriptions that can't work, calls in the wrong order, and sockets that can't be had.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/tube/world.hpp"

namespace isotube::tube {
namespace {

class TubeSignalling : public testing::Test {
 protected:
  template <typename T>
  T wait(boost::asio::awaitable<T> work) {
    return wait_for(runtime_, std::move(work));
  }

  runtime::Runtime runtime_{2};
};

TEST_F(TubeSignalling, DescriptionsCarryAllCandidatesAndTheGeneration) {
  World world(runtime_);
  const auto offer = wait(world.client->offer());
  ASSERT_TRUE(offer.has_value());
  EXPECT_FALSE(offer->candidates.empty());
  EXPECT_TRUE(offer->end_of_candidates);
  EXPECT_EQ(offer->ice.ufrag, world.client->ice_generation());
  const auto answer = wait(world.gateway->answer(*offer));
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->candidates.empty());
  EXPECT_EQ(answer->ice.ufrag, world.gateway->ice_generation());
}

TEST_F(TubeSignalling, AnUnansweredStunServerDelaysTheOfferNoLongerThanItMay) {
  World::Options options;
  options.client.network.stun_servers = {*Address::parse("127.0.0.1:9")};
  World world(runtime_, std::move(options));
  const TimePoint start = runtime::now();
  const auto offer = wait(world.client->offer(std::chrono::milliseconds(100)));
  ASSERT_TRUE(offer.has_value());
  EXPECT_FALSE(offer->candidates.empty());
  EXPECT_GE(runtime::now() - start, std::chrono::milliseconds(90));
}

TEST_F(TubeSignalling, CandidatesMayComeLater) {
  World world(runtime_);
  auto offer = wait(world.client->offer());
  ASSERT_TRUE(offer.has_value());
  sdp::Fragment fragment;
  fragment.ice = offer->ice;
  fragment.candidates = std::exchange(offer->candidates, {});
  fragment.end_of_candidates = std::exchange(offer->end_of_candidates, false);
  auto answer = wait(world.gateway->answer(*offer));
  ASSERT_TRUE(answer.has_value());
  answer->candidates.clear();
  answer->end_of_candidates = false;
  ASSERT_TRUE(wait(world.client->set_answer(*answer)).has_value());
  ASSERT_TRUE(wait(world.gateway->add_remote(fragment)).has_value());
  EXPECT_TRUE(world.client_saw.wait_for_state(State::Connected));
  world.close_both();
}

TEST_F(TubeSignalling, AnOfferThatCannotWorkIsUnusable) {
  World world(runtime_);
  auto offer = wait(world.client->offer());
  ASSERT_TRUE(offer.has_value());
  sdp::Description spoiled = *offer;
  spoiled.fingerprints.clear();
  EXPECT_EQ(wait(world.gateway->answer(spoiled)).error(), SignalError::Unusable);
  spoiled = *offer;
  spoiled.ice.pwd.clear();
  EXPECT_EQ(wait(world.gateway->answer(spoiled)).error(), SignalError::Unusable);
}

TEST_F(TubeSignalling, CallsInTheWrongOrderAreRefused) {
  World world(runtime_);
  EXPECT_EQ(wait(world.client->set_answer({})).error(), SignalError::WrongState);
  EXPECT_EQ(wait(world.client->add_remote({})).error(), SignalError::WrongState);
  const auto offer = wait(world.client->offer());
  ASSERT_TRUE(offer.has_value());
  EXPECT_EQ(wait(world.client->offer()).error(), SignalError::WrongState);
  EXPECT_EQ(wait(world.client->answer(*offer)).error(), SignalError::WrongState);
  const auto answer = wait(world.gateway->answer(*offer));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(wait(world.gateway->answer(*offer)).error(), SignalError::WrongState);
  ASSERT_TRUE(wait(world.client->set_answer(*answer)).has_value());
  EXPECT_EQ(wait(world.client->set_answer(*answer)).error(), SignalError::WrongState);
  world.close_both();
}

TEST_F(TubeSignalling, AFragmentOfAnotherGenerationIsUnusable) {
  World world(runtime_);
  world.signal();
  sdp::Fragment fragment;
  fragment.ice = {"else", "aPasswordOfTwentyTwoChars"};
  EXPECT_EQ(wait(world.gateway->add_remote(fragment)).error(), SignalError::Unusable);
  world.close_both();
}

TEST_F(TubeSignalling, WithoutAFreePortThereIsNoSocket) {
  boost::asio::io_context context;
  const boost::asio::ip::udp::socket taken(context, {boost::asio::ip::udp::v6(), 0});
  const std::uint16_t port = taken.local_endpoint().port();
  World::Options options;
  options.client.network.udp_ports = Network::PortRange{port, port};
  World world(runtime_, std::move(options));
  EXPECT_EQ(wait(world.client->offer()).error(), SignalError::NoSocket);
}

TEST_F(TubeSignalling, AFingerprintThatDoesNotMatchNeverConnects) {
  World world(runtime_);
  auto offer = wait(world.client->offer());
  ASSERT_TRUE(offer.has_value());
  for (std::byte& each : offer->fingerprints.front().digest) each ^= std::byte{1};
  const auto answer = wait(world.gateway->answer(*offer));
  ASSERT_TRUE(answer.has_value());
  ASSERT_TRUE(wait(world.client->set_answer(*answer)).has_value());
  const auto end = world.gateway_saw.wait_for_close();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason, CloseReason::ConnectionFailed);
  EXPECT_TRUE(world.client_saw.wait_for_close());
}

}  // namespace
}  // namespace isotube::tube
