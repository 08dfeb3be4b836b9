// docs/protocol.md, connection numbers: who may use which, and when again.
#include "unit/tunnel/lone.hpp"

namespace isotube::tunnel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::uint32_t open_number(Lone& lone) { return std::to_underlying(lone->open(lone.now, Target{"host", 80}).value()); }

TEST(Numbers, OffererIsOddAndAnswererIsEven) {
  Lone offerer(Side::Offerer);
  Lone::greet(offerer);
  EXPECT_EQ(open_number(offerer), 1u);
  EXPECT_EQ(open_number(offerer), 3u);
  Lone answerer(Side::Answerer);
  Lone::greet(answerer);
  EXPECT_EQ(open_number(answerer), 2u);
  EXPECT_EQ(open_number(answerer), 4u);
}

TEST(Numbers, OfTheWrongParityAreAProtocolError) {
  Lone answerer(Side::Answerer);
  Lone::greet(answerer);
  answerer.receive({open_frame(2)});
  EXPECT_THAT(answerer.sent(), ElementsAre("Close 0 ProtocolError a connection number of the wrong parity"));
  Lone offerer(Side::Offerer);
  Lone::greet(offerer);
  offerer.receive({open_frame(1)});
  EXPECT_THAT(offerer.sent(), ElementsAre("Close 0 ProtocolError a connection number of the wrong parity"));
}

TEST(Numbers, ZeroIsAProtocolError) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  lone.receive({open_frame(0)});
  EXPECT_THAT(lone.sent(), ElementsAre("Hello 1 1 + Close 0 ProtocolError a connection numbered 0"));
}

TEST(Numbers, InUseAreAProtocolError) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1), open_frame(1)});
  EXPECT_THAT(lone.events(),
              ElementsAre("Requested 1 host:80", "Closed 1 ProtocolError a connection number that is in use"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 0 ProtocolError a connection number that is in use"));
}

TEST(Numbers, StayInUseUntilCloseConnectionWasSentAndReceived) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1)});
  lone->close(lone.now, ConnNo{1}, CloseReason::ConnectionFailed);
  EXPECT_EQ(lone->connections(), 0u);
  EXPECT_EQ(lone->numbers_in_use(), 1u);
  lone.receive({open_frame(1)});
  EXPECT_THAT(lone.events(), ElementsAre("Requested 1 host:80", "Closed 1 ConnectionFailed"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 ConnectionFailed + Close 0 ProtocolError a connection number that is "
                                       "in use"));
}

TEST(Numbers, MayComeAgainOnceCloseConnectionWasSentAndReceived) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({open_frame(1)});
  lone->close(lone.now, ConnNo{1}, CloseReason::ConnectionFailed);
  lone.receive({close_frame(1, CloseReason::ConnectionFailed), open_frame(1), data_frame(1, "second life")});
  EXPECT_THAT(lone.events(), ElementsAre("Requested 1 host:80", "Closed 1 ConnectionFailed", "Requested 1 host:80",
                                         "Data 1 second life"));
  EXPECT_EQ(lone->numbers_in_use(), 1u);
}

TEST(Numbers, AreUsedAgainByUsOnlyWhenFree) {
  Lone lone(Side::Offerer, {.highest_number = 6});
  Lone::greet(lone);
  EXPECT_EQ(open_number(lone), 1u);
  EXPECT_EQ(open_number(lone), 3u);
  EXPECT_EQ(open_number(lone), 5u);
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::TooManyConnections);
  lone->close(lone.now, ConnNo{3}, CloseReason::Client);
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::TooManyConnections);
  lone.receive({close_frame(3, CloseReason::Client)});
  EXPECT_EQ(open_number(lone), 3u);
}

TEST(Numbers, AreNeverUsedAgainInATubeWithAControlChannel) {
  Lone lone(Side::Answerer, {.highest_number = 4});
  Lone::greet(lone);
  lone.open_control();
  for (const std::uint32_t number : {2u, 4u}) {
    EXPECT_EQ(open_number(lone), number);
    lone->close(lone.now, ConnNo{number}, CloseReason::Client);
    lone.receive({close_frame(number, CloseReason::Client)});
  }
  EXPECT_EQ(lone->numbers_in_use(), 0u);
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::TooManyConnections);
  lone->handle_channel_closed(lone.now, kControlChannel);
  EXPECT_EQ(lone->open(lone.now, std::nullopt).error(), OpenError::TooManyConnections);
}

TEST(Numbers, OfAPeerWithoutHelloMayBeAny) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  lone.receive({open_frame(2), open_frame(3)});
  EXPECT_THAT(lone.events(), ElementsAre("Requested 2 host:80", "Requested 3 host:80"));
  EXPECT_EQ(open_number(lone), 4u);
}

TEST(Numbers, OfAPeerWithoutHelloInUseByItselfAreAProtocolError) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  lone.receive({open_frame(2), open_frame(2)});
  EXPECT_THAT(lone.sent(), ElementsAre("Hello 1 1 + Close 0 ProtocolError a connection number that is in use"));
}

TEST(Numbers, OpenedByBothStandForTheOffererThatWeAre) {
  Lone lone(Side::Offerer);
  lone.open_channel();
  EXPECT_EQ(open_number(lone), 1u);
  // The peer's own 1: its data belongs to nobody, and ours goes on when the peer has seen it.
  lone.receive({open_frame(1), data_frame(1, "lost"), eof_frame(1)});
  EXPECT_THAT(lone.events(), IsEmpty());
  EXPECT_EQ(lone->counters().bytes_discarded, 4u);
  lone.receive({opened_frame(1), data_frame(1, "ours")});
  EXPECT_THAT(lone.events(), ElementsAre("Opened 1", "Data 1 ours"));
}

TEST(Numbers, OpenedByBothStandForTheOffererThatThePeerIs) {
  Lone lone(Side::Answerer);
  lone.open_channel();
  EXPECT_EQ(open_number(lone), 2u);
  lone.receive({open_frame(2, Target{"theirs", 1}), data_frame(2, "theirs")});
  EXPECT_THAT(lone.events(),
              ElementsAre("Closed 2 Error the peer opened the same number", "Requested 2 theirs:1", "Data 2 theirs"));
  EXPECT_EQ(lone->connections(), 1u);
}

TEST(Numbers, OpenedByUsAndKnownToThePeerAreInUse) {
  Lone lone(Side::Offerer);
  lone.open_channel();
  EXPECT_EQ(open_number(lone), 1u);
  lone.receive({opened_frame(1), open_frame(1)});
  EXPECT_THAT(lone.events(), ElementsAre("Opened 1", "Closed 1 ProtocolError a connection number that is in use"));
}

TEST(Numbers, UnknownOnesAreCountedAndIgnored) {
  Lone lone(Side::Answerer);
  Lone::greet(lone);
  lone.receive({data_frame(1, "x"), opened_frame(1), eof_frame(3), window_frame(5, 1),
                close_frame(7, CloseReason::Error), window_frame(0, 1), eof_frame(0)});
  EXPECT_THAT(lone.sent(), IsEmpty());
  EXPECT_THAT(lone.events(), IsEmpty());
  EXPECT_EQ(lone->counters().unknown_connections, 7u);
}

}  // namespace
}  // namespace isotube::tunnel
