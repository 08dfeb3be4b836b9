#include "sctp/reassembly.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace isotube::sctp {
namespace {

/// What a message's buffer begins with when nothing is known of its stream.
constexpr std::size_t kFirstBuffer = 4096;

}  // namespace

std::string_view to_string(ReassemblyError error) {
  switch (error) {
    case ReassemblyError::MessageTooLarge:
      return "a message over the announced size";
    case ReassemblyError::WindowExceeded:
      return "more unfinished messages than the receive window allows";
  }
  return "unknown";
}

Reassembly::Key Reassembly::key_of(const Lane& lane, Tsn tsn, const DataChunk& chunk) const {
  if (interleaving_) return {unwrap32(lane.next_message, chunk.message), chunk.fragment};
  if (chunk.unordered) return {0, tsn};
  return {unwrap16(lane.next_message, static_cast<std::uint16_t>(chunk.message)), tsn};
}

Reassembly::Outcome Reassembly::add(Tsn tsn, const DataChunk& chunk, std::deque<Event>& delivered) {
  if (pinned_ > kWindowsPinned * window_) return std::unexpected(ReassemblyError::WindowExceeded);
  const LaneId id{chunk.stream, chunk.unordered};
  Lane& lane = lanes_[id];
  const Key key = key_of(lane, tsn, chunk);
  // A number that was delivered or skipped before: nothing waits for it.
  if (!chunk.unordered && key.message < lane.next_message) return {};
  const auto grown = grow(id, lane, key, chunk, delivered);
  if (!grown) return std::unexpected(grown.error());
  if (*grown) return grow_from_pieces(id, lane, delivered);

  const auto [piece, inserted] = lane.pieces.try_emplace(key);
  if (!inserted) return {};
  piece->second = {pool_.copy_of(chunk.payload), chunk.ppid, chunk.begin, chunk.end};
  held_ += chunk.payload.size();
  pinned_ += pinned_by(piece->second);
  return chunk.unordered ? deliver_around(id, lane, piece, delivered) : Outcome();
}

std::expected<bool, ReassemblyError> Reassembly::grow(const LaneId& id, Lane& lane, Key key, const DataChunk& chunk,
                                                      std::deque<Event>& delivered) {
  const bool continues = lane.growing && lane.growing->next == key && !chunk.begin;
  const bool begins = !lane.growing && chunk.begin && (id.unordered || key.message == lane.next_message);
  if (!continues && !begins) return false;
  if (begins) begin(lane, key, chunk.ppid);
  if (auto done = append(lane, chunk.payload); !done) return std::unexpected(done.error());
  if (chunk.end) finish(id, lane, delivered);
  return true;
}

void Reassembly::begin(Lane& lane, Key key, Ppid ppid) {
  lane.growing = Growing{.next = key, .ppid = ppid, .payload = {}};
}

Reassembly::Outcome Reassembly::append(Lane& lane, ByteView payload) {
  Growing& growing = *lane.growing;
  const std::size_t size = growing.payload.size() + payload.size();
  if (size > max_message_) return std::unexpected(ReassemblyError::MessageTooLarge);
  if (growing.payload.tailroom() < payload.size()) {
    // A guess is made only while it is cheap: many messages that only begin must not pin what whole ones need.
    const bool guesses = growing.payload.empty() && pinned_ + lane.usual_size <= window_;
    const std::size_t guess = guesses ? lane.usual_size : 2 * growing.payload.size();
    Buffer larger = pool_.acquire(0, std::max({size, guess, std::min(kFirstBuffer, max_message_)}));
    larger.append(growing.payload.view());
    pinned_ += larger.capacity();
    pinned_ -= growing.payload.capacity();
    growing.payload = std::move(larger);
  }
  growing.payload.append(payload);
  ++growing.next.fragment;
  held_ += payload.size();
  return {};
}

void Reassembly::finish(const LaneId& id, Lane& lane, std::deque<Event>& delivered) {
  Growing whole = *std::exchange(lane.growing, std::nullopt);
  held_ -= whole.payload.size();
  pinned_ -= whole.payload.capacity();
  // A small message in a large buffer would pin what it does not use.
  lane.usual_size = whole.payload.size();
  lane.next_message = std::max(lane.next_message, whole.next.message + 1);
  if (whole.payload.capacity() / 4 > std::max(whole.payload.size(), kFirstBuffer)) {
    whole.payload = pool_.copy_of(whole.payload.view());
  }
  delivered.push_back(MessageReceived{id.stream, whole.ppid, !id.unordered, std::move(whole.payload)});
}

/// What waited for the chunk that just came: the rest of the growing message, then the messages behind it.
Reassembly::Outcome Reassembly::grow_from_pieces(const LaneId& id, Lane& lane, std::deque<Event>& delivered) {
  while (!lane.pieces.empty()) {
    auto piece = lane.pieces.end();
    if (lane.growing) {
      piece = lane.pieces.find(lane.growing->next);
    } else if (!id.unordered) {
      piece = lane.pieces.lower_bound({lane.next_message, 0});
      const bool starts =
          piece != lane.pieces.end() && piece->first.message == lane.next_message && piece->second.begin;
      if (!starts) piece = lane.pieces.end();
    }
    if (piece == lane.pieces.end()) break;
    if (!lane.growing) begin(lane, piece->first, piece->second.ppid);
    if (auto done = append(lane, piece->second.payload.view()); !done) return done;
    const bool end = piece->second.end;
    drop(lane, piece);
    if (end) finish(id, lane, delivered);
  }
  return {};
}

Reassembly::Outcome Reassembly::deliver_around(const LaneId& id, Lane& lane, Pieces::iterator piece,
                                               std::deque<Event>& delivered) {
  const auto follows = [](Pieces::iterator one, Pieces::iterator other) {
    return one->first.message == other->first.message && one->first.fragment + 1 == other->first.fragment;
  };
  auto first = piece;
  while (!first->second.begin) {
    if (first == lane.pieces.begin() || !follows(std::prev(first), first)) return {};
    --first;
  }
  auto last = piece;
  while (!last->second.end) {
    const auto next = std::next(last);
    if (next == lane.pieces.end() || !follows(last, next)) return {};
    last = next;
  }
  std::optional<Growing> stuck = std::exchange(lane.growing, std::nullopt);
  begin(lane, first->first, first->second.ppid);
  const auto stop = std::next(last);
  while (first != stop) {
    if (auto done = append(lane, first->second.payload.view()); !done) return done;
    first = drop(lane, first);
  }
  finish(id, lane, delivered);
  lane.growing = std::move(stuck);
  return {};
}

Reassembly::Outcome Reassembly::skip(Tsn cumulative, const ForwardTsnChunk& forward, std::deque<Event>& delivered) {
  for (const SkippedStream& skipped : forward.streams) {
    const LaneId id{skipped.stream, skipped.unordered};
    Lane& lane = lanes_[id];
    const std::uint64_t number = interleaving_
                                     ? unwrap32(lane.next_message, skipped.message)
                                     : unwrap16(lane.next_message, static_cast<std::uint16_t>(skipped.message));
    if (lane.growing && lane.growing->next.message <= number) drop_growing(lane);
    for (auto piece = lane.pieces.begin(); piece != lane.pieces.end() && piece->first.message <= number;) {
      piece = drop(lane, piece);
    }
    lane.next_message = std::max(lane.next_message, number + 1);
    if (auto done = grow_from_pieces(id, lane, delivered); !done) return done;
  }
  if (!interleaving_) skip_unordered_data(cumulative);
  return {};
}

/// Unordered DATA has no number that FORWARD-TSN could name: what misses a TSN up to the new cumulative one is over.
void Reassembly::skip_unordered_data(Tsn cumulative) {
  for (auto& [id, lane] : lanes_) {
    if (!id.unordered) continue;
    if (lane.growing && lane.growing->next.fragment <= cumulative) drop_growing(lane);
    for (auto piece = lane.pieces.begin(); piece != lane.pieces.end() && piece->first.fragment <= cumulative;) {
      piece = drop(lane, piece);
    }
  }
}

void Reassembly::reset(const std::vector<StreamId>& streams) {
  const auto forget = [this](std::map<LaneId, Lane>::iterator lane) {
    if (lane->second.growing) drop_growing(lane->second);
    for (auto piece = lane->second.pieces.begin(); piece != lane->second.pieces.end();) {
      piece = drop(lane->second, piece);
    }
    return lanes_.erase(lane);
  };
  if (streams.empty()) {
    for (auto lane = lanes_.begin(); lane != lanes_.end();) lane = forget(lane);
  }
  for (const StreamId stream : streams) {
    for (const bool unordered : {false, true}) {
      if (const auto lane = lanes_.find({stream, unordered}); lane != lanes_.end()) forget(lane);
    }
  }
}

void Reassembly::drop_growing(Lane& lane) {
  held_ -= lane.growing->payload.size();
  pinned_ -= lane.growing->payload.capacity();
  lane.growing.reset();
}

Reassembly::Pieces::iterator Reassembly::drop(Lane& lane, Pieces::iterator piece) {
  held_ -= piece->second.payload.size();
  pinned_ -= pinned_by(piece->second);
  return lane.pieces.erase(piece);
}

}  // namespace isotube::sctp
