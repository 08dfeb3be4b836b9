// Records that wait to be read, in order and end to end in one run of memory that is used again.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.hpp"

namespace isotube::dtls {

/// Bounded in bytes and in number. Allocates nothing when warm.
class RecordQueue {
 public:
  /// Copies `record`; false if one of the bounds would be passed.
  [[nodiscard]] bool push(ByteView record, std::size_t max_bytes, std::size_t max_records) {
    if (places_.size() >= max_records || bytes_.size() + record.size() > max_bytes) return false;
    const Place place{bytes_.size(), record.size()};
    bytes_.insert(bytes_.end(), record.begin(), record.end());
    places_.push_back(place);
    return true;
  }

  [[nodiscard]] bool empty() const { return next_ == places_.size(); }

  /// The oldest record. Valid until the next push() or pop(); not when empty().
  [[nodiscard]] ByteView front() const { return ByteView(bytes_).subspan(places_[next_].begin, places_[next_].size); }

  void pop() {
    if (++next_ < places_.size()) return;
    bytes_.clear();
    places_.clear();
    next_ = 0;
  }

 private:
  struct Place {
    std::size_t begin;
    std::size_t size;
  };

  Bytes bytes_;
  std::vector<Place> places_;
  std::size_t next_ = 0;
};

}  // namespace isotube::dtls
