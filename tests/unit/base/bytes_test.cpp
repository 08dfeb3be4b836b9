#include "base/bytes.hpp"

#include <gtest/gtest.h>

#include <array>

namespace isotube {
namespace {

TEST(ByteReader, ReadsBigEndian) {
  const Bytes bytes = to_bytes(as_byte_view("\x01\x02\x03\x04\x05\x06\x07"));
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u8(), 0x01);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x04050607U);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(ByteReader, StaysFailedAfterAReadPastTheEnd) {
  ByteReader reader(as_byte_view("abc"));
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0U);
  EXPECT_FALSE(reader.ok());
}

TEST(SpanWriter, WritesNothingPastItsEnd) {
  std::array<std::byte, 3> storage{};
  SpanWriter writer(storage);
  writer.u16(0x0102);
  writer.u16(0x0304);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 2U);
  EXPECT_EQ(storage[2], std::byte{0});
}

TEST(SpanWriter, PatchesALengthWrittenBefore) {
  std::array<std::byte, 4> storage{};
  SpanWriter writer(storage);
  writer.u32(0);
  writer.patch_u16(1, 0xABCD);
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(ByteReader(writer.written()).u32(), 0x00ABCD00U);
}

}  // namespace
}  // namespace isotube
