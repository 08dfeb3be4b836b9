// Our association and libusrsctp, end to end: who connects, what is carried, how it ends.
#include "sctp/association.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <random>

#include "interop/usrsctp/peer.hpp"
#include "unit/sctp/ledger.hpp"

namespace isotube::sctp {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

enum class Who : std::uint8_t { We, They, Both };

Random seeded(std::uint64_t seed) {
  Random::Seed bytes{};
  SpanWriter(bytes).u64(seed);
  return Random(bytes);
}

struct Conditions {
  Who connects = Who::We;
  double loss = 0;
  bool interleaving = false;
  std::uint64_t seed = 1;
};

/// One of ours, one of theirs, and a network with a delay of 5 ms and some loss.
class Meeting {
 public:
  explicit Meeting(const Conditions& conditions)
      : conditions_(conditions),
        ours({.offer_interleaving = conditions.interleaving}, seeded(conditions.seed), pool_),
        theirs({.interleaving = conditions.interleaving}),
        dice_(conditions.seed) {}

  bool connect() {
    if (conditions_.connects != Who::We) {
      theirs.connect();
    } else {
      theirs.listen();
    }
    if (conditions_.connects != Who::They) ours.connect(now);
    return run_until([this] { return is_connected && theirs.is_connected; });
  }

  bool run_until(const std::function<bool()>& done, Duration limit = minutes(1)) {
    const TimePoint end = now + limit;
    while (true) {
      if (on_step) on_step();
      exchange();
      if (done()) return true;
      if (now > end) return false;
      TimePoint next = std::min(next_tick_, ours.next_timeout());
      if (!flights_.empty()) next = std::min(next, flights_.begin()->first);
      now = std::max(now, next);
      if (now >= next_tick_) {
        usrsctp::advance(kTick);
        next_tick_ += kTick;
      }
      deliver();
      if (ours.next_timeout() <= now) ours.handle_timeout(now);
    }
  }

  void run_for(Duration duration) {
    run_until([] { return false; }, duration);
  }

  bool send(std::uint16_t stream, ByteView bytes, SendOptions options = {}) {
    return ours.send(now, StreamId{stream}, options, pool_.copy_of(bytes)).has_value();
  }

 private:
  struct Flight {
    bool to_us;
    Bytes bytes;
  };
  static constexpr Duration kTick = milliseconds(10);  ///< the library's own

  void exchange() {
    Bytes packet(2000);
    bool moved = true;
    while (moved) {
      moved = false;
      while (const std::size_t length = ours.poll_transmit(now, packet)) {
        launch(false, ByteView(packet).first(length));
        moved = true;
      }
      while (std::optional<Event> event = ours.poll_event()) {
        record(*event);
        moved = true;
      }
      theirs.drain();
      for (const Bytes& each : std::exchange(theirs.to_send, {})) launch(true, each);
    }
  }

  void launch(bool to_us, ByteView bytes) {
    const bool lost = static_cast<double>(dice_() >> 11) * 0x1.0p-53 < conditions_.loss;
    if (!lost && !cut) flights_.emplace(now + milliseconds(5), Flight{to_us, to_bytes(bytes)});
  }

  void deliver() {
    while (!flights_.empty() && flights_.begin()->first <= now) {
      const Flight flight = std::move(flights_.extract(flights_.begin()).mapped());
      if (flight.to_us) {
        ours.handle_packet(now, flight.bytes);
      } else {
        theirs.handle_packet(flight.bytes);
      }
    }
  }

  void record(Event& event) {
    EXPECT_TRUE(closed.empty()) << "an event after Closed";
    if (auto* message = std::get_if<MessageReceived>(&event)) {
      if (on_message) return on_message(*message);
      messages.push_back(to_bytes(message->message.view()));
    } else if (const auto* incoming = std::get_if<IncomingStreamsReset>(&event)) {
      incoming_reset.insert(incoming_reset.end(), incoming->streams.begin(), incoming->streams.end());
    } else if (const auto* outgoing = std::get_if<OutgoingStreamsReset>(&event)) {
      outgoing_reset.insert(outgoing_reset.end(), outgoing->streams.begin(), outgoing->streams.end());
    } else if (const auto* end = std::get_if<Closed>(&event)) {
      closed.push_back(*end);
    } else if (std::holds_alternative<Connected>(event)) {
      is_connected = true;
    }
  }

  Conditions conditions_;
  BufferPool pool_;

 public:
  Association ours;
  usrsctp::Peer theirs;
  TimePoint now{std::chrono::hours(1)};
  bool is_connected = false;
  bool cut = false;  ///< nothing arrives any more
  std::vector<Bytes> messages;
  std::vector<StreamId> incoming_reset;
  std::vector<StreamId> outgoing_reset;
  std::vector<Closed> closed;
  std::function<void(const MessageReceived&)> on_message;
  std::function<void()> on_step;

 private:
  std::mt19937_64 dice_;
  std::multimap<TimePoint, Flight> flights_;
  TimePoint next_tick_ = now + kTick;
};

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  seeded(seed).fill(bytes);
  return bytes;
}

struct Planned {
  std::uint16_t stream;
  bool ordered;
  Bytes bytes;
};

/// Messages up to 256 KiB on ten streams, `total` bytes in all.
std::deque<Planned> plan(std::uint64_t seed, std::size_t total) {
  std::mt19937_64 dice(seed);
  std::deque<Planned> planned;
  while (total > 0) {
    const std::size_t largest = std::size_t{1} << (dice() % 19);
    const std::size_t size = std::min<std::size_t>(total, 1 + dice() % largest);
    planned.push_back({static_cast<std::uint16_t>(dice() % 10), dice() % 3 != 0, random_bytes(size, dice())});
    total -= size;
  }
  return planned;
}

class UsrsctpTransfer : public testing::TestWithParam<std::tuple<Who, double, bool>> {};

TEST_P(UsrsctpTransfer, TenMegabytesEachWayArriveOnceAndInOrder) {
  const auto [who, loss, interleaving] = GetParam();
  Meeting meeting({.connects = who, .loss = loss, .interleaving = interleaving, .seed = 5});
  ASSERT_TRUE(meeting.connect());
  EXPECT_EQ(meeting.ours.interleaving(), interleaving);
  constexpr std::size_t kTotal = 10'000'000;
  std::deque<Planned> there = plan(1, kTotal);
  std::deque<Planned> back = plan(2, kTotal);
  Ledger sent_there;
  Ledger sent_back;
  meeting.on_message = [&](const MessageReceived& message) {
    EXPECT_EQ(message.ppid, Ppid{53});
    sent_back.received(message.stream, message.ordered, message.message.view());
  };
  meeting.on_step = [&] {
    for (; !there.empty(); there.pop_front()) {
      const Planned& next = there.front();
      if (!meeting.send(next.stream, next.bytes, {.ppid = Ppid{51}, .ordered = next.ordered})) break;
      sent_there.sent(next.stream, next.ordered, next.bytes);
    }
    for (; !back.empty(); back.pop_front()) {
      const Planned& next = back.front();
      if (!meeting.theirs.send(next.stream, next.ordered, 53, next.bytes)) break;
      sent_back.sent(next.stream, next.ordered, next.bytes);
    }
    for (const usrsctp::Received& message : std::exchange(meeting.theirs.messages, {})) {
      EXPECT_EQ(message.ppid, 51U);
      sent_there.received(StreamId{message.stream}, message.ordered, message.bytes);
    }
  };
  EXPECT_TRUE(meeting.run_until(
      [&] { return there.empty() && back.empty() && sent_there.all_arrived() && sent_back.all_arrived(); },
      minutes(30)))
      << sent_there.open() << " messages on their way there, " << sent_back.open() << " back";
  EXPECT_TRUE(meeting.closed.empty());
  EXPECT_FALSE(meeting.theirs.is_lost);
}

INSTANTIATE_TEST_SUITE_P(All, UsrsctpTransfer,
                         testing::Combine(testing::Values(Who::We, Who::They, Who::Both),
                                          testing::Values(0.0, 0.02, 0.05), testing::Bool()));

class Usrsctp : public testing::TestWithParam<std::tuple<Who, bool>> {
 protected:
  [[nodiscard]] static Conditions conditions(double loss = 0, std::uint64_t seed = 1) {
    return {.connects = std::get<0>(GetParam()), .loss = loss, .interleaving = std::get<1>(GetParam()), .seed = seed};
  }
};

INSTANTIATE_TEST_SUITE_P(All, Usrsctp,
                         testing::Combine(testing::Values(Who::We, Who::They, Who::Both), testing::Bool()));

TEST_P(Usrsctp, ConnectsThroughLoss) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Meeting meeting(conditions(0.2, seed));
    ASSERT_TRUE(meeting.connect()) << seed;
  }
}

TEST_P(Usrsctp, StreamsAreResetAndUsedAgainByBothSides) {
  for (const double loss : {0.0, 0.05}) {
    Meeting meeting(conditions(loss));
    ASSERT_TRUE(meeting.connect());
    for (std::size_t round = 1; round <= 10; ++round) {
      const Bytes bytes = random_bytes(20'000, round);
      ASSERT_TRUE(meeting.send(3, bytes));
      ASSERT_TRUE(meeting.theirs.send(3, true, 53, bytes));
      ASSERT_TRUE(meeting.run_until(
          [&] { return meeting.messages.size() == round && meeting.theirs.messages.size() == round; }));
      EXPECT_TRUE(meeting.messages.back() == bytes);
      EXPECT_TRUE(meeting.theirs.messages.back().bytes == bytes);
      const StreamId stream{3};
      meeting.ours.reset_streams(meeting.now, std::span(&stream, 1));
      meeting.theirs.reset_outgoing(3);
      ASSERT_TRUE(meeting.run_until([&] {
        return meeting.outgoing_reset.size() == round && meeting.incoming_reset.size() == round &&
               meeting.theirs.incoming_reset.size() == round && meeting.theirs.outgoing_reset.size() == round;
      })) << "round "
          << round << ": " << meeting.outgoing_reset.size() << meeting.incoming_reset.size()
          << meeting.theirs.incoming_reset.size() << meeting.theirs.outgoing_reset.size();
    }
  }
}

TEST_P(Usrsctp, AResetRightBehindTheDataComesAfterIt) {
  Meeting meeting(conditions(0.05, 3));
  ASSERT_TRUE(meeting.connect());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(meeting.send(3, random_bytes(50'000, 1)));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(meeting.theirs.send(3, true, 53, random_bytes(50'000, 1)));
  const StreamId stream{3};
  meeting.ours.reset_streams(meeting.now, std::span(&stream, 1));
  meeting.theirs.reset_outgoing(3);
  ASSERT_TRUE(meeting.run_until([&] {
    return !meeting.outgoing_reset.empty() && !meeting.incoming_reset.empty() &&
           !meeting.theirs.incoming_reset.empty() && !meeting.theirs.outgoing_reset.empty();
  }));
  EXPECT_EQ(meeting.messages.size(), 10U);
  EXPECT_EQ(meeting.theirs.messages.size(), 10U);
}

TEST_P(Usrsctp, WhatIsGivenUpHoldsUpNothing) {
  for (const bool ordered : {true, false}) {
    Meeting meeting(conditions(0.1, 7));
    ASSERT_TRUE(meeting.connect());
    for (std::uint64_t i = 0; i < 300; ++i) {
      const Bytes bytes = random_bytes(1 + i * 37 % 5'000, i);
      SendOptions options{.ordered = ordered};
      usrsctp::Limits limits;
      if (i % 2 == 0) {
        options.max_retransmissions = 0;
        limits.limit_retransmissions = true;
      } else {
        options.lifetime = milliseconds(30);
        limits.limit_lifetime = true;
        limits.lifetime_ms = 30;
      }
      ASSERT_TRUE(meeting.send(1, bytes, options));
      (void)meeting.theirs.send(1, ordered, 53, bytes, limits);
      meeting.run_for(milliseconds(3));
    }
    const Bytes last = random_bytes(99, 99);
    ASSERT_TRUE(meeting.send(1, last, {.ordered = ordered}));
    ASSERT_TRUE(meeting.theirs.send(1, ordered, 53, last));
    const auto is_last = [&](const Bytes& bytes) { return bytes == last; };
    ASSERT_TRUE(meeting.run_until([&] {
      return std::ranges::any_of(meeting.messages, is_last) &&
             std::ranges::any_of(meeting.theirs.messages, is_last, &usrsctp::Received::bytes);
    }));
    meeting.run_for(seconds(5));
    EXPECT_GT(meeting.ours.counters().messages_abandoned, 0U);
    EXPECT_EQ(meeting.ours.buffered_amount(), 0U);
    EXPECT_TRUE(meeting.closed.empty());
    EXPECT_FALSE(meeting.theirs.is_lost);
  }
}

TEST_P(Usrsctp, WeShutDownInGoodOrder) {
  Meeting meeting(conditions(0.05));
  ASSERT_TRUE(meeting.connect());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(meeting.send(1, random_bytes(50'000, 1)));
  meeting.ours.shutdown(meeting.now);
  ASSERT_TRUE(meeting.run_until([&] { return !meeting.closed.empty() && meeting.theirs.is_closed; }));
  EXPECT_EQ(meeting.theirs.messages.size(), 10U);
  EXPECT_EQ(meeting.closed[0].reason, CloseReason::Shutdown);
}

TEST_P(Usrsctp, TheyShutDownInGoodOrder) {
  Meeting meeting(conditions(0.05));
  ASSERT_TRUE(meeting.connect());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(meeting.theirs.send(1, true, 53, random_bytes(50'000, 1)));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(meeting.send(1, random_bytes(50'000, 1)));
  meeting.theirs.shutdown();
  ASSERT_TRUE(meeting.run_until([&] { return !meeting.closed.empty() && meeting.theirs.is_closed; }));
  EXPECT_EQ(meeting.messages.size(), 10U);
  EXPECT_EQ(meeting.theirs.messages.size(), 10U);
  EXPECT_EQ(meeting.closed[0].reason, CloseReason::Shutdown);
}

TEST_P(Usrsctp, AnAbortOfEitherSideIsUnderstood) {
  {
    Meeting meeting(conditions());
    ASSERT_TRUE(meeting.connect());
    meeting.ours.abort(meeting.now, "enough");
    ASSERT_TRUE(meeting.run_until([&] { return meeting.theirs.is_lost; }));
  }
  Meeting meeting(conditions());
  ASSERT_TRUE(meeting.connect());
  meeting.theirs.abort();
  ASSERT_TRUE(meeting.run_until([&] { return !meeting.closed.empty(); }));
  EXPECT_EQ(meeting.closed[0].reason, CloseReason::PeerAborted);
}

TEST_P(Usrsctp, AnIdleAssociationStaysUp) {
  Meeting meeting(conditions());
  ASSERT_TRUE(meeting.connect());
  meeting.run_for(minutes(10));
  EXPECT_TRUE(meeting.closed.empty());
  EXPECT_FALSE(meeting.theirs.is_lost);
  ASSERT_TRUE(meeting.send(1, random_bytes(10, 1)));
  ASSERT_TRUE(meeting.run_until([&] { return meeting.theirs.messages.size() == 1; }));
}

TEST_P(Usrsctp, ABlackoutOfTwentySecondsIsOvercome) {
  Meeting meeting(conditions());
  ASSERT_TRUE(meeting.connect());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(meeting.send(1, random_bytes(50'000, 1)));
    ASSERT_TRUE(meeting.theirs.send(1, true, 53, random_bytes(50'000, 1)));
  }
  meeting.run_for(milliseconds(12));
  meeting.cut = true;
  meeting.run_for(seconds(20));
  meeting.cut = false;
  ASSERT_TRUE(meeting.run_until([&] { return meeting.messages.size() == 10 && meeting.theirs.messages.size() == 10; }));
}

}  // namespace
}  // namespace isotube::sctp
