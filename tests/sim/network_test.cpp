#include "sim/world/network.hpp"

#include <gtest/gtest.h>

#include "sim/world/dice.hpp"

namespace isotube::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Address kOne = *Address::parse("192.0.2.1:1000");
const Address kOther = *Address::parse("192.0.2.2:2000");
const Path kThere{kOne, kOther};
const TimePoint kBegin = TimePoint(seconds(10));

struct Took {
  TimePoint when;
  Bytes datagram;
};

Bytes numbered(std::size_t number, std::size_t size = 100) {
  Bytes datagram(size);
  SpanWriter(datagram).u32(static_cast<std::uint32_t>(number));
  return datagram;
}

std::uint32_t number_of(const Took& took) { return ByteReader(took.datagram).u32(); }

std::vector<Took> take_all(Network& network) {
  std::vector<Took> all;
  while (network.next_arrival() != kNever) {
    const TimePoint when = network.next_arrival();
    all.push_back({when, network.take(when)->datagram});
  }
  return all;
}

std::vector<Took> send_through(Network& network, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) network.send(kBegin + milliseconds(i), kThere, numbered(i));
  return take_all(network);
}

TEST(Dice, FallTheSameForTheSameKeyAndOtherwiseForAnother) {
  EXPECT_EQ((Dice{1, 2, 3, 4}.next()), (Dice{1, 2, 3, 4}.next()));
  EXPECT_NE((Dice{1, 2, 3, 4}.next()), (Dice{1, 2, 4, 3}.next()));
  EXPECT_NE((Dice{1, 2, 3, 4}.next()), (Dice{2, 2, 3, 4}.next()));
  int fell = 0;
  for (std::uint64_t number = 0; number < 10'000; ++number) fell += Dice{7, number}.falls(0.2) ? 1 : 0;
  EXPECT_NEAR(fell, 2'000, 150);
}

TEST(Network, CarriesWithItsDelayAndTurnsThePathRound) {
  Network network(1);
  network.join(kOne, kOther, {.delay = milliseconds(30)});
  network.send(kBegin, kThere, numbered(5));
  EXPECT_EQ(network.next_arrival(), kBegin + milliseconds(30));
  EXPECT_FALSE(network.take(kBegin + milliseconds(29)));
  const auto arrival = network.take(kBegin + milliseconds(30));
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->path.local, kOther);
  EXPECT_EQ(arrival->path.remote, kOne);
  EXPECT_EQ(arrival->datagram, numbered(5));
  EXPECT_EQ(network.next_arrival(), kNever);
}

TEST(Network, HasNoWayWithoutALink) {
  Network network(1);
  network.send(kBegin, kThere, numbered(1));
  EXPECT_EQ(network.next_arrival(), kNever);
  EXPECT_EQ(network.counters().lost, 1U);
}

TEST(Network, LosesAndRepeatsTheShareThatItIsTold) {
  Network network(3);
  network.join(kOne, kOther, {.loss = 0.2, .duplicate = 0.1});
  const std::size_t arrived = send_through(network, 10'000).size();
  EXPECT_NEAR(static_cast<double>(network.counters().lost), 2'000, 150);
  EXPECT_NEAR(static_cast<double>(network.counters().duplicated), 800, 100);
  EXPECT_EQ(arrived, 10'000 - network.counters().lost + network.counters().duplicated);
}

TEST(Network, KeepsTheOrderDespiteJitterUnlessToldOtherwise) {
  const auto is_sorted = [](const LinkSettings& settings) {
    Network network(4);
    network.join(kOne, kOther, settings);
    const std::vector<Took> took = send_through(network, 1'000);
    EXPECT_EQ(took.size(), 1'000U);
    return std::ranges::is_sorted(took, {}, number_of);
  };
  EXPECT_TRUE(is_sorted({.jitter = milliseconds(50)}));
  EXPECT_FALSE(is_sorted({.reorder = 0.1, .jitter = milliseconds(50)}));
}

TEST(Network, GivesWhatArrivesAtOneTimeInTheOrderOfSending) {
  Network network(5);
  network.join(kOne, kOther, {});
  for (std::size_t i = 0; i < 100; ++i) network.send(kBegin, kThere, numbered(i));
  const std::vector<Took> took = take_all(network);
  ASSERT_EQ(took.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(took, {}, number_of));
}

TEST(Network, SwallowsWhatIsLongerThanItsMtu) {
  Network network(6);
  network.join(kOne, kOther, {.mtu = 1'280});
  network.send(kBegin, kThere, numbered(1, 1'252));
  network.send(kBegin, kThere, numbered(2, 1'253));
  const std::vector<Took> took = take_all(network);
  ASSERT_EQ(took.size(), 1U);
  EXPECT_EQ(number_of(took[0]), 1U);
}

TEST(Network, SwallowsEverythingInABlackhole) {
  Network network(7);
  network.join(kOne, kOther, {.blackholes = {{kBegin + milliseconds(20), kBegin + milliseconds(50)}}});
  const std::vector<Took> took = send_through(network, 100);
  ASSERT_EQ(took.size(), 70U);
  EXPECT_EQ(number_of(took[19]), 19U);
  EXPECT_EQ(number_of(took[20]), 50U);
}

TEST(Network, SendsNoFasterThanItsRateAndQueuesNoMoreThanItsQueue) {
  Network network(8);
  // 1,000 bytes with headers are 1 ms.
  network.join(kOne, kOther, {.delay = {}, .rate = 1'000'000, .queue_bytes = 10'000});
  for (std::size_t i = 0; i < 20; ++i) network.send(kBegin, kThere, numbered(i, 972));
  const std::vector<Took> took = take_all(network);
  ASSERT_EQ(took.size(), 10U);
  EXPECT_EQ(took.front().when, kBegin + milliseconds(1));
  EXPECT_EQ(took.back().when, kBegin + milliseconds(10));
}

TEST(Network, ThrowsTheDiceOfEachLinkAndDirectionApart) {
  const auto survivors = [](bool with_others) {
    Network network(9);
    network.join(kOne, kOther, {.loss = 0.5});
    const Address third = *Address::parse("192.0.2.3:3000");
    network.join(kOne, third, {.loss = 0.5});
    std::vector<std::uint32_t> numbers;
    for (std::size_t i = 0; i < 200; ++i) {
      network.send(kBegin, kThere, numbered(i));
      if (!with_others) continue;
      network.send(kBegin, {kOther, kOne}, numbered(1'000 + i));
      network.send(kBegin, {kOne, third}, numbered(1'000 + i));
    }
    for (const Took& took : take_all(network)) {
      if (number_of(took) < 1'000) numbers.push_back(number_of(took));
    }
    return numbers;
  };
  EXPECT_EQ(survivors(false), survivors(true));
}

}  // namespace
}  // namespace isotube::sim
