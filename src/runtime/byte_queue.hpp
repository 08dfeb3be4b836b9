// Bytes that wait to leave, in order.
#pragma once

#include <cstddef>

#include "base/bytes.hpp"

namespace isotube::runtime {

/// Its user bounds it. Memory of large bursts goes back when they have left.
class ByteQueue {
 public:
  [[nodiscard]] std::size_t size() const { return bytes_.size() - gone_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  /// All that waits. Valid until something changes.
  [[nodiscard]] ByteView front() const { return ByteView(bytes_).subspan(gone_); }

  void append(ByteView bytes) {
    // Moving what waits costs no more than what has left cost.
    if (gone_ >= size()) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(gone_));
      gone_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  void consume(std::size_t count) {
    gone_ += count;
    if (!empty()) return;
    gone_ = 0;
    if (bytes_.capacity() > kKept) {
      bytes_ = Bytes();
    } else {
      bytes_.clear();
    }
  }

 private:
  static constexpr std::size_t kKept = std::size_t{16} << 10;

  Bytes bytes_;
  std::size_t gone_ = 0;
};

}  // namespace isotube::runtime
