#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>

#include "pair.hpp"

namespace isotube::dtls {
namespace {

std::string numbered(int number) { return "record " + std::to_string(number); }

TEST(Session, CarriesTenThousandRecordsEachWayInOrder) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  for (int i = 0; i < 10'000; ++i) {
    pair.deliver(pair.server, pair.seal(pair.client, numbered(i)));
    pair.deliver(pair.client, pair.seal(pair.server, numbered(-i)));
  }
  ASSERT_EQ(pair.server.received.size(), 10'000U);
  ASSERT_EQ(pair.client.received.size(), 10'000U);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(as_text(pair.server.received[static_cast<std::size_t>(i)]), numbered(i));
    ASSERT_EQ(as_text(pair.client.received[static_cast<std::size_t>(i)]), numbered(-i));
  }
  EXPECT_EQ(pair.client.session->counters().records_dropped, 0U);
  EXPECT_EQ(pair.server.session->counters().records_dropped, 0U);
}

TEST(Session, ReadsSeveralRecordsOfOneDatagramAndSeveralDatagrams) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  Bytes datagram = pair.seal(pair.client, "one");
  const Bytes second = pair.seal(pair.client, "two");
  datagram.insert(datagram.end(), second.begin(), second.end());
  pair.server.session->handle_datagram(pair.now, datagram);
  pair.deliver(pair.server, pair.seal(pair.client, "three"));
  ASSERT_EQ(pair.server.received.size(), 3U);
  EXPECT_EQ(as_text(pair.server.received[0]), "one");
  EXPECT_EQ(as_text(pair.server.received[1]), "two");
  EXPECT_EQ(as_text(pair.server.received[2]), "three");
}

TEST(Session, SealsUpToAnEthernetDatagramAndWithinItsOverhead) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  for (const std::size_t size : {std::size_t{1}, std::size_t{1'160}, std::size_t{1'472}}) {
    const std::string text(size, 'x');
    const Bytes sealed = pair.seal(pair.client, text);
    EXPECT_EQ(sealed.size(), size + Session::kOverhead);
    pair.deliver(pair.server, sealed);
    ASSERT_FALSE(pair.server.received.empty());
    EXPECT_EQ(as_text(pair.server.received.back()), text);
  }
}

TEST(Session, RefusesToSealWhatDoesNotFit) {
  Pair pair;
  std::array<std::byte, 4'096> out;
  const Bytes text(2'000, std::byte{'x'});
  EXPECT_EQ(pair.client.session->seal(pair.now, ByteView(text).first(10), out).error(), SealError::NotConnected);
  ASSERT_TRUE(pair.connect());
  Session& session = *pair.client.session;
  EXPECT_EQ(session.seal(pair.now, ByteView(text).first(1'473), out).error(), SealError::TooLarge);
  const MutableByteView narrow = std::span(out).first(100 + Session::kOverhead - 1);
  EXPECT_EQ(session.seal(pair.now, ByteView(text).first(100), narrow).error(), SealError::TooLarge);
  EXPECT_EQ(session.seal(pair.now, {}, out), 0U);
  pair.deliver(pair.server, pair.seal(pair.client, "still well"));
  EXPECT_EQ(pair.server.received.size(), 1U);
}

TEST(Session, SealsIntoTheCallersMemoryAlone) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  EXPECT_FALSE(pair.seal(pair.client, "text").empty());
  EXPECT_FALSE(pair.client.session->poll_transmit());
}

TEST(Session, DropsRecordsThatComeTwice) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes sealed = pair.seal(pair.client, "once");
  for (int i = 0; i < 5; ++i) pair.deliver(pair.server, sealed);
  EXPECT_EQ(pair.server.received.size(), 1U);
  EXPECT_EQ(pair.server.session->counters().records_dropped, 4U);
}

TEST(Session, TakesRecordsInTheWrongOrder) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  std::vector<Bytes> sealed;
  for (int i = 0; i < 20; ++i) sealed.push_back(pair.seal(pair.client, numbered(i)));
  for (auto each = sealed.rbegin(); each != sealed.rend(); ++each) pair.deliver(pair.server, *each);
  ASSERT_EQ(pair.server.received.size(), 20U);
  EXPECT_EQ(as_text(pair.server.received.front()), numbered(19));
}

TEST(Session, DropsEveryTruncationAndEveryFlippedBit) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes sealed = pair.seal(pair.client, "fragile");
  for (std::size_t length = 0; length < sealed.size(); ++length) {
    pair.deliver(pair.server, ByteView(sealed).first(length));
  }
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes flipped = sealed;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    pair.deliver(pair.server, flipped);
    ASSERT_EQ(pair.server.session->state(), State::Connected) << bit;
  }
  EXPECT_TRUE(pair.server.received.empty());
  EXPECT_GE(pair.server.session->counters().records_dropped, sealed.size());
  pair.deliver(pair.server, sealed);
  ASSERT_EQ(pair.server.received.size(), 1U);
  EXPECT_EQ(as_text(pair.server.received[0]), "fragile");
}

TEST(Session, SurvivesRandomBytesOnceConnected) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  Random random = seeded(9).fork("garbage");
  for (int i = 0; i < 3'000; ++i) {
    Bytes garbage(random.below(300));
    random.fill(garbage);
    // Half of it with a believable header, so that OpenSSL sees it.
    if (i % 2 == 0 && garbage.size() > 13) {
      const auto type = static_cast<std::uint8_t>(20 + random.below(4));
      const auto epoch = static_cast<std::uint8_t>(random.below(3));
      const std::size_t length = garbage.size() - 13;
      SpanWriter header(garbage);
      header.u8(type);
      header.u16(0xFEFD);
      header.u16(epoch);
      header.u16(0);
      header.u32(static_cast<std::uint32_t>(1'000 + i));
      header.u16(static_cast<std::uint16_t>(length));
    }
    pair.deliver(pair.server, garbage);
    pair.deliver(pair.client, garbage);
  }
  EXPECT_TRUE(pair.both(State::Connected));
  pair.deliver(pair.server, pair.seal(pair.client, "well"));
  pair.deliver(pair.client, pair.seal(pair.server, "well"));
  EXPECT_EQ(pair.server.received.size(), 1U);
  EXPECT_EQ(pair.client.received.size(), 1U);
}

// Anybody can write one: a fatal alert and a close_notify that no key sealed.
TEST(Session, IsNotEndedByAPlaintextAlert) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  for (const std::uint16_t epoch : std::array<std::uint16_t, 2>{0, 1}) {
    for (const auto& [level, description] : {std::pair{2, 40}, {1, 0}, {2, 20}}) {
      Bytes alert;
      BytesWriter writer(alert);
      writer.u8(21);
      writer.u16(0xFEFD);
      writer.u16(epoch);
      writer.u16(0);
      writer.u32(77);
      writer.u16(2);
      writer.u8(static_cast<std::uint8_t>(level));
      writer.u8(static_cast<std::uint8_t>(description));
      pair.deliver(pair.client, alert);
      pair.deliver(pair.server, alert);
    }
  }
  EXPECT_TRUE(pair.both(State::Connected));
  EXPECT_EQ(pair.client.events.size(), 1U);
  EXPECT_EQ(pair.server.events.size(), 1U);
}

TEST(Session, RepeatsItsLastFlightForAClientThatDidNotGetIt) {
  Pair pair;
  pair.wire = [](Role from, std::size_t number, Bytes datagram) {
    // The server's last flight is lost three times.
    if (from == Role::Server && number >= 1 && number < 4) return kLost;
    return passed(std::move(datagram));
  };
  ASSERT_TRUE(pair.connect());
  EXPECT_GE(pair.client.session->counters().flights_repeated, 1U);
  EXPECT_GE(pair.server.session->counters().flights_repeated, 1U);
}

// A failing neighbour on the same thread leaves something in OpenSSL's error queue before every single call (row D5).
TEST(Session, IsNotHurtByErrorsThatOthersLeftInTheQueue) {
  const auto poison = [] { ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR); };
  Pair pair;
  pair.wire = [&](Role, std::size_t, Bytes datagram) {
    poison();
    return passed(std::move(datagram));
  };
  poison();
  ASSERT_TRUE(pair.connect());
  for (int i = 0; i < 10; ++i) {
    poison();
    const Bytes sealed = pair.seal(pair.client, numbered(i));
    EXPECT_EQ(ERR_peek_error(), 0U);
    poison();
    pair.deliver(pair.server, sealed);
    EXPECT_EQ(ERR_peek_error(), 0U);
    poison();
    Bytes spoilt = sealed;
    spoilt.back() ^= std::byte{1};
    pair.deliver(pair.server, spoilt);
    EXPECT_EQ(ERR_peek_error(), 0U);
  }
  EXPECT_EQ(pair.server.received.size(), 10U);
  EXPECT_TRUE(pair.both(State::Connected));
  ERR_clear_error();
}

TEST(Session, LeavesNoErrorBehindWhenItFails) {
  Pair pair({.client_expects = std::vector<Fingerprint>{}});
  pair.start();
  pair.run_until([&] { return pair.both(State::Failed); });
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Close, IsHeardByThePeerAndEndsBothSides) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.client.session->close(pair.now);
  EXPECT_EQ(pair.client.session->state(), State::Closed);
  pair.run();
  EXPECT_TRUE(pair.both(State::Closed));
  EXPECT_NE(pair.client.find<Closed>(), nullptr);
  EXPECT_NE(pair.server.find<Closed>(), nullptr);
  // Its answer is close_notify as well, and that is all.
  EXPECT_EQ(pair.server.events.size(), 2U);
  EXPECT_EQ(pair.client.events.size(), 2U);
}

TEST(Close, DoesNotOvertakeTheDataBeforeIt) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes sealed = pair.seal(pair.client, "last words");
  pair.client.session->close(pair.now);
  const std::optional<Bytes> notify = pair.client.session->poll_transmit();
  ASSERT_TRUE(notify);
  pair.server.session->handle_datagram(pair.now, sealed);
  pair.deliver(pair.server, *notify);
  ASSERT_EQ(pair.server.received.size(), 1U);
  EXPECT_EQ(pair.server.session->state(), State::Closed);
}

// A mute peer holds nothing up (row D4): there is nothing to wait for.
TEST(Close, IsDoneAtOnceInEveryState) {
  Pair fresh;
  fresh.client.session->close(fresh.now);
  EXPECT_EQ(fresh.client.session->state(), State::Closed);

  Pair mute;
  mute.wire = [](Role, std::size_t, const Bytes&) { return kLost; };
  mute.start();
  (void)mute.exchange();
  mute.client.session->close(mute.now);
  mute.server.session->close(mute.now);
  EXPECT_TRUE(mute.both(State::Closed));
  EXPECT_EQ(mute.client.session->next_timeout(), kNever);

  Pair connected;
  ASSERT_TRUE(connected.connect());
  connected.client.session->close(connected.now);
  connected.client.session->close(connected.now);
  EXPECT_EQ(connected.client.session->next_timeout(), kNever);
  (void)connected.exchange();
  EXPECT_EQ(connected.client.events.size(), 2U);
}

TEST(Close, LeavesNothingThatReadsSealsOrListens) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes late = pair.seal(pair.server, "late");
  pair.client.session->close(pair.now);
  pair.deliver(pair.client, late);
  EXPECT_TRUE(pair.client.received.empty());
  std::array<std::byte, 100> out;
  EXPECT_EQ(pair.client.session->seal(pair.now, as_byte_view("x"), out).error(), SealError::NotConnected);
  pair.client.session->start(pair.now);
  pair.client.session->handle_timeout(pair.now);
  EXPECT_EQ(pair.client.session->state(), State::Closed);
}

TEST(Session, MayBeMovedAtAnyTime) {
  Pair pair;
  pair.start();
  (void)pair.exchange();
  Session moved = std::move(*pair.client.session);
  pair.client.session.emplace(std::move(moved));
  ASSERT_TRUE(pair.run_until([&] { return pair.both(State::Connected); }));
}

}  // namespace
}  // namespace isotube::dtls
