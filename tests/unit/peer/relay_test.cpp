// A peer behind a TURN server by script, and one that is reached directly, in virtual time.
#include "unit/turn/relay.hpp"

#include <gtest/gtest.h>

#include "pair.hpp"

namespace isotube::peer {
namespace {

using datachannel::MessageKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using turn::testing::Request;
using turn::testing::Scripted;

Settings relay_only() {
  Settings settings;
  settings.ice_policy = IcePolicy::Relay;
  return settings;
}

class Relayed : public testing::Test {
 protected:
  explicit Relayed(Settings settings = relay_only()) : near_(std::move(settings), 1, "192.0.2.1:1000") {
    relay_id_ = near_.peer.add_relay({server_, turn::Transport::Udp, "relay.example", "user", "secret"}).value();
  }

  void negotiate() {
    near_.peer.allocate_relay(now_, relay_id_);
    near_.peer.add_local_address(now_, near_.own_address);
    near_.peer.end_of_local_addresses(now_);
    far_.peer.add_local_address(now_, far_.own_address);
    far_.peer.end_of_local_addresses(now_);
    // The allocation is made before the offer is.
    (void)run_until([this] { return near_.peer.relay(relay_id_)->state() != turn::State::Allocating; });
    const sdp::Description offer = near_.peer.create_offer(now_);
    const auto answer = far_.peer.accept_offer(now_, offer);
    ASSERT_TRUE(answer);
    ASSERT_TRUE(near_.peer.set_answer(now_, *answer));
  }
  [[nodiscard]] bool connect() {
    negotiate();
    return run_until(
        [this] { return near_.peer.state() == State::Connected && far_.peer.state() == State::Connected; });
  }

  bool run_until(const std::function<bool()>& done, Duration limit = seconds(60)) {
    const TimePoint end = now_ + limit;
    while (!done()) {
      if (exchange()) continue;
      const TimePoint next = std::min(near_.peer.next_timeout(), far_.peer.next_timeout());
      if (next > end) return false;
      now_ = std::max(now_ + std::chrono::microseconds(1), next);
      near_.peer.handle_timeout(now_);
      far_.peer.handle_timeout(now_);
    }
    return true;
  }

  const Address server_ = turn::testing::address("192.0.2.100:3478");
  TimePoint now_ = TimePoint(std::chrono::hours(1));
  Side near_;
  Side far_{{}, 2, "192.0.2.2:2000"};
  turn::testing::Relay relay_;
  RelayId relay_id_{};
  bool relay_is_mute_ = false;
  std::size_t sent_directly_ = 0;

 private:
  bool exchange() {
    const bool moved = carry_near();
    return carry_far() || moved;
  }

  bool carry_near() {
    bool moved = false;
    while (std::optional<Event> event = near_.peer.poll_event()) {
      if (const auto* open = std::get_if<OpenFlow>(&*event)) near_.peer.flow_opened(now_, open->flow);
      near_.events.push_back(std::move(*event));
      moved = true;
    }
    while (near_.peer.poll_transmit(now_, *batch_)) {
      moved = true;
      for (ByteView rest = batch_->bytes(); !rest.empty();) {
        const ByteView each = rest.first(std::min(rest.size(), batch_->segment_size()));
        rest = rest.subspan(each.size());
        if (batch_->flow()) {
          to_relay(*batch_->flow(), to_bytes(each));
        } else {
          ++sent_directly_;
        }
      }
    }
    return moved;
  }

  void to_relay(FlowId flow, const Bytes& bytes) {
    if (relay_is_mute_) return;
    for (const Bytes& answer : relay_.handle(now_, flow.flow, bytes)) near_.peer.handle_flow_bytes(now_, flow, answer);
    for (const auto& [peer, payload] : std::exchange(relay_.relayed_payloads, {})) {
      if (peer == far_.own_address) {
        far_.peer.handle_datagram(now_, {far_.own_address, relay_.relayed}, as_byte_view(payload));
      }
    }
    flow_ = flow;
  }

  bool carry_far() {
    bool moved = false;
    while (std::optional<Event> event = far_.peer.poll_event()) {
      far_.events.push_back(std::move(*event));
      moved = true;
    }
    while (far_.peer.poll_transmit(now_, *batch_)) {
      moved = true;
      for (ByteView rest = batch_->bytes(); !rest.empty();) {
        const ByteView each = rest.first(std::min(rest.size(), batch_->segment_size()));
        rest = rest.subspan(each.size());
        if (batch_->path().remote == relay_.relayed) from_relay(each);
      }
    }
    return moved;
  }

  void from_relay(ByteView payload) {
    const auto allocation = relay_.allocations.find(flow_.flow);
    if (relay_is_mute_ || allocation == relay_.allocations.end()) return;
    if (!allocation->second.permissions.contains(far_.own_address.ip)) return;
    Bytes framed = turn::testing::Relay::data_indication(far_.own_address, as_text(payload));
    for (const auto& [channel, peer] : allocation->second.channels) {
      if (peer == far_.own_address) framed = turn::testing::Relay::channel_data(channel, as_text(payload));
    }
    near_.peer.handle_flow_bytes(now_, flow_, framed);
  }

  FlowId flow_;
  std::unique_ptr<TransmitBatch> batch_ = std::make_unique<TransmitBatch>();
};

class RelayedOrDirect : public Relayed {
 protected:
  RelayedOrDirect() : Relayed(Settings{}) {}
};

TEST_F(Relayed, ConnectsThroughItsRelayAloneAndCarriesMessagesBothWays) {
  ASSERT_TRUE(connect());
  EXPECT_EQ(near_.all<PathSelected>().back()->local_type, ice::CandidateType::Relayed);
  const auto channel = near_.peer.open_channel(now_, {.label = "data", .protocol = "isotube"});
  ASSERT_TRUE(channel);
  const std::string large(100'000, 'x');
  ASSERT_TRUE(near_.peer.send(now_, *channel, MessageKind::Binary, near_.pool.copy_of(as_byte_view(large))));
  ASSERT_TRUE(run_until([&] { return !far_.all<datachannel::Message>().empty(); }));
  EXPECT_EQ(as_text(far_.all<datachannel::Message>()[0]->payload.view()), large);
  ASSERT_TRUE(far_.peer.send(now_, *channel, MessageKind::Binary, far_.pool.copy_of(as_byte_view(large))));
  ASSERT_TRUE(run_until([&] { return !near_.all<datachannel::Message>().empty(); }));
  EXPECT_EQ(as_text(near_.all<datachannel::Message>()[0]->payload.view()), large);
  EXPECT_EQ(sent_directly_, 0U);
  EXPECT_EQ(relay_.count(stun::Method::ChannelBind), 1U);
}

TEST_F(Relayed, HearsNothingThatComesDirectly) {
  ASSERT_TRUE(connect());
  const Bytes request = stun::MessageBuilder(stun::Class::Request, stun::Method::Binding, {}).take();
  const std::uint64_t before = near_.peer.counters().datagrams_dropped;
  near_.peer.handle_datagram(now_, {near_.own_address, far_.own_address}, request);
  EXPECT_EQ(near_.peer.counters().datagrams_dropped, before + 1);
}

TEST_F(Relayed, SaysItsFarewellThroughTheRelayAndThenGivesItBack) {
  ASSERT_TRUE(connect());
  near_.peer.close(now_);
  EXPECT_FALSE(near_.peer.finished());
  ASSERT_TRUE(run_until([&] { return near_.peer.finished(); }, milliseconds(10)));
  (void)run_until([] { return false; }, milliseconds(0));
  EXPECT_EQ(far_.peer.state(), State::Closed);
  EXPECT_TRUE(relay_.allocations.empty());
  EXPECT_EQ(near_.all<CloseFlow>().size(), near_.all<OpenFlow>().size());
}

TEST_F(Relayed, WaitsThreeSecondsAtMostForARelayThatDoesNotAnswerItsFarewell) {
  ASSERT_TRUE(connect());
  relay_is_mute_ = true;
  near_.peer.close(now_);
  // RFC 8656 7 leaves open how long to try; docs/architecture.md says 3 s.
  EXPECT_TRUE(run_until([&] { return near_.peer.finished(); }, seconds(3)));
  EXPECT_EQ(near_.peer.next_timeout(), kNever);
}

TEST_F(Relayed, GivesUpWhenTheRelayRefusesThePeer) {
  relay_.script = [this](const Request& request) -> Scripted {
    const bool asks_for_peer = request.is(stun::Method::CreatePermission) || request.is(stun::Method::ChannelBind);
    if (!asks_for_peer) return {};
    return turn::testing::Answers{relay_.error(request, 403, "Forbidden")};
  };
  negotiate();
  ASSERT_TRUE(run_until([&] { return near_.peer.state() == State::Closed; }));
  ASSERT_FALSE(near_.all<RelayFailed>().empty());
  EXPECT_EQ(near_.all<RelayFailed>()[0]->error.code, 403);
  EXPECT_EQ(near_.all<RelayFailed>()[0]->error.peer->ip, far_.own_address.ip);
  EXPECT_TRUE(near_.all<RelayLost>().empty());
}

TEST_F(Relayed, AsksTheRelayAtOnceWhenConsentGoesUnanswered) {
  ASSERT_TRUE(connect());
  ASSERT_TRUE(run_until([&] { return relay_.count(stun::Method::ChannelBind) > 0; }));
  EXPECT_EQ(relay_.count(stun::Method::Refresh), 0U);
  // The relay was restarted: it knows nobody any more.
  relay_.allocations.clear();
  ASSERT_TRUE(run_until([&] { return !near_.all<RelayLost>().empty(); }, seconds(10)));
  EXPECT_EQ(near_.all<RelayLost>()[0]->relayed, relay_.relayed);
  EXPECT_FALSE(near_.all<ConsentUnanswered>().empty());
}

TEST_F(Relayed, SignalsARelayedAddressThatComesLate) {
  near_.peer.end_of_local_addresses(now_);
  EXPECT_TRUE(near_.peer.create_offer(now_).candidates.empty());
  near_.peer.allocate_relay(now_, relay_id_);
  (void)run_until([&] { return !near_.all<LocalCandidate>().empty(); });
  ASSERT_EQ(near_.all<LocalCandidate>().size(), 1U);
  EXPECT_EQ(near_.all<LocalCandidate>()[0]->candidate.address, relay_.relayed);
  EXPECT_EQ(near_.all<LocalCandidate>()[0]->candidate.related, relay_.mapped);
}

TEST_F(RelayedOrDirect, OffersItsRelayBehindItsOwnAddressAndEndsGatheringAfterBoth) {
  near_.peer.allocate_relay(now_, relay_id_);
  near_.peer.add_local_address(now_, near_.own_address);
  near_.peer.end_of_local_addresses(now_);
  EXPECT_FALSE(near_.peer.create_offer(now_).end_of_candidates);
  (void)run_until([&] { return !near_.all<GatheringDone>().empty(); });
  const sdp::Fragment fragment = near_.peer.local_fragment();
  ASSERT_EQ(fragment.candidates.size(), 2U);
  EXPECT_EQ(fragment.candidates[0].type, ice::CandidateType::Host);
  EXPECT_EQ(fragment.candidates[1].type, ice::CandidateType::Relayed);
  EXPECT_LT(fragment.candidates[1].priority, fragment.candidates[0].priority);
  EXPECT_TRUE(fragment.end_of_candidates);
}

TEST_F(RelayedOrDirect, ServersOverTheBoundAreNotTaken) {
  for (int i = 1; i < 8; ++i) EXPECT_TRUE(near_.peer.add_relay({server_, turn::Transport::Udp, "", "u", "p"}));
  EXPECT_FALSE(near_.peer.add_relay({server_, turn::Transport::Udp, "", "u", "p"}));
}

}  // namespace
}  // namespace isotube::peer
