#include <gtest/gtest.h>

#include "pair.hpp"

namespace isotube::dtls {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Handshake, ConnectsBothSidesAtOnceOnAWireThatLosesNothing) {
  Pair pair;
  const TimePoint begin = pair.now;
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(pair.now, begin);
  EXPECT_NE(pair.client.find<Connected>(), nullptr);
  EXPECT_NE(pair.server.find<Connected>(), nullptr);
  EXPECT_EQ(pair.client.session->counters().records_dropped, 0U);
  EXPECT_EQ(pair.server.session->counters().records_dropped, 0U);
  EXPECT_EQ(pair.client.session->counters().flights_repeated, 0U);
  EXPECT_EQ(pair.client.session->role(), Role::Client);
  EXPECT_EQ(pair.server.session->role(), Role::Server);
}

TEST(Handshake, WaitsForNothingOnceItIsDone) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(pair.client.session->next_timeout(), kNever);
  EXPECT_EQ(pair.server.session->next_timeout(), kNever);
}

TEST(Handshake, SurvivesTheLossOfAnyOneDatagramWithOneRepeat) {
  Pair whole;
  ASSERT_TRUE(whole.connect());
  for (const Role from : {Role::Client, Role::Server}) {
    const std::size_t count = (from == Role::Client ? whole.client : whole.server).sent.size();
    ASSERT_GE(count, 2U);
    for (std::size_t lost = 0; lost < count; ++lost) {
      Pair pair;
      pair.wire = [&](Role sender, std::size_t number, Bytes datagram) {
        if (sender == from && number == lost) return kLost;
        return passed(std::move(datagram));
      };
      const TimePoint begin = pair.now;
      ASSERT_TRUE(pair.connect()) << lost;
      EXPECT_GE(pair.now - begin, milliseconds(80)) << lost;
      EXPECT_LE(pair.now - begin, milliseconds(100)) << lost;
    }
  }
}

TEST(Handshake, RepeatsAfterTheTimeThatWasSetAndDoublesIt) {
  Pair pair({.client = {.first_retransmission = milliseconds(200)}});
  std::vector<Duration> times;
  const TimePoint begin = pair.now;
  pair.wire = [&](Role, std::size_t, const Bytes&) {
    times.push_back(pair.now - begin);
    return kLost;
  };
  pair.client.session->start(pair.now);
  pair.run_until([&] { return times.size() == 6; });
  const std::vector<Duration> expected = {milliseconds(0),    milliseconds(200),  milliseconds(600),
                                          milliseconds(1400), milliseconds(3000), milliseconds(5000)};
  EXPECT_EQ(times, expected);
  EXPECT_EQ(pair.client.session->counters().flights_repeated, 5U);
}

TEST(Handshake, EndsInATimeoutWhenThePeerIsSilent) {
  Pair pair;
  const TimePoint begin = pair.now;
  pair.wire = [](Role, std::size_t, const Bytes&) { return kLost; };
  pair.start();
  EXPECT_TRUE(pair.run_until([&] { return pair.both(State::Failed); }));
  (void)pair.exchange();
  EXPECT_TRUE(pair.client.failed_with(Failure::HandshakeTimeout));
  EXPECT_TRUE(pair.server.failed_with(Failure::HandshakeTimeout));
  EXPECT_EQ(pair.now - begin, seconds(15));
  EXPECT_EQ(pair.client.session->next_timeout(), kNever);
}

TEST(Handshake, TimesOutEvenWhenOpenSslGivesUpFirst) {
  Pair pair({.client = {.first_retransmission = milliseconds(50), .handshake_deadline = std::chrono::hours(1)}});
  pair.client.session->start(pair.now);
  pair.wire = [](Role, std::size_t, const Bytes&) { return kLost; };
  EXPECT_TRUE(pair.run_until([&] { return pair.client.session->state() == State::Failed; }));
  (void)pair.exchange();
  EXPECT_TRUE(pair.client.failed_with(Failure::HandshakeTimeout));
}

// A wire of 256 bytes, on which the second datagram of the client's and of the server's is lost (row D2).
TEST(Handshake, ReassemblesSmallPiecesAndTheirRepeats) {
  const Settings small{.max_datagram = 256};
  Pair pair({.client = small, .server = small});
  pair.wire = [](Role, std::size_t number, Bytes datagram) {
    EXPECT_LE(datagram.size(), 256U);
    if (number == 1) return kLost;
    return passed(std::move(datagram));
  };
  const TimePoint begin = pair.now;
  ASSERT_TRUE(pair.connect());
  EXPECT_LT(pair.now - begin, seconds(1));
  EXPECT_GT(pair.server.sent.size(), 4U);
}

TEST(Handshake, ToleratesDatagramsThatComeTwiceAndInTheWrongOrder) {
  Pair pair({.client = {.max_datagram = 256}, .server = {.max_datagram = 300}});
  std::vector<Bytes> held;
  pair.wire = [&](Role, std::size_t number, Bytes datagram) {
    // Every second datagram waits for the next one, and then comes twice.
    if (number % 2 == 0) {
      held.push_back(std::move(datagram));
      return kLost;
    }
    std::vector<Bytes> out{datagram, datagram};
    for (Bytes& each : held) out.push_back(std::move(each));
    held.clear();
    return out;
  };
  ASSERT_TRUE(pair.connect());
}

TEST(Handshake, KeepsWhatComesBeforeItsStart) {
  Pair pair;
  pair.client.session->start(pair.now);
  (void)pair.exchange();
  EXPECT_EQ(pair.server.session->state(), State::New);
  const TimePoint begin = pair.now;
  pair.server.session->start(pair.now);
  ASSERT_TRUE(pair.run_until([&] { return pair.both(State::Connected); }));
  EXPECT_EQ(pair.now, begin);
}

TEST(Handshake, KeepsApplicationDataThatOvertakesItsLastFlight) {
  Pair pair;
  std::vector<Bytes> last_flight;
  pair.wire = [&](Role from, std::size_t number, Bytes datagram) {
    if (from == Role::Server && number > 0) {
      last_flight.push_back(std::move(datagram));
      return kLost;
    }
    return passed(std::move(datagram));
  };
  pair.start();
  ASSERT_TRUE(pair.run_until([&] { return pair.server.session->state() == State::Connected; }));
  (void)pair.exchange();
  ASSERT_FALSE(last_flight.empty());
  pair.deliver(pair.client, pair.seal(pair.server, "early"));
  pair.deliver(pair.client, pair.seal(pair.server, "bird"));
  EXPECT_TRUE(pair.client.received.empty());
  EXPECT_EQ(pair.client.session->state(), State::Handshaking);
  for (const Bytes& each : last_flight) pair.deliver(pair.client, each);
  EXPECT_EQ(pair.client.session->state(), State::Connected);
  ASSERT_EQ(pair.client.received.size(), 2U);
  EXPECT_EQ(as_text(pair.client.received[0]), "early");
  EXPECT_EQ(as_text(pair.client.received[1]), "bird");
}

TEST(Handshake, KeepsAFinishedThatOvertakesTheChangeOfKeys) {
  Pair pair;
  const TimePoint begin = pair.now;
  pair.wire = [&](Role, std::size_t, const Bytes& datagram) {
    // Each datagram's records apart, the last first but for the plaintext that must precede.
    std::vector<Bytes> plain;
    std::vector<Bytes> sealed;
    std::vector<Bytes> change;
    ByteView rest = datagram;
    while (rest.size() >= 13) {
      const std::size_t length =
          13 + std::to_integer<std::size_t>(rest[11]) * 256 + std::to_integer<std::size_t>(rest[12]);
      Bytes record = to_bytes(rest.first(length));
      rest = rest.subspan(length);
      if (record[4] != std::byte{0}) {
        sealed.push_back(std::move(record));
      } else if (record[0] == std::byte{20}) {
        change.push_back(std::move(record));
      } else {
        plain.push_back(std::move(record));
      }
    }
    plain.insert(plain.end(), sealed.begin(), sealed.end());
    plain.insert(plain.end(), change.begin(), change.end());
    return plain;
  };
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(pair.now, begin);
}

TEST(Handshake, KeepsOneFlightOfEarlyRecordsAndNoMore) {
  Pair pair;
  pair.client.session->start(pair.now);
  Bytes early(13 + 1000, std::byte{0xEE});
  const std::array<std::uint8_t, 13> header = {23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 1, 1000 >> 8, 1000 & 0xFF};
  std::ranges::copy(std::as_bytes(std::span(header)), early.begin());
  for (int i = 0; i < 100; ++i) pair.client.session->handle_datagram(pair.now, early);
  EXPECT_EQ(pair.client.session->counters().records_dropped, 100U - 16U);
  EXPECT_EQ(pair.client.session->state(), State::Handshaking);
}

TEST(Handshake, SaysTheSameBytesForTheSameSeed) {
  const auto run = [](std::uint8_t seed) {
    Pair pair({.seed = seed});
    pair.wire = [](Role from, std::size_t number, Bytes datagram) {
      if (from == Role::Server && number == 0) return kLost;
      return passed(std::move(datagram));
    };
    EXPECT_TRUE(pair.connect());
    return std::pair{pair.client.sent, pair.server.sent};
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace isotube::dtls
