// Which TSNs arrived: the cumulative one, the ranges beyond it, and what a SACK says of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sctp/serial.hpp"

namespace isotube::sctp {

class ReceivedTsns {
 public:
  enum class Arrival : std::uint8_t { New, Duplicate, OutOfRange };

  explicit ReceivedTsns(std::uint32_t peer_initial_tsn) : cumulative_(first_tsn(peer_initial_tsn) - 1) {}

  [[nodiscard]] Tsn unwrap(std::uint32_t tsn) const { return unwrap32(cumulative_, tsn); }
  /// What add() would answer, without changing anything but the count of duplicates.
  [[nodiscard]] Arrival look_at(Tsn tsn);
  /// `tsn` must be New.
  void add(Tsn tsn);
  /// RFC 3758 3.6: everything up to `tsn` counts as received.
  void skip_to(Tsn tsn);

  [[nodiscard]] Tsn cumulative() const { return cumulative_; }
  [[nodiscard]] bool has_gaps() const { return !ranges_.empty(); }

  struct Range {
    Tsn first = 0;
    Tsn last = 0;
  };
  [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }
  [[nodiscard]] const std::vector<Tsn>& duplicates() const { return duplicates_; }
  void clear_duplicates() { duplicates_.clear(); }

 private:
  /// Gap blocks are offsets of 16 bits from the cumulative TSN (RFC 9260 3.3.4).
  static constexpr Tsn kFurthest = 65'535;
  /// Holes that we keep track of: a hostile peer could make one for every other chunk.
  static constexpr std::size_t kMaxRanges = 1024;
  static constexpr std::size_t kMaxDuplicates = 16;

  void absorb();

  Tsn cumulative_;
  std::vector<Range> ranges_;
  std::vector<Tsn> duplicates_;
};

}  // namespace isotube::sctp
