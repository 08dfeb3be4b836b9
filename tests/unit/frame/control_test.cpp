#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "frame/frame.hpp"

namespace isotube::frame {
namespace {

constexpr auto bytes_of(auto... values) { return std::array{static_cast<std::byte>(values)...}; }

/// Payload of the frame that make_control() makes; checks its frame on the way.
Bytes payload_of(const Control& control) {
  BufferPool pool;
  const Buffer message = make_control(pool, control, 0x0102030405060708);
  EXPECT_EQ(message.size(), control_frame_size(control));
  ByteView rest = message.view();
  const auto frame = take_frame(rest, kMaxFrame);
  EXPECT_TRUE(frame.has_value());
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(frame->conn_no, kControl);
  EXPECT_EQ(frame->timestamp_ms, 0x0102030405060708u);
  return to_bytes(frame->payload);
}

template <typename Message>
Message parsed(ByteView payload) {
  const auto control = parse_control(payload);
  EXPECT_TRUE(control.has_value());
  EXPECT_TRUE(std::holds_alternative<Message>(*control));
  return std::get<Message>(*control);
}

/// Every head of `payload` shorter than all of it must be TooShort, but for those of `good` sizes.
void expect_too_short_when_cut(const Bytes& payload, const std::vector<std::size_t>& good = {}) {
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const auto control = parse_control(ByteView(payload).first(size));
    if (std::ranges::find(good, size) != good.end()) {
      EXPECT_TRUE(control.has_value()) << size;
    } else {
      ASSERT_FALSE(control.has_value()) << size;
      EXPECT_EQ(control.error(), ControlError::TooShort);
    }
  }
}

Bytes with_tail(Bytes payload) {
  payload.push_back(std::byte{0xEE});
  payload.push_back(std::byte{0xEE});
  return payload;
}

TEST(ControlCodec, CodesPingAndPongWithTheirEcho) {
  const Bytes ping = payload_of(Ping{ConnNo{0x01020304}, as_byte_view("hi")});
  EXPECT_EQ(ping, to_bytes(bytes_of(0, 1, 1, 2, 3, 4, 'h', 'i')));
  EXPECT_EQ(parsed<Ping>(ping).conn_no, ConnNo{0x01020304});
  EXPECT_EQ(as_text(parsed<Ping>(ping).echo), "hi");
  expect_too_short_when_cut(ping, {6, 7});

  const Bytes pong = payload_of(Pong{ConnNo{5}, {}});
  EXPECT_EQ(pong, to_bytes(bytes_of(0, 2, 0, 0, 0, 5)));
  EXPECT_TRUE(parsed<Pong>(pong).echo.empty());
  expect_too_short_when_cut(pong);
}

TEST(ControlCodec, CodesOpenConnectionWithAndWithoutATarget) {
  const Bytes fixed = payload_of(OpenConnection{ConnNo{1}, std::nullopt});
  EXPECT_EQ(fixed, to_bytes(bytes_of(0, 101, 0, 0, 0, 1)));
  EXPECT_FALSE(parsed<OpenConnection>(fixed).target.has_value());
  expect_too_short_when_cut(fixed);

  const Bytes open = payload_of(OpenConnection{ConnNo{3}, Target{"::1", 0x1F90}});
  EXPECT_EQ(open, to_bytes(bytes_of(0, 101, 0, 0, 0, 3, 0, 0, 0, 3, ':', ':', '1', 0x1F, 0x90)));
  EXPECT_EQ(parsed<OpenConnection>(open).target, (Target{"::1", 8080}));
  EXPECT_EQ(parsed<OpenConnection>(with_tail(open)).target, (Target{"::1", 8080}));
  expect_too_short_when_cut(open, {6});
}

TEST(ControlCodec, CodesCloseConnectionWithAndWithoutAMessage) {
  const Bytes bare = payload_of(CloseConnection{ConnNo{2}, CloseReason::Timeout, {}});
  EXPECT_EQ(bare, to_bytes(bytes_of(0, 102, 0, 0, 0, 2, 2)));
  EXPECT_EQ(parsed<CloseConnection>(bare).reason, CloseReason::Timeout);
  EXPECT_EQ(parsed<CloseConnection>(bare).message, "");
  expect_too_short_when_cut(bare);

  const Bytes spoken = payload_of(CloseConnection{ConnNo{2}, CloseReason::Error, "why"});
  EXPECT_EQ(spoken, to_bytes(bytes_of(0, 102, 0, 0, 0, 2, 1, 0, 3, 'w', 'h', 'y')));
  EXPECT_EQ(parsed<CloseConnection>(spoken).message, "why");
  EXPECT_EQ(parsed<CloseConnection>(with_tail(spoken)).message, "why");
  expect_too_short_when_cut(spoken, {7});
}

TEST(ControlCodec, CodesTheMessagesOfANumberAlone) {
  const Bytes opened = payload_of(ConnectionOpened{ConnNo{9}});
  EXPECT_EQ(opened, to_bytes(bytes_of(0, 103, 0, 0, 0, 9)));
  EXPECT_EQ(parsed<ConnectionOpened>(with_tail(opened)).conn_no, ConnNo{9});
  expect_too_short_when_cut(opened);

  const Bytes eof = payload_of(SendEof{ConnNo{9}});
  EXPECT_EQ(eof, to_bytes(bytes_of(0, 104, 0, 0, 0, 9)));
  EXPECT_EQ(parsed<SendEof>(with_tail(eof)).conn_no, ConnNo{9});
  expect_too_short_when_cut(eof);
}

TEST(ControlCodec, CodesWindowUpdate) {
  const Bytes update = payload_of(WindowUpdate{ConnNo{9}, 0xFFFF'FFFE});
  EXPECT_EQ(update, to_bytes(bytes_of(1, 0x91, 0, 0, 0, 9, 0xFF, 0xFF, 0xFF, 0xFE)));
  EXPECT_EQ(parsed<WindowUpdate>(with_tail(update)).credit, 0xFFFF'FFFEu);
  expect_too_short_when_cut(update);
}

TEST(ControlCodec, CodesHello) {
  const Bytes hello = payload_of(Hello{});
  EXPECT_EQ(hello, to_bytes(bytes_of(1, 0x92, 0, 1, 0, 0, 0, 1)));
  EXPECT_EQ(parsed<Hello>(with_tail(hello)).version, 1);
  EXPECT_EQ(parsed<Hello>(hello).capabilities, kCapabilityCredit);
  expect_too_short_when_cut(hello);
}

TEST(ControlCodec, CodesRestartNeeded) {
  const Bytes restart = payload_of(RestartNeeded{});
  EXPECT_EQ(restart, to_bytes(bytes_of(1, 0x93)));
  (void)parsed<RestartNeeded>(with_tail(restart));
  expect_too_short_when_cut(restart);
}

TEST(ControlCodec, NamesACodeThatItDoesNotKnow) {
  EXPECT_EQ(parsed<UnknownControl>(bytes_of(0x12, 0x34, 1, 2, 3)).code, 0x1234);
  EXPECT_EQ(parsed<UnknownControl>(payload_of(UnknownControl{0x4321})).code, 0x4321);
}

TEST(CloseConnection, ReadsEveryReasonThatWasNeverGivenOutAsUnknown) {
  for (int value = 0; value < 256; ++value) {
    const auto payload = bytes_of(0, 102, 0, 0, 0, 2, value);
    const bool known = value <= 20 && value != 3;
    EXPECT_EQ(parsed<CloseConnection>(payload).reason, known ? static_cast<CloseReason>(value) : CloseReason::Unknown);
    EXPECT_FALSE(to_string(parsed<CloseConnection>(payload).reason).empty());
  }
}

TEST(CloseConnection, ReadsAMessageThatIsNoUtf8AsNone) {
  const auto payload = bytes_of(0, 102, 0, 0, 0, 2, 9, 0, 2, 0xC3, 0x28);
  EXPECT_EQ(parsed<CloseConnection>(payload).reason, CloseReason::ConnectionLost);
  EXPECT_EQ(parsed<CloseConnection>(payload).message, "");
}

TEST(OpenConnection, RefusesAHostThatIsNoName) {
  const std::vector<std::string> bad_hosts = {
      "", std::string(256, 'a'), "\xC3\x28", std::string("allowed.example\0.evil", 21), "a\nb", "a\x7F"};
  for (const std::string& host : bad_hosts) {
    const Bytes payload = payload_of(OpenConnection{ConnNo{1}, Target{host, 80}});
    const auto control = parse_control(payload);
    ASSERT_FALSE(control.has_value()) << host;
    EXPECT_EQ(control.error(), ControlError::BadHost);
    EXPECT_FALSE(is_valid_host(host));
  }
}

TEST(OpenConnection, TakesHostsUpTo255BytesOfUtf8) {
  for (const std::string& host : {std::string(255, 'a'),
                                  std::string("b\xC3\xBC"
                                              "cher.example"),
                                  std::string("a")}) {
    EXPECT_EQ(parsed<OpenConnection>(payload_of(OpenConnection{ConnNo{1}, Target{host, 1}})).target->host, host);
    EXPECT_TRUE(is_valid_host(host));
  }
}

TEST(OpenConnection, RefusesAHostLengthThatReachesPastTheEnd) {
  const auto payload = bytes_of(0, 101, 0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF, 'a', 0, 80);
  ASSERT_FALSE(parse_control(payload).has_value());
  EXPECT_EQ(parse_control(payload).error(), ControlError::TooShort);
}

TEST(AppendControl, PutsFramesBehindEachOther) {
  BufferPool pool;
  Buffer message = pool.acquire(0, 512);
  append_control(message, ConnectionOpened{ConnNo{2}}, 1);
  append_control(message, SendEof{ConnNo{2}}, 1);
  ByteView rest = message.view();
  (void)parsed<ConnectionOpened>(take_frame(rest, kMaxFrame)->payload);
  (void)parsed<SendEof>(take_frame(rest, kMaxFrame)->payload);
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace isotube::frame
