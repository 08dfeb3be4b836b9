// Pairs of DTLS sessions on a bad network: they connect, and nothing but what was said is heard, at most once.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "sim/world/dice.hpp"
#include "sim/world/dtls_node.hpp"
#include "sim/world/seeds.hpp"
#include "sim/world/tube_random.hpp"
#include "sim/world/world.hpp"

namespace isotube::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kRecords = 100;

const Address kClientAddress = *Address::parse("192.0.2.1:1000");
const Address kServerAddress = *Address::parse("192.0.2.2:2000");

LinkSettings bad_link(std::uint64_t seed) {
  Dice dice{seed, 0xD715};
  LinkSettings link;
  link.loss = 0.2 * dice.unit();
  link.duplicate = 0.1 * dice.unit();
  link.reorder = 0.1 * dice.unit();
  link.delay = milliseconds(dice.between(0, 100));
  link.jitter = milliseconds(dice.between(0, 30));
  link.mtu = dice.falls(0.3) ? 576 : 1'500;
  return link;
}

struct Meeting {
  explicit Meeting(std::uint64_t seed)
      : world(seed),
        client(dtls::Role::Client, {kClientAddress, kServerAddress}, random_of(seed, 1)),
        server(dtls::Role::Server, {kServerAddress, kClientAddress}, random_of(seed, 2)) {
    const LinkSettings link = bad_link(seed);
    world.network.join(kClientAddress, kServerAddress, link);
    // 20 % loss can take a datagram a dozen times in a row; that is the network's fault, not a stuck handshake.
    const dtls::Settings settings{.handshake_deadline = seconds(60), .max_datagram = link.mtu - 28};
    client.start(world.now, server.fingerprint(), settings);
    server.start(world.now, client.fingerprint(), settings);
    world.add(client);
    world.add(server);
  }

  [[nodiscard]] bool is_connected() const {
    return client.state() == dtls::State::Connected && server.state() == dtls::State::Connected;
  }

  World world;
  DtlsNode client;
  DtlsNode server;
};

std::string line(const char* who, int number) { return std::string(who) + " says " + std::to_string(number); }

void expect_heard_at_most_once(const DtlsNode& listener, const char* who) {
  std::set<std::string> said;
  for (int i = 0; i < kRecords; ++i) said.insert(line(who, i));
  for (const Bytes& record : listener.heard()) {
    ASSERT_EQ(said.erase(std::string(as_text(record))), 1U) << as_text(record);
  }
  EXPECT_LT(said.size(), kRecords / 2) << "more than half was lost";
}

std::uint64_t run(std::uint64_t seed) {
  Meeting meeting(seed);
  EXPECT_EQ(meeting.world.run_until([&] { return meeting.is_connected(); }, seconds(60)), End::Done);
  for (int i = 0; i < kRecords; ++i) {
    meeting.client.say(as_byte_view(line("client", i)));
    meeting.server.say(as_byte_view(line("server", i)));
    EXPECT_NE(meeting.world.run_for(milliseconds(5)), End::Livelock);
  }
  EXPECT_NE(meeting.world.run_for(seconds(2)), End::Livelock);
  EXPECT_TRUE(meeting.is_connected());
  expect_heard_at_most_once(meeting.client, "server");
  expect_heard_at_most_once(meeting.server, "client");
  return meeting.world.transcript.hash();
}

TEST(DtlsOnABadNetwork, ConnectsAndHearsWhatWasSaidAtMostOnce) {
  for (const std::uint64_t seed : seeds()) {
    SCOPED_TRACE("ISOTUBE_SIM_SEED=" + std::to_string(seed));
    (void)run(seed);
    if (HasFailure()) return;
  }
}

TEST(DtlsOnABadNetwork, SaysTheSameBytesForTheSameSeed) {
  const std::uint64_t seed = seeds().front();
  EXPECT_EQ(run(seed), run(seed));
  EXPECT_NE(run(seed), run(seed + 1));
}

TEST(DtlsOnABadNetwork, SaysTheSameBytesWhateverItsNeighbourDoes) {
  const auto client_says = [](bool with_neighbour) {
    World world(3);
    std::optional<DtlsNode> neighbour;
    if (with_neighbour) {
      neighbour.emplace(dtls::Role::Client, Path{*Address::parse("192.0.2.9:9"), kServerAddress}, random_of(3, 9));
      neighbour->start(world.now, neighbour->fingerprint(), {});
    }
    DtlsNode client(dtls::Role::Client, {kClientAddress, kServerAddress}, random_of(3, 1));
    client.start(world.now, client.fingerprint(), {});
    Outlet outlet(world.network, world.transcript);
    Transcript not_compared;
    Outlet other_outlet(world.network, not_compared);
    // Alternately, as on one worker.
    for (int i = 0; i < 20; ++i) {
      const TimePoint now = world.now + milliseconds(100 * i);
      if (neighbour) {
        neighbour->handle_timeout(now);
        (void)neighbour->drain(now, other_outlet);
      }
      client.handle_timeout(now);
      (void)client.drain(now, outlet);
    }
    return world.transcript.hash();
  };
  EXPECT_EQ(client_says(false), client_says(true));
}

}  // namespace
}  // namespace isotube::sim
