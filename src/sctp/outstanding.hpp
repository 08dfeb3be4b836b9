// Chunks in flight: what was sent and is not yet acknowledged for good, by TSN.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/time.hpp"
#include "sctp/chunks.hpp"
#include "sctp/ring.hpp"
#include "sctp/send_queue.hpp"
#include "sctp/serial.hpp"

namespace isotube::sctp {

/// One chunk in flight. Its payload is a slice of its message's buffer.
/// Legal steps: InFlight ⇄ Lost; InFlight, Lost → Acknowledged; Acknowledged → Lost (a peer may renege, RFC
/// 9260 6.2.1); any → Abandoned.
struct SentChunk {
  enum class State : std::uint8_t { InFlight, Acknowledged, Lost, Abandoned };

  Fragment fragment;
  State state = State::InFlight;
  std::uint8_t misses = 0;       ///< acknowledgements of later sent chunks that left this one out
  std::size_t missed_bytes = 0;  ///< what those acknowledged
  std::uint32_t retransmissions = 0;
  /// Only chunks from here on were sent after this one's last transmission, and say something about it.
  Tsn later_from = 0;
  TimePoint sent_at;
};

/// What a SACK meant.
struct Acknowledgement {
  bool stale = false;       ///< older than what we know, or of chunks that we never sent: nothing happened
  bool advanced = false;    ///< the cumulative TSN moved
  std::size_t bytes = 0;    ///< newly acknowledged
  bool found_loss = false;  ///< a chunk was found lost (three misses)
  std::optional<Duration> round_trip;
};

/// Costs per SACK follow what it newly says: ranges known from the last SACK are not walked again.
class Outstanding {
 public:
  Outstanding(std::uint32_t initial_tsn, std::size_t max_packet, SendQueue& queue);

  /// Sends a fragment for the first time.
  Tsn add(TimePoint now, const Fragment& fragment);
  /// Sends a lost chunk again.
  void retransmit(TimePoint now, Tsn tsn);
  [[nodiscard]] const SentChunk& chunk(Tsn tsn) const { return chunks_[tsn - cumulative_ - 1]; }

  [[nodiscard]] Acknowledgement acknowledge(TimePoint now, const SackChunk& sack);
  /// A cumulative acknowledgement alone (SHUTDOWN): what gaps said stays.
  [[nodiscard]] Acknowledgement acknowledge_up_to(TimePoint now, std::uint32_t cumulative_tsn);
  /// T3 expired: all that is in flight is taken for lost.
  void lose_all();
  /// Gives up messages whose retransmissions or time are over (RFC 3758 3.5 A3).
  void abandon_expired(TimePoint now);

  /// The oldest lost chunk.
  [[nodiscard]] std::optional<Tsn> first_lost() const;
  [[nodiscard]] std::size_t bytes_in_flight() const { return bytes_in_flight_; }
  [[nodiscard]] bool empty() const { return chunks_.empty(); }
  [[nodiscard]] Tsn cumulative() const { return cumulative_; }
  [[nodiscard]] Tsn next_tsn() const { return cumulative_ + 1 + chunks_.size(); }

  /// RFC 3758 3.5 C: how far the peer may move on without what was given up, and what it skips on the way. Of more than
  /// `most_streams` streams only a first part: a chunk has to fit into a packet.
  [[nodiscard]] bool has_skipped() const { return advanced_ > cumulative_; }
  [[nodiscard]] ForwardTsnChunk skipped(bool interleaving, std::size_t most_streams) const;

 private:
  struct Range {
    Tsn first = 0;
    Tsn last = 0;
  };

  [[nodiscard]] SentChunk& at(Tsn tsn) { return chunks_[tsn - cumulative_ - 1]; }
  void advance_cumulative(TimePoint now, Tsn to, Acknowledgement& result);
  void apply_gaps(TimePoint now, const SackChunk& sack, Acknowledgement& result);
  void mark_acknowledged(TimePoint now, Tsn tsn, Acknowledgement& result);
  void renege(const std::vector<Range>& ranges);
  void take_back(Tsn tsn);
  void count_misses(Acknowledgement& result);
  /// Of the newly acknowledged chunks, what those from `tsn` on hold.
  [[nodiscard]] std::size_t newly_acknowledged_from(Tsn tsn) const;
  void mark_lost(Tsn tsn);
  void abandon(Tsn tsn);
  void update_advanced();

  /// A chunk that a gap block acknowledged just now, and the bytes of it and all such chunks before it.
  struct NewlyAcknowledged {
    Tsn tsn = 0;
    std::size_t bytes_up_to = 0;
  };

  SendQueue& queue_;
  std::size_t max_packet_;
  Tsn cumulative_;
  /// Index 0 is cumulative_ + 1.
  Ring<SentChunk> chunks_;
  std::set<Tsn> lost_;
  /// What the last SACK's gap blocks said.
  std::vector<Range> known_ranges_;
  std::vector<Range> new_ranges_;
  std::vector<NewlyAcknowledged> newly_acknowledged_;  ///< in order
  std::size_t bytes_in_flight_ = 0;
  Tsn advanced_;
  /// Karn, and once per round trip (RFC 9260 6.3.1 C4, C5): no sample from chunks before this one.
  Tsn sample_from_;
  bool limited_messages_ = false;
};

}  // namespace isotube::sctp
