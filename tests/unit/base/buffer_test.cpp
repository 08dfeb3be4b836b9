#include "base/buffer.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "base/assert.hpp"

namespace isotube {
namespace {

TEST(Buffer, GrowsIntoItsRoomInFrontAndBehind) {
  BufferPool pool;
  Buffer buffer = pool.acquire(4, 16);
  buffer.append(as_byte_view("payload"));
  std::ranges::copy(as_byte_view("head"), buffer.prepend(4).begin());
  buffer.append(as_byte_view(";"));
  EXPECT_EQ(as_text(buffer.view()), "headpayload;");
  buffer.remove_prefix(4);
  buffer.remove_suffix(1);
  EXPECT_EQ(as_text(buffer.view()), "payload");
}

TEST(BufferPool, AllocatesNothingWhenWarm) {
  BufferPool pool;
  {
    Buffer first = pool.acquire(32, 1000);
  }
  for (int i = 0; i < 100; ++i) {
    Buffer again = pool.acquire(32, 1000);
  }
  EXPECT_EQ(pool.stats().allocations, 1U);
  EXPECT_EQ(pool.stats().in_use_bytes, 0U);
}

TEST(BufferPool, KeepsNoMoreThanItsBound) {
  BufferPool pool(1024);
  {
    Buffer one = pool.acquire(0, 1024);
    Buffer two = pool.acquire(0, 1024);
  }
  EXPECT_EQ(pool.stats().kept_bytes, 1024U);
  pool.trim();
  EXPECT_EQ(pool.stats().kept_bytes, 0U);
}

TEST(BufferPool, CountsAMovedBufferOnce) {
  BufferPool pool;
  Buffer one = pool.copy_of(as_byte_view("x"));
  Buffer two = std::move(one);
  EXPECT_EQ(pool.stats().in_use_bytes, 512U);
  two = Buffer();
  EXPECT_EQ(pool.stats().in_use_bytes, 0U);
}

}  // namespace
}  // namespace isotube
