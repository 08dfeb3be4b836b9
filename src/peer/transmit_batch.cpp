#include "peer/transmit_batch.hpp"

#include "base/assert.hpp"

namespace isotube::peer {

void TransmitBatch::begin(const Path& path, std::optional<FlowId> flow) {
  path_ = path;
  flow_ = flow;
  size_ = 0;
  segment_size_ = 0;
  segments_ = 0;
}

bool TransmitBatch::takes(std::size_t largest_datagram) const {
  // UDP_SEGMENT cuts by one length; only the last datagram may be shorter, so a shorter one ends the batch.
  const bool ended_by_a_short_one = segments_ * segment_size_ != size_;
  return segments_ < kMaxSegments && !ended_by_a_short_one && kMaxBytes - size_ >= largest_datagram;
}

bool TransmitBatch::commit(std::size_t datagram_size) {
  ISOTUBE_ASSERT(datagram_size <= kMaxBytes - size_);
  if (segments_ == 0) segment_size_ = datagram_size;
  if (datagram_size > segment_size_) return false;
  size_ += datagram_size;
  ++segments_;
  return true;
}

bool TransmitBatch::append(ByteView datagram) {
  std::ranges::copy(datagram, room().begin());
  return commit(datagram.size());
}

}  // namespace isotube::peer
