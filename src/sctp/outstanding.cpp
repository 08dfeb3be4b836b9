#include "sctp/outstanding.hpp"

#include <algorithm>
#include <map>

#include "base/assert.hpp"

namespace isotube::sctp {
namespace {

/// RFC 9260 7.2.4: the third miss is the sign of loss. A peer that takes packets in batches acknowledges many with one
/// SACK: then, as RFC 6675 4 has it, more than two packets' bytes that came later are.
constexpr std::uint8_t kMissesForLoss = 3;
constexpr std::size_t kPacketsForLoss = 2;

}  // namespace

Outstanding::Outstanding(std::uint32_t initial_tsn, std::size_t max_packet, SendQueue& queue)
    : queue_(queue),
      max_packet_(max_packet),
      cumulative_(first_tsn(initial_tsn) - 1),
      advanced_(cumulative_),
      sample_from_(cumulative_ + 1) {}

Tsn Outstanding::add(TimePoint now, const Fragment& fragment) {
  const Tsn tsn = next_tsn();
  OutgoingMessage& message = queue_.message(fragment.message);
  if (fragment.begin) message.first_tsn = tsn;
  message.last_tsn = tsn;
  limited_messages_ = limited_messages_ || message.max_retransmissions || message.expires != kNever;
  chunks_.push_back({.fragment = fragment, .later_from = tsn + 1, .sent_at = now});
  bytes_in_flight_ += fragment.length;
  return tsn;
}

void Outstanding::retransmit(TimePoint now, Tsn tsn) {
  SentChunk& chunk = at(tsn);
  ISOTUBE_ASSERT(chunk.state == SentChunk::State::Lost);
  chunk.state = SentChunk::State::InFlight;
  chunk.misses = 0;
  chunk.missed_bytes = 0;
  chunk.later_from = next_tsn();
  chunk.sent_at = now;
  ++chunk.retransmissions;
  lost_.erase(tsn);
  bytes_in_flight_ += chunk.fragment.length;
}

Acknowledgement Outstanding::acknowledge_up_to(TimePoint now, std::uint32_t cumulative_tsn) {
  Acknowledgement result;
  const Tsn cumulative = unwrap32(cumulative_, cumulative_tsn);
  if (cumulative < cumulative_ || cumulative >= next_tsn()) return {.stale = true};
  advance_cumulative(now, cumulative, result);
  std::erase_if(known_ranges_, [this](const Range& range) { return range.last <= cumulative_; });
  queue_.forget_done(cumulative_);
  update_advanced();
  return result;
}

Acknowledgement Outstanding::acknowledge(TimePoint now, const SackChunk& sack) {
  const Tsn cumulative = unwrap32(cumulative_, sack.cumulative_tsn);
  const Tsn highest = sack.gaps.empty() ? cumulative : cumulative + sack.gaps.back().end;
  // RFC 9260 6.2.1 D i: an older SACK that came late says nothing. One for chunks that we never sent is no SACK at all.
  if (cumulative < cumulative_ || highest >= next_tsn()) return {.stale = true};
  Acknowledgement result;
  advance_cumulative(now, cumulative, result);
  apply_gaps(now, sack, result);
  queue_.forget_done(cumulative_);
  update_advanced();
  return result;
}

void Outstanding::advance_cumulative(TimePoint now, Tsn to, Acknowledgement& result) {
  while (cumulative_ < to) {
    mark_acknowledged(now, cumulative_ + 1, result);
    // Only now: a peer may take back what its gap blocks said (RFC 9260 6.2.1).
    const SentChunk& chunk = chunks_.front();
    if (chunk.state == SentChunk::State::Acknowledged) {
      queue_.acknowledge(chunk.fragment.message, chunk.fragment.length);
    }
    chunks_.pop_front();
    ++cumulative_;
    result.advanced = true;
  }
  advanced_ = std::max(advanced_, cumulative_);
}

void Outstanding::mark_acknowledged(TimePoint now, Tsn tsn, Acknowledgement& result) {
  SentChunk& chunk = at(tsn);
  if (chunk.state == SentChunk::State::Acknowledged || chunk.state == SentChunk::State::Abandoned) return;
  if (chunk.state == SentChunk::State::InFlight) {
    bytes_in_flight_ -= chunk.fragment.length;
    if (chunk.retransmissions == 0 && tsn >= sample_from_) {
      result.round_trip = now - chunk.sent_at;
      sample_from_ = next_tsn();
    }
  } else {
    lost_.erase(tsn);
  }
  chunk.state = SentChunk::State::Acknowledged;
  result.bytes += chunk.fragment.length;
}

void Outstanding::apply_gaps(TimePoint now, const SackChunk& sack, Acknowledgement& result) {
  new_ranges_.clear();
  for (const GapBlock& gap : sack.gaps) new_ranges_.push_back({cumulative_ + gap.start, cumulative_ + gap.end});
  renege(new_ranges_);
  newly_acknowledged_.clear();
  const std::size_t bytes_before = result.bytes;
  auto known = known_ranges_.begin();
  for (const Range& range : new_ranges_) {
    for (Tsn tsn = range.first; tsn <= range.last; ++tsn) {
      while (known != known_ranges_.end() && known->last < tsn) ++known;
      if (known != known_ranges_.end() && known->first <= tsn) {
        tsn = known->last;
        continue;
      }
      const std::size_t before = result.bytes;
      mark_acknowledged(now, tsn, result);
      if (result.bytes != before) newly_acknowledged_.push_back({tsn, result.bytes - bytes_before});
    }
  }
  known_ranges_.swap(new_ranges_);
  if (!newly_acknowledged_.empty()) count_misses(result);
}

/// RFC 9260 6.2.1 D iii: what was acknowledged by a gap block and no longer is, the peer has thrown away.
void Outstanding::renege(const std::vector<Range>& ranges) {
  auto range = ranges.begin();
  for (const Range& known : known_ranges_) {
    Tsn tsn = std::max(known.first, cumulative_ + 1);
    while (tsn <= known.last) {
      while (range != ranges.end() && range->last < tsn) ++range;
      const Tsn covered_from = range == ranges.end() ? known.last + 1 : range->first;
      for (; tsn <= known.last && tsn < covered_from; ++tsn) take_back(tsn);
      if (range != ranges.end() && tsn <= known.last) tsn = range->last + 1;
    }
  }
}

void Outstanding::take_back(Tsn tsn) {
  SentChunk& chunk = at(tsn);
  if (chunk.state != SentChunk::State::Acknowledged) return;
  chunk.state = SentChunk::State::Lost;
  lost_.insert(tsn);
}

std::size_t Outstanding::newly_acknowledged_from(Tsn tsn) const {
  const auto first = std::ranges::lower_bound(newly_acknowledged_, tsn, {}, &NewlyAcknowledged::tsn);
  const std::size_t before = first == newly_acknowledged_.begin() ? 0 : std::prev(first)->bytes_up_to;
  return newly_acknowledged_.back().bytes_up_to - before;
}

void Outstanding::count_misses(Acknowledgement& result) {
  const Tsn highest = newly_acknowledged_.back().tsn;
  Tsn hole = cumulative_ + 1;
  for (const Range& range : known_ranges_) {
    for (; hole < range.first && hole < highest; ++hole) {
      SentChunk& chunk = at(hole);
      if (chunk.state != SentChunk::State::InFlight || highest < chunk.later_from) continue;
      chunk.missed_bytes += newly_acknowledged_from(chunk.later_from);
      if (++chunk.misses < kMissesForLoss && chunk.missed_bytes <= kPacketsForLoss * max_packet_) continue;
      mark_lost(hole);
      result.found_loss = true;
    }
    hole = range.last + 1;
  }
}

void Outstanding::mark_lost(Tsn tsn) {
  SentChunk& chunk = at(tsn);
  chunk.state = SentChunk::State::Lost;
  bytes_in_flight_ -= chunk.fragment.length;
  lost_.insert(tsn);
}

void Outstanding::lose_all() {
  for (Tsn tsn = cumulative_ + 1; tsn < next_tsn(); ++tsn) {
    if (at(tsn).state == SentChunk::State::InFlight) mark_lost(tsn);
  }
}

void Outstanding::abandon_expired(TimePoint now) {
  if (!limited_messages_) return;
  for (auto lost = lost_.begin(); lost != lost_.end();) {
    const SentChunk& chunk = at(*lost);
    const OutgoingMessage& message = queue_.message(chunk.fragment.message);
    const bool too_often = message.max_retransmissions && chunk.retransmissions >= *message.max_retransmissions;
    if (!too_often && message.expires > now) {
      ++lost;
      continue;
    }
    const Tsn last = message.last_tsn;
    abandon(*lost);
    lost = lost_.upper_bound(last);
  }
  update_advanced();
}

/// All chunks of its message go, whatever their state: the receiver can't use some without the others.
void Outstanding::abandon(Tsn tsn) {
  const MessageId id = chunk(tsn).fragment.message;
  OutgoingMessage& message = queue_.message(id);
  const Tsn from = std::max(message.first_tsn, cumulative_ + 1);
  const Tsn to = message.last_tsn;
  const bool is_cut = message.cut == message.payload.size();
  queue_.abandon(id);
  if (!is_cut) {
    // The peer may have all that was sent of the message, and a FORWARD TSN up to there would say nothing to it while
    // it waits for the rest: one TSN more, never sent, stands for the rest.
    message.last_tsn = next_tsn();
    chunks_.push_back({.fragment = {.message = id}, .state = SentChunk::State::Abandoned});
  }
  for (Tsn each = from; each <= to; ++each) {
    SentChunk& sent = at(each);
    if (sent.fragment.message != id) continue;
    if (sent.state == SentChunk::State::InFlight) bytes_in_flight_ -= sent.fragment.length;
    if (sent.state == SentChunk::State::Lost) lost_.erase(each);
    sent.state = SentChunk::State::Abandoned;
  }
}

void Outstanding::update_advanced() {
  advanced_ = std::max(advanced_, cumulative_);
  while (advanced_ + 1 < next_tsn()) {
    const SentChunk::State state = chunk(advanced_ + 1).state;
    if (state != SentChunk::State::Abandoned && state != SentChunk::State::Acknowledged) break;
    ++advanced_;
  }
  // The row may end only with something that was given up: what is acknowledged needs no skipping.
  while (advanced_ > cumulative_ && chunk(advanced_).state == SentChunk::State::Acknowledged) --advanced_;
}

ForwardTsnChunk Outstanding::skipped(bool interleaving, std::size_t most_streams) const {
  ForwardTsnChunk forward;
  // The highest number of each stream; unordered DATA has none (RFC 3758 3.2), unordered I-DATA has (RFC 8260 2.3.1).
  std::map<std::pair<StreamId, bool>, std::uint32_t> highest;
  for (Tsn tsn = cumulative_ + 1; tsn <= advanced_; ++tsn) {
    const SentChunk& sent = chunk(tsn);
    if (sent.state == SentChunk::State::Abandoned) {
      const OutgoingMessage& message = queue_.message(sent.fragment.message);
      const std::pair lane{message.stream, !message.ordered};
      if (message.ordered || interleaving) {
        if (highest.size() >= most_streams && !highest.contains(lane)) break;
        highest[lane] = message.number;
      }
    }
    forward.new_cumulative_tsn = static_cast<std::uint32_t>(tsn);
  }
  for (const auto& [key, number] : highest) {
    forward.streams.push_back({.stream = key.first, .unordered = key.second, .message = number});
  }
  return forward;
}

std::optional<Tsn> Outstanding::first_lost() const {
  if (lost_.empty()) return std::nullopt;
  return *lost_.begin();
}

}  // namespace isotube::sctp
