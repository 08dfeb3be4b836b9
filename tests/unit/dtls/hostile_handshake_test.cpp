#include <gtest/gtest.h>

#include "dtls/record.hpp"
#include "pair.hpp"
#include "wire.hpp"

namespace isotube::dtls {
namespace {

/// What any passer-by could throw in: none of it may end a handshake, nor slow it down.
std::vector<Bytes> nonsense() {
  const auto bytes = [](std::initializer_list<int> values) {
    Bytes out;
    for (int each : values) out.push_back(static_cast<std::byte>(each));
    return out;
  };
  const Bytes zeros(40);
  return {
      {},
      bytes({22}),
      bytes({20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0}),
      record_of(22, 0, 900, {}),
      record_of(22, 0, 901, zeros),                                                  // a HelloRequest and more of them
      record_of(22, 0, 902, bytes({11, 0, 0, 10, 0, 1, 0, 0, 5, 0, 0, 6, 1, 2})),    // a piece beyond its message
      record_of(22, 0, 903, bytes({11, 255, 255, 255, 0, 1, 0, 0, 0, 0, 0, 1, 7})),  // a message of 16 MiB
      record_of(22, 0, 904, bytes({11, 0, 0, 10, 0, 1, 0, 0, 0, 0, 0, 0})),          // a piece of nothing
      record_of(22, 0, 905, bytes({20, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0})),        // Finished without keys
      record_of(22, 0, 906, bytes({99, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0})),           // no such message
      record_of(20, 0, 907, bytes({2})),
      record_of(20, 0, 908, bytes({1, 1})),
      record_of(20, 0, 909, bytes({1})),  // a change of keys that is not due
      record_of(21, 0, 910, bytes({1, 90})),
      record_of(21, 0, 911, bytes({1, 90})),
      record_of(21, 0, 912, bytes({1, 90})),
      record_of(21, 0, 913, bytes({1, 90})),
      record_of(21, 0, 914, bytes({1, 90})),
      record_of(21, 0, 915, bytes({1, 90})),
      record_of(21, 0, 916, bytes({2})),
      record_of(21, 0, 917, {}),
      record_of(23, 0, 918, bytes({1, 2, 3})),
      record_of(23, 1, 919, zeros),
      record_of(22, 1, 920, zeros),
      record_of(21, 1, 921, zeros),
      record_of(22, 2, 922, zeros),
      record_of(22, 65'535, 923, zeros),
      record_of(24, 0, 924, zeros),
  };
}

TEST(HostileHandshake, IsNotEndedByNonsenseInAnyOfItsStates) {
  Pair whole;
  ASSERT_TRUE(whole.connect());
  const std::size_t steps = whole.client.sent.size() + whole.server.sent.size();
  for (std::size_t at = 0; at < steps; ++at) {
    for (std::size_t which = 0; which < nonsense().size(); ++which) {
      Pair pair;
      std::size_t step = 0;
      pair.wire = [&](Role, std::size_t, Bytes datagram) {
        std::vector<Bytes> arriving;
        if (step++ == at) arriving.push_back(nonsense()[which]);
        arriving.push_back(std::move(datagram));
        return arriving;
      };
      const TimePoint begin = pair.now;
      EXPECT_TRUE(pair.connect()) << at << ", " << which;
      EXPECT_EQ(pair.now, begin) << at << ", " << which;
    }
  }
}

TEST(HostileHandshake, IsNotEndedByItsOwnDatagramsComingBack) {
  Pair pair;
  pair.start();
  pair.client.session->handle_timeout(pair.now);
  const std::optional<Bytes> hello = pair.client.session->poll_transmit();
  ASSERT_TRUE(hello);
  pair.deliver(pair.client, *hello);
  EXPECT_EQ(pair.client.session->state(), State::Handshaking);
  pair.deliver(pair.server, *hello);
  EXPECT_TRUE(pair.run_until([&] { return pair.both(State::Connected); }));
}

TEST(HostileHandshake, EndsWithItsReasonWhenThePeerRefuses) {
  for (const Role refused : {Role::Client, Role::Server}) {
    Pair pair;
    pair.start();
    Side& side = refused == Role::Client ? pair.client : pair.server;
    const std::array<std::byte, 2> handshake_failure = {std::byte{2}, std::byte{40}};
    pair.deliver(side, record_of(21, 0, 5, handshake_failure));
    EXPECT_TRUE(side.failed_with(Failure::HandshakeRefused));
    EXPECT_NE(side.find<Failed>()->detail.find("handshake failure"), std::string::npos);
  }
}

TEST(HostileHandshake, EndsWhenThePeerClosesInItsMidst) {
  Pair pair;
  pair.start();
  const std::array<std::byte, 2> close_notify = {std::byte{1}, std::byte{0}};
  pair.deliver(pair.client, record_of(21, 0, 5, close_notify));
  EXPECT_TRUE(pair.client.failed_with(Failure::HandshakeRefused));
}

// Any bit of any datagram, flipped: whatever comes of it, it is one of the ends that are written down.
TEST(HostileHandshake, EndsInOneEventWhateverBitIsFlipped) {
  Pair whole;
  ASSERT_TRUE(whole.connect());
  for (const Role from : {Role::Client, Role::Server}) {
    const std::vector<Bytes>& sent = from == Role::Client ? whole.client.sent : whole.server.sent;
    for (std::size_t number = 0; number < sent.size(); ++number) {
      for (std::size_t bit = 0; bit < sent[number].size() * 8; bit += 61) {
        Pair pair;
        pair.wire = [&](Role sender, std::size_t at, Bytes datagram) {
          if (sender == from && at == number) datagram[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
          return passed(std::move(datagram));
        };
        pair.start();
        pair.run();
        for (const Side* side : {&pair.client, &pair.server}) {
          ASSERT_NE(side->session->state(), State::Handshaking);
          ASSERT_EQ(side->events.size(), 1U);
        }
      }
    }
  }
}

TEST(HostileHandshake, EndsInOneEventWhereverItsDatagramsAreCut) {
  Pair whole;
  ASSERT_TRUE(whole.connect());
  for (const Role from : {Role::Client, Role::Server}) {
    const std::vector<Bytes>& sent = from == Role::Client ? whole.client.sent : whole.server.sent;
    for (std::size_t number = 0; number < sent.size(); ++number) {
      for (std::size_t length = 0; length < sent[number].size(); length += 17) {
        Pair pair;
        pair.wire = [&](Role sender, std::size_t at, Bytes datagram) {
          if (sender == from && at == number) datagram.resize(std::min(length, datagram.size()));
          return passed(std::move(datagram));
        };
        // A cut datagram is a lost one: the repeat makes up for it.
        ASSERT_TRUE(pair.connect()) << number << " cut to " << length;
      }
    }
  }
}

TEST(Record, IsCutFromADatagramWithItsNeighbours) {
  Bytes datagram = record_of(22, 0, 1, as_byte_view("abc"));
  const Bytes second = record_of(23, 1, 2, as_byte_view("de"));
  datagram.insert(datagram.end(), second.begin(), second.end());
  RecordReader reader(datagram);
  const auto one = reader.next();
  ASSERT_TRUE(one);
  EXPECT_EQ(one->type, ContentType::Handshake);
  EXPECT_EQ(as_text(one->fragment), "abc");
  EXPECT_FALSE(reader.done());
  const auto two = reader.next();
  ASSERT_TRUE(two);
  EXPECT_EQ(two->epoch, 1U);
  EXPECT_EQ(two->whole.size(), second.size());
  EXPECT_TRUE(reader.done());
  EXPECT_FALSE(reader.next());
}

}  // namespace
}  // namespace isotube::dtls
