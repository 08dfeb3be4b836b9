#include "frame/frame.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace isotube::frame {
namespace {

constexpr auto bytes_of(auto... values) { return std::array{static_cast<std::byte>(values)...}; }

Bytes frame_of(std::uint32_t conn_no, std::uint64_t timestamp, std::string_view payload) {
  Bytes bytes;
  BytesWriter writer(bytes);
  writer.u32(conn_no);
  writer.u64(timestamp);
  writer.u32(static_cast<std::uint32_t>(payload.size()));
  writer.bytes(as_byte_view(payload));
  writer.u8(0x3B);
  return bytes;
}

FrameError error_of(ByteView message, std::size_t max_frame = kMaxFrame) {
  const auto frame = take_frame(message, max_frame);
  EXPECT_FALSE(frame.has_value());
  return frame.error();
}

TEST(TakeFrame, ReadsTheFieldsWhereTheProtocolHasThem) {
  const auto message = bytes_of(0x01, 0x02, 0x03, 0x04,                          // conn_no
                                0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,  // timestamp_ms
                                0x00, 0x00, 0x00, 0x02,                          // length
                                0xAB, 0xCD, 0x3B);
  ByteView rest(message);
  const auto frame = take_frame(rest, kMaxFrame);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->conn_no, ConnNo{0x01020304});
  EXPECT_EQ(frame->timestamp_ms, 0x1112131415161718u);
  EXPECT_EQ(to_bytes(frame->payload), to_bytes(bytes_of(0xAB, 0xCD)));
  EXPECT_TRUE(rest.empty());
}

TEST(TakeFrame, GivesThePayloadWithoutACopy) {
  const Bytes message = frame_of(1, 0, "payload");
  ByteView rest(message);
  EXPECT_EQ(take_frame(rest, kMaxFrame)->payload.data(), &message[kHeaderSize]);
}

TEST(TakeFrame, TakesFramesOneByOneAndLeavesTheRest) {
  Bytes message = frame_of(1, 0, "first");
  const Bytes second = frame_of(2, 0, "");
  message.insert(message.end(), second.begin(), second.end());
  ByteView rest(message);
  EXPECT_EQ(as_text(take_frame(rest, kMaxFrame)->payload), "first");
  EXPECT_EQ(rest.size(), kOverhead);
  const auto empty = take_frame(rest, kMaxFrame);
  ASSERT_TRUE(empty.has_value());
  EXPECT_EQ(empty->conn_no, ConnNo{2});
  EXPECT_TRUE(empty->payload.empty());
  EXPECT_TRUE(rest.empty());
}

TEST(TakeFrame, LooksForTheTerminatorAtItsPlaceOnly) {
  const Bytes message = frame_of(0x3B3B3B3B, 0x3B3B3B3B3B3B3B3B, ";;a;;");
  ByteView rest(message);
  const auto frame = take_frame(rest, kMaxFrame);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(as_text(frame->payload), ";;a;;");
}

TEST(TakeFrame, CallsAFrameIncompleteThatEndsAnywhereBeforeItsTerminator) {
  const Bytes message = frame_of(1, 2, "payload");
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(error_of(ByteView(message).first(size)), FrameError::Incomplete) << size;
  }
}

TEST(TakeFrame, RefusesEveryOtherTerminator) {
  Bytes message = frame_of(1, 2, "payload");
  for (int value = 0; value < 256; ++value) {
    message.back() = static_cast<std::byte>(value);
    if (message.back() == kTerminator) continue;
    EXPECT_EQ(error_of(message), FrameError::WrongTerminator) << value;
  }
}

TEST(TakeFrame, LeavesTheMessageAsItWasOnAnError) {
  Bytes message = frame_of(1, 2, "payload");
  message.back() = std::byte{0};
  ByteView rest(message);
  EXPECT_FALSE(take_frame(rest, kMaxFrame).has_value());
  EXPECT_EQ(rest.size(), message.size());
}

TEST(TakeFrame, EnforcesTheLimitThatWasAnnounced) {
  const Bytes message = frame_of(1, 2, std::string(100 - kOverhead, 'x'));
  ByteView rest(message);
  EXPECT_TRUE(take_frame(rest, 100).has_value());
  EXPECT_EQ(error_of(message, 99), FrameError::TooLong);
}

TEST(TakeFrame, NeverTakesMoreThanTheProtocolsLargestFrame) {
  const Bytes fits = frame_of(1, 2, std::string(kMaxFrame - kOverhead, 'x'));
  ByteView rest(fits);
  EXPECT_TRUE(take_frame(rest, SIZE_MAX).has_value());
  const Bytes too_long = frame_of(1, 2, std::string(kMaxFrame - kOverhead + 1, 'x'));
  EXPECT_EQ(error_of(too_long, SIZE_MAX), FrameError::TooLong);
}

TEST(TakeFrame, SeesAHugeLengthBeforeThePayloadCame) {
  Bytes message;
  BytesWriter writer(message);
  writer.u32(1);
  writer.u64(2);
  writer.u32(0xFFFF'FFFF);
  EXPECT_EQ(error_of(message), FrameError::TooLong);
}

TEST(MessageLimit, FollowsTheAnnouncementWithinTheProtocolsOwn) {
  EXPECT_EQ(message_limit(0), kMaxFrame);  // RFC 8841 6.1: no limit
  EXPECT_EQ(message_limit(1), 1u);
  EXPECT_EQ(message_limit(kDefaultMaxMessage), kDefaultMaxMessage);
  EXPECT_EQ(message_limit(kMaxFrame + 1), kMaxFrame);
}

TEST(Enclose, WritesTheFrameAroundThePayloadInPlace) {
  BufferPool pool;
  Buffer buffer = pool.copy_of(as_byte_view("in place"), kHeaderSize);
  const std::byte* before = buffer.view().data();
  enclose(buffer, ConnNo{0x01020304}, 0x1112131415161718);
  EXPECT_EQ(to_bytes(buffer.view()), frame_of(0x01020304, 0x1112131415161718, "in place"));
  EXPECT_EQ(&buffer.view()[kHeaderSize], before);
}

TEST(Enclose, MakesFramesOfEverySizeThatTakeFrameReads) {
  BufferPool pool;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65'519}, kMaxFrame - kOverhead}) {
    Buffer buffer = pool.acquire(kHeaderSize, size + kTrailerSize);
    for (std::byte& each : buffer.append(size)) each = std::byte{0x5A};
    enclose(buffer, ConnNo{7}, 1);
    ByteView rest = buffer.view();
    const auto frame = take_frame(rest, kMaxFrame);
    ASSERT_TRUE(frame.has_value()) << size;
    EXPECT_EQ(frame->payload.size(), size);
    EXPECT_TRUE(rest.empty());
  }
}

TEST(Target, ShowsIpv6InBrackets) {
  EXPECT_EQ((Target{"localhost", 80}).to_string(), "localhost:80");
  EXPECT_EQ((Target{"192.0.2.1", 65'535}).to_string(), "192.0.2.1:65535");
  EXPECT_EQ((Target{"2001:db8::1", 443}).to_string(), "[2001:db8::1]:443");
}

TEST(CloseReason, HasANameForEachNumber) {
  EXPECT_EQ(to_string(CloseReason::Normal), "Normal");
  EXPECT_EQ(to_string(CloseReason::UpstreamClosed), "UpstreamClosed");
}

}  // namespace
}  // namespace isotube::frame
