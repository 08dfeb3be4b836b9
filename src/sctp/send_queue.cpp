#include "sctp/send_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace isotube::sctp {

void SendQueue::push(OutgoingMessage message) {
  const StreamId id = message.stream;
  Stream& stream = streams_[id];
  message.unacknowledged = message.payload.size();
  stream.buffered += message.unacknowledged;
  buffered_ += message.unacknowledged;
  stream.waiting.push_back(std::move(message));
  take_turn(id, stream);
}

void SendQueue::take_turn(StreamId id, Stream& stream) {
  if (stream.in_turns) return;
  stream.in_turns = true;
  turns_.push_back(id);
}

/// The stream in front goes to the back if it has more, else out.
void SendQueue::end_turn() {
  const StreamId id = turns_.front();
  turns_.pop_front();
  Stream& stream = streams_.at(id);
  if (stream.current || !stream.waiting.empty()) {
    turns_.push_back(id);
  } else {
    stream.in_turns = false;
  }
}

/// RFC 3758 3.5 A: a message whose time is over before it was sent is dropped without a trace on the wire.
void SendQueue::drop_expired(TimePoint now, Stream& stream) {
  while (!stream.waiting.empty() && stream.waiting.front().expires <= now) {
    const OutgoingMessage expired = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    ++abandoned_;
    release(stream, expired.stream, expired.unacknowledged);
  }
}

bool SendQueue::may_begin(const OutgoingMessage& message) const {
  /// So small a message is over as soon as it is begun.
  constexpr std::size_t kSmall = 1024;
  const std::size_t size = message.payload.size();
  return !interleaving_ || unfinished_ == 0 || size <= kSmall || unfinished_ + size <= unfinished_limit_;
}

void SendQueue::begin_message(Stream& stream) {
  OutgoingMessage message = std::move(stream.waiting.front());
  stream.waiting.pop_front();
  if (message.ordered) {
    message.number = stream.next_ordered++;
  } else if (interleaving_) {
    message.number = stream.next_unordered++;
  }
  unfinished_ += message.payload.size();
  stream.current = first_cut_ + cut_messages_.size();
  cut_messages_.push_back(std::move(message));
}

void SendQueue::finish_message(Stream& stream, std::size_t size) {
  stream.current.reset();
  unfinished_ -= size;
  // One that may not begin after all is gated again at its turn.
  if (!gated_.empty() && may_begin(streams_.at(gated_.front()).waiting.front())) {
    turns_.push_back(gated_.front());
    gated_.pop_front();
  }
}

std::optional<Fragment> SendQueue::next(TimePoint now, std::size_t room, std::size_t least) {
  while (!turns_.empty()) {
    Stream& stream = streams_.at(turns_.front());
    if (!stream.current) {
      drop_expired(now, stream);
      if (stream.waiting.empty()) {
        end_turn();
        continue;
      }
      if (!may_begin(stream.waiting.front())) {
        gated_.push_back(turns_.front());
        turns_.pop_front();
        continue;
      }
    }
    const OutgoingMessage& front = stream.current ? message(*stream.current) : stream.waiting.front();
    const std::size_t remaining = front.payload.size() - front.cut;
    if (room == 0 || (remaining > room && room < least)) return std::nullopt;
    if (!stream.current) begin_message(stream);
    const MessageId id = *stream.current;
    OutgoingMessage& whole = message(id);
    Fragment fragment{.message = id,
                      .offset = whole.cut,
                      .length = std::min(room, remaining),
                      .index = whole.fragments,
                      .begin = whole.cut == 0,
                      .end = remaining <= room};
    whole.cut += fragment.length;
    ++whole.fragments;
    if (fragment.end) finish_message(stream, whole.payload.size());
    if (fragment.end || interleaving_) end_turn();
    return fragment;
  }
  return std::nullopt;
}

void SendQueue::acknowledge(MessageId id, std::size_t bytes) {
  OutgoingMessage& whole = message(id);
  if (whole.abandoned) return;
  ISOTUBE_ASSERT(bytes <= whole.unacknowledged);
  whole.unacknowledged -= bytes;
  if (whole.is_done()) whole.payload = Buffer();
  release(streams_.at(whole.stream), whole.stream, bytes);
}

void SendQueue::abandon(MessageId id) {
  OutgoingMessage& whole = message(id);
  if (whole.is_done()) return;
  whole.abandoned = true;
  ++abandoned_;
  Stream& stream = streams_.at(whole.stream);
  // If it was its stream's turn, next() finds the stream's following message, or that there is none.
  if (stream.current == id) finish_message(stream, whole.payload.size());
  release(stream, whole.stream, std::exchange(whole.unacknowledged, 0));
  whole.payload = Buffer();
}

void SendQueue::forget_done(Tsn cumulative) {
  const auto is_over = [cumulative](const OutgoingMessage& front) {
    return front.is_done() && (!front.abandoned || front.last_tsn <= cumulative);
  };
  while (!cut_messages_.empty() && is_over(cut_messages_.front())) {
    cut_messages_.pop_front();
    ++first_cut_;
  }
}

void SendQueue::release(Stream& stream, StreamId id, std::size_t bytes) {
  const bool was_above = stream.buffered > stream.low_threshold;
  stream.buffered -= bytes;
  buffered_ -= bytes;
  if (was_above && stream.buffered <= stream.low_threshold && std::ranges::find(low_, id) == low_.end()) {
    low_.push_back(id);
  }
}

std::size_t SendQueue::buffered(StreamId stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? 0 : found->second.buffered;
}

void SendQueue::set_low_threshold(StreamId stream, std::size_t bytes) { streams_[stream].low_threshold = bytes; }

std::optional<StreamId> SendQueue::take_low() {
  if (low_.empty()) return std::nullopt;
  const StreamId stream = low_.front();
  low_.pop_front();
  return stream;
}

bool SendQueue::is_cut(StreamId stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() || (found->second.waiting.empty() && !found->second.current);
}

void SendQueue::restart_numbers(StreamId stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  found->second.next_ordered = 0;
  found->second.next_unordered = 0;
  // A stream that holds nothing needs no state: channels come and go by the thousand.
  const bool idle = found->second.buffered == 0 && !found->second.in_turns && !found->second.current;
  if (idle && std::ranges::find(low_, stream) == low_.end()) streams_.erase(found);
}

void SendQueue::restart_all_numbers() {
  for (auto& [id, stream] : streams_) stream.next_ordered = stream.next_unordered = 0;
}

}  // namespace isotube::sctp
