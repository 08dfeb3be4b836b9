#include "datachannel/dcep.hpp"

#include <gtest/gtest.h>

namespace isotube::datachannel {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Bytes hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 3) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

ChannelConfig opened(std::string_view text) {
  const auto message = parse_control(hex(text));
  EXPECT_TRUE(message && std::holds_alternative<Open>(*message)) << text;
  return message ? std::get<Open>(*message).config : ChannelConfig{};
}

TEST(Dcep, WritesAnOpenAsRfc8832Lays) {
  BufferPool pool;
  ChannelConfig config;
  config.label = "ab";
  config.protocol = "c";
  config.ordered = false;
  config.max_retransmissions = 0x01020304;
  config.priority = 0x0506;
  EXPECT_EQ(to_bytes(open_message(pool, config).view()), hex("03 81 05 06 01 02 03 04 00 02 00 01 61 62 63"));
}

TEST(Dcep, WritesAnAckOfOneByte) {
  BufferPool pool;
  EXPECT_EQ(to_bytes(ack_message(pool).view()), hex("02"));
}

TEST(Dcep, ReadsEveryChannelType) {
  ChannelConfig config = opened("03 00 01 00 00 00 00 07 00 00 00 00");
  EXPECT_TRUE(config.ordered);
  EXPECT_EQ(config.priority, 256);
  EXPECT_FALSE(config.max_retransmissions || config.max_lifetime) << "the parameter of a reliable channel is ignored";
  EXPECT_FALSE(opened("03 80 01 00 00 00 00 00 00 00 00 00").ordered);
  EXPECT_EQ(opened("03 01 01 00 00 00 00 05 00 00 00 00").max_retransmissions, 5U);
  EXPECT_EQ(opened("03 82 01 00 ff ff ff ff 00 00 00 00").max_lifetime, milliseconds(4294967295));
}

TEST(Dcep, KeepsLabelsOfAnyBytes) {
  const ChannelConfig config = opened("03 00 00 00 00 00 00 00 00 02 00 01 00 ff 80");
  EXPECT_EQ(config.label, std::string_view("\0\xFF", 2));
  EXPECT_EQ(config.protocol, "\x80");
}

TEST(Dcep, RefusesWhatDoesNotFit) {
  for (const char* text : {"", "00", "01", "04", "03", "03 00 01 00 00 00 00 00 00 00 00",
                           "03 03 01 00 00 00 00 00 00 00 00 00", "03 7f 01 00 00 00 00 00 00 00 00 00",
                           "03 00 01 00 00 00 00 00 00 01 00 00", "03 00 01 00 00 00 00 00 00 00 00 01",
                           "03 00 01 00 00 00 00 00 00 00 00 00 00", "03 00 01 00 00 00 00 00 ff ff ff ff 61"}) {
    EXPECT_FALSE(parse_control(hex(text))) << text;
  }
}

TEST(Dcep, RoundsALifetimeUpAndKeepsItInRange) {
  BufferPool pool;
  const auto read_back = [&](Duration lifetime) {
    ChannelConfig config;
    config.max_lifetime = lifetime;
    const auto message = parse_control(open_message(pool, config).view());
    return message ? std::get<Open>(*message).config.max_lifetime : std::nullopt;
  };
  EXPECT_EQ(read_back(microseconds(1)), milliseconds(1));
  EXPECT_EQ(read_back(milliseconds(-5)), milliseconds(0));
  EXPECT_EQ(read_back(std::chrono::hours(24 * 365)), milliseconds(4294967295));
}

}  // namespace
}  // namespace isotube::datachannel
