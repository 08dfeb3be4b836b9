// Whole tubes on a bad network: every byte arrives once and, where it was promised, in order.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "sim/world/dice.hpp"
#include "sim/world/seeds.hpp"
#include "sim/world/talking_peer.hpp"
#include "sim/world/tube_random.hpp"
#include "sim/world/world.hpp"

namespace isotube::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// All that a seed decides.
struct Scenario {
  explicit Scenario(std::uint64_t seed) {
    Dice dice{seed, 0x9EE8};
    plan.seed = seed;
    plan.messages = static_cast<std::uint32_t>(dice.between(1, 20));
    plan.largest = dice.between(4, 30'000);
    for (LinkSettings* link : {&there, &back}) {
      link->loss = 0.2 * dice.unit();
      link->duplicate = 0.1 * dice.unit();
      link->reorder = 0.1 * dice.unit();
      link->delay = milliseconds(dice.between(0, 80));
      link->jitter = milliseconds(dice.between(0, 20));
      link->mtu = dice.between(1'228, 1'500);
      if (dice.falls(0.2)) link->rate = dice.between(50'000, 2'000'000);
    }
    trickles = dice.falls(0.5);
    hole_begins = milliseconds(dice.between(0, 5'000));
    if (dice.falls(0.2)) hole = milliseconds(dice.between(100, 5'000));
    settings.sctp.send_limit = dice.falls(0.5) ? 65'536 : settings.sctp.send_limit;
    settings.sctp.offer_interleaving = dice.falls(0.5);
    // 20 % loss can take a datagram a dozen times in a row; that is the network's fault, not a stuck handshake.
    settings.dtls.handshake_deadline = seconds(60);
  }

  Plan plan;
  LinkSettings there;
  LinkSettings back;
  bool trickles = false;
  Duration hole_begins{};
  Duration hole{};
  peer::Settings settings;
};

/// Two tubes that talk with each other, somewhere in a world. Its `number` gives it its addresses and its randomness.
struct Conversation {
  Conversation(World& world, const Scenario& chosen, std::uint8_t number)
      : scenario(chosen),
        offerer(Side::Offerer, chosen.plan, address(number, 1), chosen.settings,
                random_of(chosen.plan.seed, number * 2U)),
        answerer(Side::Answerer, chosen.plan, address(number, 2), chosen.settings,
                 random_of(chosen.plan.seed, number * 2U + 1)) {
    LinkSettings there = scenario.there;
    LinkSettings back = scenario.back;
    if (scenario.hole > Duration::zero()) {
      const Blackhole hole{world.now + scenario.hole_begins, world.now + scenario.hole_begins + scenario.hole};
      there.blackholes = {hole};
      back.blackholes = {hole};
    }
    world.network.join(offerer.address(), answerer.address(), there, back);
    world.add(offerer);
    world.add(answerer);
    negotiate(world.now);
  }

  static Address address(std::uint8_t number, std::uint8_t side) {
    return {IpAddress::v4({192, 0, number, side}), static_cast<std::uint16_t>(1'000 + side)};
  }

  void negotiate(TimePoint now) {
    offerer.signal_to(answerer);
    answerer.signal_to(offerer);
    if (!scenario.trickles) add_addresses(now);
    const sdp::Description offer = offerer.peer().create_offer(now);
    const auto answer = answerer.peer().accept_offer(now, offer);
    ASSERT_TRUE(answer);
    ASSERT_TRUE(offerer.peer().set_answer(now, *answer));
    if (scenario.trickles) add_addresses(now);
  }

  void add_addresses(TimePoint now) {
    for (TalkingPeer* each : {&offerer, &answerer}) {
      each->peer().add_local_address(now, each->address());
      each->peer().end_of_local_addresses(now);
    }
  }

  [[nodiscard]] bool is_complete() const { return offerer.has_heard_everything() && answerer.has_heard_everything(); }
  [[nodiscard]] bool is_closed() const { return offerer.closed() && answerer.closed(); }
  [[nodiscard]] bool has_complaint() const {
    return !offerer.complaint().empty() || !answerer.complaint().empty() || offerer.closed() || answerer.closed();
  }
  [[nodiscard]] std::string progress() const { return offerer.progress() + " " + answerer.progress(); }

  Scenario scenario;
  TalkingPeer offerer;
  TalkingPeer answerer;
};

void expect_no_complaint(const Conversation& conversation) {
  EXPECT_EQ(conversation.offerer.complaint(), "");
  EXPECT_EQ(conversation.answerer.complaint(), "");
}

std::uint64_t run(std::uint64_t seed) {
  World world(seed);
  Conversation conversation(world, Scenario(seed), 1);
  const End end =
      world.run_until([&] { return conversation.is_complete() || conversation.has_complaint(); }, minutes(20));
  EXPECT_EQ(end, End::Done);
  EXPECT_TRUE(conversation.is_complete()) << conversation.progress();
  // Whatever still is on its way must not arrive a second time.
  EXPECT_NE(world.run_for(seconds(5)), End::Livelock);
  expect_no_complaint(conversation);
  conversation.offerer.peer().close(world.now);
  // If the farewell is lost, the end of consent tells (RFC 7675: 30 s).
  EXPECT_EQ(world.run_until([&] { return conversation.is_closed(); }, minutes(2)), End::Done);
  EXPECT_EQ(world.run_for(minutes(2)), End::Idle);
  expect_no_complaint(conversation);
  return world.transcript.hash();
}

TEST(TubesOnABadNetwork, CarryEveryByteOnceAndInOrder) {
  for (const std::uint64_t seed : seeds()) {
    SCOPED_TRACE("ISOTUBE_SIM_SEED=" + std::to_string(seed));
    (void)run(seed);
    if (HasFailure()) return;
  }
}

TEST(TubesOnABadNetwork, SayTheSameBytesForTheSameSeed) {
  const std::uint64_t seed = seeds().front();
  EXPECT_EQ(run(seed), run(seed));
  EXPECT_NE(run(seed), run(seed + 1));
}

/// Shouts at both ends of a conversation what looks like any of its protocols, every 3 ms.
class Heckler : public Node {
 public:
  /// AsEachOther forges their addresses, so that all seems to come over the path they trust.
  enum class Voice : std::uint8_t { Own, AsEachOther };

  Heckler(const Address& address, Voice voice, const Conversation& victims, TimePoint now)
      : address_(address),
        voice_(voice),
        victims_{victims.offerer.address(), victims.answerer.address()},
        next_(now),
        seed_(victims.scenario.plan.seed) {}

  [[nodiscard]] bool owns(const Address& address) const override { return address == address_; }
  void handle_datagram(TimePoint /*now*/, const Path& /*path*/, ByteView /*datagram*/) override {}
  void handle_timeout(TimePoint now) override { next_ = now + milliseconds(3); }
  bool drain(TimePoint now, Outlet& outlet) override {
    if (now < next_) return false;
    handle_timeout(now);
    for (const std::size_t victim : {0U, 1U}) {
      const Address& from = voice_ == Voice::Own ? address_ : victims_[1 - victim];
      outlet.send(now, {from, victims_[victim]}, next_shout());
    }
    return true;
  }
  [[nodiscard]] TimePoint next_timeout() const override { return next_; }

 private:
  Bytes next_shout() {
    Dice dice{0x4EC, seed_, shouts_++};
    Bytes shout(dice.between(1, 300));
    for (std::byte& each : shout) each = static_cast<std::byte>(dice.next());
    constexpr std::array<std::uint8_t, 6> kFirstBytes = {0, 1, 20, 21, 22, 23};
    shout[0] = static_cast<std::byte>(kFirstBytes[dice.between(0, 5)]);
    constexpr std::size_t kRecordHeader = 13;
    if (shout.size() > kRecordHeader && dice.falls(0.7)) {
      SpanWriter record(shout);
      record.u8(static_cast<std::uint8_t>(dice.between(20, 23)));
      record.u16(0xFEFD);
      record.u16(static_cast<std::uint16_t>(dice.between(0, 1)));
      record.u16(0);
      record.u32(static_cast<std::uint32_t>(dice.between(0, 10'000)));
      record.u16(static_cast<std::uint16_t>(shout.size() - kRecordHeader));
    }
    return shout;
  }

  Address address_;
  Voice voice_;
  std::array<Address, 2> victims_;
  TimePoint next_;
  std::uint64_t seed_;
  std::uint64_t shouts_ = 0;
};

TEST(TubesOnABadNetwork, CarryEveryByteAlthoughSomebodyForgesTheirAddresses) {
  const std::vector<std::uint64_t> all = seeds();
  // A datagram every 3 ms costs time: every fifth seed will do.
  for (std::size_t i = 0; i < all.size(); i += 5) {
    const std::uint64_t seed = all[i];
    SCOPED_TRACE("ISOTUBE_SIM_SEED=" + std::to_string(seed));
    World world(seed);
    Conversation conversation(world, Scenario(seed), 1);
    Heckler heckler(Conversation::address(8, 1), Heckler::Voice::AsEachOther, conversation, world.now);
    world.add(heckler);
    (void)world.run_until([&] { return conversation.is_complete() || conversation.has_complaint(); }, minutes(20));
    EXPECT_TRUE(conversation.is_complete()) << conversation.progress();
    expect_no_complaint(conversation);
    if (HasFailure()) return;
  }
}

// The promise of the whole house, on one thread: what a tube says does not depend on its neighbour's misery.
TEST(TubesOnABadNetwork, SayTheSameBytesWhateverBecomesOfAnother) {
  const auto healthy_tube_says = [](bool with_another) {
    World world(1);
    std::unique_ptr<Conversation> another;
    std::unique_ptr<Heckler> heckler;
    if (with_another) {
      Scenario misery(99);
      misery.there.loss = 0.5;
      misery.hole_begins = seconds(2);
      misery.hole = minutes(10);
      another = std::make_unique<Conversation>(world, misery, std::uint8_t{7});
      heckler = std::make_unique<Heckler>(Conversation::address(8, 1), Heckler::Voice::Own, *another, world.now);
      world.network.join(Conversation::address(8, 1), another->offerer.address(), {});
      world.network.join(Conversation::address(8, 1), another->answerer.address(), {});
      world.add(*heckler);
    }
    Conversation healthy(world, Scenario(5), 1);
    EXPECT_NE(world.run_for(minutes(2)), End::Livelock);
    EXPECT_TRUE(healthy.is_complete()) << healthy.progress();
    if (another) {
      EXPECT_TRUE(another->is_closed());
    }
    return std::pair{healthy.offerer.said(), healthy.answerer.said()};
  };
  EXPECT_EQ(healthy_tube_says(false), healthy_tube_says(true));
}

}  // namespace
}  // namespace isotube::sim
