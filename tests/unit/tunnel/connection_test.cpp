// docs/protocol.md, A connection's life: between two sessions, in both orders of delivery.
#include "unit/tunnel/pair.hpp"

namespace isotube::tunnel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ConnectionLife : public EitherOrder {};
INSTANTIATE_TEST_SUITE_P(Orders, ConnectionLife, testing::Values(Order::OffererFirst, Order::AnswererFirst),
                         order_name);

TEST_P(ConnectionLife, GoesFromOpenToBothEofsAndFreesItsNumber) {
  Pair pair(GetParam());
  const ConnNo one = pair.a->open(pair.a.now, Target{"host", 80}).value();
  pair.settle();
  EXPECT_THAT(pair.z.events(), ElementsAre("Requested 1 host:80"));
  EXPECT_THAT(pair.a.events(), IsEmpty());
  pair.z->accept(pair.z.now, one);
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Opened 1"));

  pair.a.write(1, "question");
  pair.a->write_eof(pair.a.now, one);
  pair.settle();
  EXPECT_THAT(pair.z.events(), ElementsAre("Data 1 question", "Eof 1"));
  pair.z->consumed(pair.z.now, one, 8);
  pair.z->delivered_eof(pair.z.now, one);
  pair.settle();
  EXPECT_EQ(pair.a->connections(), 1u);

  pair.z.write(1, "answer after half close");
  pair.z->write_eof(pair.z.now, one);
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Data 1 answer after half close", "Eof 1"));
  EXPECT_THAT(pair.z.events(), IsEmpty());
  pair.a->delivered_eof(pair.a.now, one);
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Closed 1 Normal"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Closed 1 Normal"));
  EXPECT_EQ(pair.a->numbers_in_use(), 0u);
  EXPECT_EQ(pair.z->numbers_in_use(), 0u);
}

TEST_P(ConnectionLife, EndsWellWhenBothHalvesCloseAtOnce) {
  Pair pair(GetParam());
  const ConnNo one = pair.connect();
  pair.a->write_eof(pair.a.now, one);
  pair.z->write_eof(pair.z.now, one);
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Eof 1"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Eof 1"));
  pair.a->delivered_eof(pair.a.now, one);
  pair.z->delivered_eof(pair.z.now, one);
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Closed 1 Normal"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Closed 1 Normal"));
  EXPECT_EQ(pair.a->numbers_in_use() + pair.z->numbers_in_use(), 0u);
}

TEST_P(ConnectionLife, DataMayFollowOpenConnectionAtOnce) {
  Pair pair(GetParam());
  const ConnNo one = pair.a->open(pair.a.now, Target{"host", 80}).value();
  pair.a.write(1, "early");
  pair.a->write_eof(pair.a.now, one);
  pair.settle();
  EXPECT_THAT(pair.z.events(), ElementsAre("Requested 1 host:80", "Data 1 early", "Eof 1"));
}

TEST_P(ConnectionLife, EarlyDataOfARefusedConnectionIsDiscarded) {
  Pair pair(GetParam());
  const ConnNo one = pair.a->open(pair.a.now, Target{"host", 80}).value();
  pair.settle();
  pair.z->close(pair.z.now, one, CloseReason::ConnectionFailed, "connection refused");
  pair.a.write(1, "early");
  pair.settle();
  EXPECT_THAT(pair.z.events(), ElementsAre("Requested 1 host:80", "Closed 1 ConnectionFailed connection refused"));
  EXPECT_THAT(pair.a.events(), ElementsAre("Closed 1 ConnectionFailed connection refused"));
  EXPECT_EQ(pair.a->numbers_in_use() + pair.z->numbers_in_use(), 0u);
}

TEST_P(ConnectionLife, AbortTellsBothSidesAndFreesTheNumber) {
  Pair pair(GetParam());
  const ConnNo one = pair.connect();
  pair.z.write(1, "half an answer");
  pair.z->close(pair.z.now, one, CloseReason::ConnectionLost, "reset by the target");
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Data 1 half an answer", "Closed 1 ConnectionLost reset by the target"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Closed 1 ConnectionLost reset by the target"));
  EXPECT_EQ(pair.a->numbers_in_use() + pair.z->numbers_in_use(), 0u);
}

TEST_P(ConnectionLife, AbortsThatCrossAnswerEachOther) {
  Pair pair(GetParam());
  const ConnNo one = pair.connect();
  pair.a->close(pair.a.now, one, CloseReason::Client);
  pair.z->close(pair.z.now, one, CloseReason::ConnectionLost);
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Closed 1 Client"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Closed 1 ConnectionLost"));
  EXPECT_EQ(pair.a->numbers_in_use() + pair.z->numbers_in_use(), 0u);
}

TEST_P(ConnectionLife, OpenerMayAbortBeforeAnyAnswer) {
  Pair pair(GetParam());
  const ConnNo one = pair.a->open(pair.a.now, Target{"host", 80}).value();
  pair.a->close(pair.a.now, one, CloseReason::Client);
  pair.settle();
  EXPECT_THAT(pair.z.events(), ElementsAre("Requested 1 host:80", "Closed 1 Client"));
  EXPECT_EQ(pair.a->numbers_in_use() + pair.z->numbers_in_use(), 0u);
}

TEST_P(ConnectionLife, CreditRunsOutAndComesBackWithWhatIsConsumed) {
  Pair pair(GetParam(), {.initial_credit = 10, .credit_grant = 4}, {.initial_credit = 10, .credit_grant = 4});
  const ConnNo one = pair.connect();
  pair.a.write(1, "0123456789");
  EXPECT_EQ(pair.a->writable(one), 0u);
  pair.settle();
  pair.z->consumed(pair.z.now, one, 3);
  pair.settle();
  EXPECT_EQ(pair.a->writable(one), 0u);
  EXPECT_THAT(pair.a.events(), IsEmpty());
  pair.z->consumed(pair.z.now, one, 2);
  pair.settle();
  EXPECT_EQ(pair.a->writable(one), 5u);
  EXPECT_THAT(pair.a.events(), ElementsAre("Writable 1"));
  pair.z->consumed(pair.z.now, one, 5);
  pair.settle();
  EXPECT_EQ(pair.a->writable(one), 10u);
  EXPECT_THAT(pair.a.events(), IsEmpty());
}

TEST_P(ConnectionLife, StalledConnectionDoesNotStopItsNeighbour) {
  Pair pair(GetParam());
  const ConnNo stalled = pair.connect();
  const ConnNo busy = pair.connect();
  while (const std::size_t size = pair.a->writable(stalled)) {
    pair.a.write(std::to_underlying(stalled), std::string(size, 's'));
  }
  pair.settle();
  std::size_t carried = 0;
  for (int round = 0; round < 100; ++round) {
    const std::size_t size = pair.a->writable(busy);
    ASSERT_GT(size, 0u);
    pair.a.write(std::to_underlying(busy), std::string(size, 'b'));
    pair.settle();
    pair.z->consumed(pair.z.now, busy, size);
    pair.settle();
    carried += size;
  }
  EXPECT_GT(carried, std::size_t{5'000'000});
  EXPECT_EQ(pair.a->writable(stalled), 0u);
  EXPECT_EQ(pair.z->connections(), 2u);
}

TEST_P(ConnectionLife, BothSidesMayOpenAtOnce) {
  Pair pair(GetParam());
  const ConnNo one = pair.a->open(pair.a.now, Target{"a", 1}).value();
  const ConnNo two = pair.z->open(pair.z.now, Target{"z", 2}).value();
  EXPECT_NE(one, two);
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Requested 2 z:2"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Requested 1 a:1"));
}

TEST_P(ConnectionLife, TubeClosesOnBothSidesWhenBothCloseAtOnce) {
  Pair pair(GetParam());
  pair.connect();
  pair.settle();
  pair.a->close_tube(pair.a.now, CloseReason::Client, "done");
  pair.z->close_tube(pair.z.now, CloseReason::TunnelClosed, "draining");
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Closed 1 Client done", "TubeClosed Client done"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Closed 1 TunnelClosed draining", "TubeClosed TunnelClosed draining"));
}

TEST_P(ConnectionLife, PongAnswersPing) {
  Pair pair(GetParam());
  pair.a->ping(pair.a.now, frame::kControl, as_byte_view("12345678"));
  pair.z->ping(pair.z.now, ConnNo{77}, as_byte_view("unknown number"));
  pair.settle();
  EXPECT_THAT(pair.a.events(), ElementsAre("Pong 0 12345678"));
  EXPECT_THAT(pair.z.events(), ElementsAre("Pong 77 unknown number"));
}

}  // namespace
}  // namespace isotube::tunnel
