// From chunks to messages: DATA by SSN and TSN (RFC 9260 6.6, 6.9), I-DATA by MID and FSN (RFC 8260 2.2).
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <string_view>

#include "base/buffer.hpp"
#include "sctp/association.hpp"
#include "sctp/chunks.hpp"
#include "sctp/serial.hpp"

namespace isotube::sctp {

/// What the peer may not do: the association ends.
enum class ReassemblyError : std::uint8_t {
  MessageTooLarge,  ///< over what we announced
  WindowExceeded,   ///< far more unfinished messages than the window allows
};
[[nodiscard]] std::string_view to_string(ReassemblyError error);

class Reassembly {
 public:
  Reassembly(BufferPool& pool, std::size_t window, std::size_t max_message)
      : pool_(pool), window_(window), max_message_(max_message) {}

  void set_interleaving(bool interleaving) { interleaving_ = interleaving; }

  /// Takes a chunk that was not seen before. Whole messages go to `delivered`.
  [[nodiscard]] std::expected<void, ReassemblyError> add(Tsn tsn, const DataChunk& chunk, std::deque<Event>& delivered);
  /// FORWARD-TSN: unfinished messages that were given up are dropped, and those behind them delivered.
  [[nodiscard]] std::expected<void, ReassemblyError> skip(Tsn cumulative, const ForwardTsnChunk& forward,
                                                          std::deque<Event>& delivered);
  /// The peer's streams begin again with number 0 (none given means all); unfinished messages on them are dropped.
  void reset(const std::vector<StreamId>& streams);

  /// Bytes of fragments held, which a_rwnd is reduced by.
  [[nodiscard]] std::size_t held() const { return held_; }
  /// Whether a chunk that fills no hole may still be kept: small ones pin more memory than their bytes say.
  [[nodiscard]] bool has_room() const { return held_ < window_ && pinned_ < kWindowsPinned / 2 * window_; }

 private:
  /// A message's number (SSN, MID, or 0 where unordered DATA has none), and the fragment's in it (TSN or FSN).
  struct Key {
    std::uint64_t message = 0;
    std::uint64_t fragment = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Piece {
    Buffer payload;
    Ppid ppid{};
    bool begin = false;
    bool end = false;
  };
  /// A message that is growing in order: the common case, without a detour through the map.
  struct Growing {
    Key next;
    Ppid ppid{};
    Buffer payload;
  };
  /// One direction of one stream, ordered or unordered.
  struct Lane {
    std::map<Key, Piece> pieces;
    std::optional<Growing> growing;
    /// Ordered lanes deliver in this order. One wrap up, so that there is an older number for everything.
    std::uint64_t next_message = std::uint64_t{1} << 32;
    std::size_t usual_size = 0;  ///< of the last message: what the next one's buffer begins with
  };
  struct LaneId {
    StreamId stream{};
    bool unordered = false;
    friend auto operator<=>(const LaneId&, const LaneId&) = default;
  };

  using Outcome = std::expected<void, ReassemblyError>;
  using Pieces = std::map<Key, Piece>;

  [[nodiscard]] Key key_of(const Lane& lane, Tsn tsn, const DataChunk& chunk) const;
  /// Begins or continues the growing message if `chunk` is what comes next; false if it has to wait.
  [[nodiscard]] std::expected<bool, ReassemblyError> grow(const LaneId& id, Lane& lane, Key key, const DataChunk& chunk,
                                                          std::deque<Event>& delivered);
  [[nodiscard]] Outcome append(Lane& lane, ByteView payload);
  [[nodiscard]] Outcome grow_from_pieces(const LaneId& id, Lane& lane, std::deque<Event>& delivered);
  /// An unordered message that waited for this piece alone.
  [[nodiscard]] Outcome deliver_around(const LaneId& id, Lane& lane, Pieces::iterator piece,
                                       std::deque<Event>& delivered);
  void begin(Lane& lane, Key key, Ppid ppid);
  void finish(const LaneId& id, Lane& lane, std::deque<Event>& delivered);
  void skip_unordered_data(Tsn cumulative);
  void drop_growing(Lane& lane);
  Pieces::iterator drop(Lane& lane, Pieces::iterator piece);
  /// Memory that a piece costs, its place in the map included.
  [[nodiscard]] static std::size_t pinned_by(const Piece& piece) {
    constexpr std::size_t kPlace = 128;
    return piece.payload.capacity() + kPlace;
  }

  /// With interleaving an honest peer may have one unfinished message on each stream, more than the window in all; each
  /// gets on by the chunks that fill the hole at the cumulative TSN. Past this no honest peer comes.
  static constexpr std::size_t kWindowsPinned = 4;

  BufferPool& pool_;
  std::size_t window_;
  std::size_t max_message_;
  bool interleaving_ = false;
  std::map<LaneId, Lane> lanes_;
  std::size_t held_ = 0;
  std::size_t pinned_ = 0;
};

}  // namespace isotube::sctp
