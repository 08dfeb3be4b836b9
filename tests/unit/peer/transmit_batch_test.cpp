#include "peer/transmit_batch.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace isotube::peer {
namespace {

class Batch : public testing::Test {
 protected:
  bool append(std::size_t size) { return batch_->append(Bytes(size, std::byte{1})); }

  std::unique_ptr<TransmitBatch> batch_ = std::make_unique<TransmitBatch>();
};

TEST_F(Batch, TakesDatagramsOfOneLengthUpToTheSegmentLimit) {
  batch_->begin({});
  for (std::size_t i = 0; i < TransmitBatch::kMaxSegments; ++i) {
    ASSERT_TRUE(batch_->takes(100));
    ASSERT_TRUE(append(100));
  }
  EXPECT_FALSE(batch_->takes(100));
  EXPECT_EQ(batch_->segments(), TransmitBatch::kMaxSegments);
  EXPECT_EQ(batch_->bytes().size(), 100 * TransmitBatch::kMaxSegments);
}

TEST_F(Batch, EndsWithAShorterDatagram) {
  batch_->begin({});
  EXPECT_TRUE(append(100));
  EXPECT_TRUE(append(40));
  EXPECT_FALSE(batch_->takes(40));
}

TEST_F(Batch, LeavesALongerDatagramOut) {
  batch_->begin({});
  EXPECT_TRUE(append(40));
  EXPECT_FALSE(append(100));
  EXPECT_EQ(batch_->segments(), 1U);
  EXPECT_EQ(batch_->bytes().size(), 40U);
}

TEST_F(Batch, NeverGrowsOverOneUdpPayload) {
  batch_->begin({});
  while (batch_->takes(9'000)) ASSERT_TRUE(append(9'000));
  EXPECT_EQ(batch_->segments(), 7U);
  EXPECT_LE(batch_->bytes().size(), TransmitBatch::kMaxBytes);
}

}  // namespace
}  // namespace isotube::peer
