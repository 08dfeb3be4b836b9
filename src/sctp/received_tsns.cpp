#include "sctp/received_tsns.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace isotube::sctp {

ReceivedTsns::Arrival ReceivedTsns::look_at(Tsn tsn) {
  const auto after = std::ranges::lower_bound(ranges_, tsn, {}, &Range::last);
  const bool in_a_range = after != ranges_.end() && after->first <= tsn;
  if (tsn <= cumulative_ || in_a_range) {
    if (duplicates_.size() < kMaxDuplicates) duplicates_.push_back(tsn);
    return Arrival::Duplicate;
  }
  const bool opens_a_range = tsn != cumulative_ + 1;
  if (tsn - cumulative_ > kFurthest || (opens_a_range && ranges_.size() >= kMaxRanges)) return Arrival::OutOfRange;
  return Arrival::New;
}

void ReceivedTsns::add(Tsn tsn) {
  if (tsn == cumulative_ + 1) {
    ++cumulative_;
    absorb();
    return;
  }
  const auto after = std::ranges::lower_bound(ranges_, tsn, {}, &Range::first);
  const bool joins_before = after != ranges_.begin() && std::prev(after)->last + 1 == tsn;
  const bool joins_after = after != ranges_.end() && after->first == tsn + 1;
  if (joins_before && joins_after) {
    std::prev(after)->last = after->last;
    ranges_.erase(after);
  } else if (joins_before) {
    std::prev(after)->last = tsn;
  } else if (joins_after) {
    after->first = tsn;
  } else {
    ranges_.insert(after, {tsn, tsn});
  }
}

void ReceivedTsns::skip_to(Tsn tsn) {
  if (tsn <= cumulative_) return;
  cumulative_ = tsn;
  absorb();
}

/// Ranges that the cumulative TSN has reached become part of it.
void ReceivedTsns::absorb() {
  auto range = ranges_.begin();
  for (; range != ranges_.end() && range->first <= cumulative_ + 1; ++range) {
    cumulative_ = std::max(cumulative_, range->last);
  }
  ranges_.erase(ranges_.begin(), range);
}

}  // namespace isotube::sctp
