// docs/protocol.md, Credit.
#include "unit/tunnel/lone.hpp"

namespace isotube::tunnel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr ConnNo kOne{1};
constexpr std::size_t kInitialCredit = 262'144;
constexpr std::size_t kGrant = 131'072;

/// We are the answerer; the peer's connection 1 is open.
class Credit : public testing::Test {
 protected:
  Credit() : lone(Side::Answerer) {
    Lone::greet(lone);
    lone.receive({open_frame(1)});
    lone->accept(lone.now, kOne);
    (void)lone.sent();
    (void)lone.events();
  }

  void receive_bytes(std::size_t size) { lone.receive({data_frame(1, std::string(size, 'x'))}); }

  Lone lone;
};

TEST_F(Credit, StartsWithWhatTheProtocolSaysInBothDirections) {
  std::size_t written = 0;
  while (const std::size_t size = lone->writable(kOne)) {
    lone.write(1, std::string(size, 'x'));
    written += size;
  }
  EXPECT_EQ(written, kInitialCredit);
  receive_bytes(kInitialCredit / 2);
  receive_bytes(kInitialCredit / 2);
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 [131072]", "Data 1 [131072]"));
}

TEST_F(Credit, OneByteMoreThanGrantedClosesThatConnectionWith19) {
  receive_bytes(kInitialCredit / 2);
  receive_bytes(kInitialCredit / 2);
  lone.receive({open_frame(3), data_frame(1, "x"), data_frame(3, "y")});
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 [131072]", "Data 1 [131072]", "Requested 3 host:80",
                                         "Closed 1 ProtocolError more data than was granted", "Data 3 y"));
}

TEST_F(Credit, IsGrantedOnceHalfOfItIsConsumed) {
  receive_bytes(200'000);
  lone->consumed(lone.now, kOne, kGrant - 1);
  EXPECT_THAT(lone.sent(), IsEmpty());
  lone->consumed(lone.now, kOne, 1);
  EXPECT_THAT(lone.sent(), ElementsAre("Window 1 131072"));
  lone->consumed(lone.now, kOne, 200'000 - kGrant);
  EXPECT_THAT(lone.sent(), IsEmpty());
}

TEST_F(Credit, OfAGrantCanBeUsedToTheLastByte) {
  receive_bytes(200'000);
  lone->consumed(lone.now, kOne, 150'000);
  EXPECT_THAT(lone.sent(), ElementsAre("Window 1 150000"));
  receive_bytes(kInitialCredit - 50'000);
  EXPECT_THAT(lone.events(), ElementsAre("Data 1 [200000]", "Data 1 [212144]"));
  receive_bytes(1);
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 ProtocolError more data than was granted"));
}

TEST_F(Credit, IsNotGrantedAfterSendEof) {
  receive_bytes(200'000);
  lone.receive({eof_frame(1)});
  lone->consumed(lone.now, kOne, 200'000);
  EXPECT_THAT(lone.sent(), IsEmpty());
}

TEST_F(Credit, UpToAU32MayBeUnspent) {
  lone.receive({window_frame(1, 0xFFFF'FFFF - kInitialCredit)});
  EXPECT_THAT(lone.events(), IsEmpty());
  EXPECT_GT(lone->writable(kOne), 0u);
  lone.receive({window_frame(1, 0)});
  EXPECT_THAT(lone.events(), IsEmpty());
}

TEST_F(Credit, OverAU32ClosesThatConnectionWith19) {
  lone.receive({open_frame(3), window_frame(1, static_cast<std::uint32_t>(0xFFFF'FFFF - kInitialCredit + 1))});
  EXPECT_THAT(lone.events(),
              ElementsAre("Requested 3 host:80", "Closed 1 ProtocolError more credit than can be counted"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 ProtocolError more credit than can be counted"));
}

TEST_F(Credit, IsNotWokenByAnEmptyGrantNorAfterSendEof) {
  while (const std::size_t size = lone->writable(kOne)) lone.write(1, std::string(size, 'x'));
  lone.receive({window_frame(1, 0)});
  EXPECT_THAT(lone.events(), IsEmpty());
  lone->write_eof(lone.now, kOne);
  lone.receive({window_frame(1, 5)});
  EXPECT_THAT(lone.events(), IsEmpty());
}

TEST(WithoutCredit, AConnectionThatReachesItsBufferLimitClosesWith1) {
  Lone lone(Side::Answerer);
  Lone::greet(lone, 0);
  lone.receive({open_frame(1)});
  const std::string chunk(131'072, 'x');
  for (int i = 0; i < 7; ++i) lone.receive({data_frame(1, chunk)});
  lone->consumed(lone.now, kOne, 131'072);
  lone.receive({data_frame(1, chunk)});
  EXPECT_EQ(lone->connections(), 1u);
  EXPECT_EQ(lone.events().size(), 9u);
  lone.receive({data_frame(1, chunk)});
  EXPECT_THAT(lone.events(), ElementsAre("Closed 1 Error buffer limit"));
  EXPECT_THAT(lone.sent(), ElementsAre("Close 1 Error buffer limit"));
}

TEST(WithoutCredit, AllConnectionsTogetherStayWithinTheTubesBudget) {
  Lone lone(Side::Answerer, {.initial_credit = 10, .credit_budget = 100});
  Lone::greet(lone, 0);
  lone.receive(
      {open_frame(1), open_frame(3), data_frame(1, std::string(60, 'x')), data_frame(3, std::string(40, 'y'))});
  EXPECT_EQ(lone->connections(), 2u);
  lone.receive({data_frame(3, "z")});
  EXPECT_EQ(lone->connections(), 1u);
  lone.receive({close_frame(3, CloseReason::Error), data_frame(1, std::string(40, 'x'))});
  EXPECT_EQ(lone->connections(), 1u);
}

TEST(WithoutCredit, WindowUpdatesMeanNothing) {
  Lone lone(Side::Answerer);
  Lone::greet(lone, 0);
  lone.receive({open_frame(1), window_frame(1, 0xFFFF'FFFF)});
  EXPECT_THAT(lone.events(), ElementsAre("Requested 1 host:80"));
}

}  // namespace
}  // namespace isotube::tunnel
