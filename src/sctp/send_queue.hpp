// Messages on their way out: per stream in order, streams in turn, cut into fragments when there is room to send.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/buffer.hpp"
#include "base/time.hpp"
#include "sctp/association.hpp"
#include "sctp/ring.hpp"
#include "sctp/serial.hpp"

namespace isotube::sctp {

/// Counts the messages whose first fragment was cut.
using MessageId = std::uint64_t;

struct OutgoingMessage {
  Buffer payload;
  StreamId stream{};
  Ppid ppid{};
  bool ordered = true;
  std::optional<std::uint32_t> max_retransmissions;
  TimePoint expires = kNever;

  std::uint32_t number = 0;  ///< SSN or MID, from the first fragment on
  std::size_t cut = 0;       ///< bytes that went into fragments
  std::uint32_t fragments = 0;
  std::size_t unacknowledged = 0;
  bool abandoned = false;
  Tsn first_tsn = 0;
  Tsn last_tsn = 0;

  [[nodiscard]] bool is_done() const { return abandoned || unacknowledged == 0; }
};

/// A piece of a message that is about to become a chunk.
struct Fragment {
  MessageId message = 0;
  std::size_t offset = 0;
  std::size_t length = 0;
  std::uint32_t index = 0;
  bool begin = false;
  bool end = false;
};

class SendQueue {
 public:
  void push(OutgoingMessage message);
  /// With interleaving streams take turns by fragment, without it by message (RFC 8260).
  void set_interleaving(bool interleaving) { interleaving_ = interleaving; }
  /// With interleaving, messages that are cut at the same time hold at most so many bytes in all: the peer keeps the
  /// parts of unfinished messages in its receive window, and when they fill it none can be finished.
  void set_unfinished_limit(std::size_t bytes) { unfinished_limit_ = bytes; }

  /// Nothing waits to be cut. (A gated stream waits behind one that has its turn.)
  [[nodiscard]] bool empty() const { return turns_.empty(); }
  /// Cuts the next fragment, at most `room` bytes long. Nothing if there is no data, or if a message would be split
  /// for less than `least` bytes. Messages whose time is over are dropped on the way.
  [[nodiscard]] std::optional<Fragment> next(TimePoint now, std::size_t room, std::size_t least);

  [[nodiscard]] OutgoingMessage& message(MessageId id) { return cut_messages_[id - first_cut_]; }
  [[nodiscard]] const OutgoingMessage& message(MessageId id) const { return cut_messages_[id - first_cut_]; }
  void acknowledge(MessageId id, std::size_t bytes);
  /// Gives a message up: its memory goes, and what was not cut yet never will be.
  void abandon(MessageId id);
  /// Forgets messages that are acknowledged, or given up with all their chunks up to `cumulative`.
  void forget_done(Tsn cumulative);

  [[nodiscard]] std::size_t buffered() const { return buffered_; }
  [[nodiscard]] std::size_t buffered(StreamId stream) const;
  void set_low_threshold(StreamId stream, std::size_t bytes);
  /// A stream whose buffered bytes fell to its threshold since it was last asked.
  [[nodiscard]] std::optional<StreamId> take_low();
  [[nodiscard]] std::uint64_t abandoned() const { return abandoned_; }

  /// Nothing of the stream waits to be cut.
  [[nodiscard]] bool is_cut(StreamId stream) const;
  /// Its next message is number 0 again (RFC 6525).
  void restart_numbers(StreamId stream);
  void restart_all_numbers();

 private:
  struct Stream {
    std::deque<OutgoingMessage> waiting;
    std::optional<MessageId> current;  ///< partly cut
    std::size_t buffered = 0;
    std::size_t low_threshold = 0;
    bool in_turns = false;
    std::uint32_t next_ordered = 0;
    std::uint32_t next_unordered = 0;
  };

  void take_turn(StreamId id, Stream& stream);
  void end_turn();
  void drop_expired(TimePoint now, Stream& stream);
  [[nodiscard]] bool may_begin(const OutgoingMessage& message) const;
  void begin_message(Stream& stream);
  void finish_message(Stream& stream, std::size_t size);
  void release(Stream& stream, StreamId id, std::size_t bytes);

  std::map<StreamId, Stream> streams_;
  std::deque<StreamId> turns_;
  /// Streams whose next message has to wait until one of those in the making is cut to its end. Not empty only while
  /// there is one.
  std::deque<StreamId> gated_;
  std::size_t unfinished_ = 0;  ///< bytes of all messages in the making
  std::size_t unfinished_limit_ = 0;
  Ring<OutgoingMessage> cut_messages_;
  MessageId first_cut_ = 0;
  std::deque<StreamId> low_;
  std::size_t buffered_ = 0;
  std::uint64_t abandoned_ = 0;
  bool interleaving_ = false;
};

}  // namespace isotube::sctp
