// The association's parts and how they hang together: private to this folder.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sctp/association.hpp"
#include "sctp/chunks.hpp"
#include "sctp/congestion.hpp"
#include "sctp/cookie.hpp"
#include "sctp/outstanding.hpp"
#include "sctp/reassembly.hpp"
#include "sctp/received_tsns.hpp"
#include "sctp/round_trip.hpp"
#include "sctp/send_queue.hpp"

namespace isotube::sctp {

/// Every deadline of an association, by RFC 9260's names. Equal ones fire in this order.
enum class Timer : std::uint8_t {
  T1Init,
  T1Cookie,
  T2Shutdown,
  T5ShutdownGuard,
  T3Retransmission,
  DelayedSack,
  Reconfig,
  Heartbeat
};
inline constexpr std::size_t kTimers = 8;

/// Steps of ShuttingDown: Pending → Sent (ours went out), Pending → Received (the peer's came); both end in AckSent or
/// with SHUTDOWN COMPLETE.
enum class ShutdownStep : std::uint8_t { None, Pending, Sent, Received, AckSent };

class Association::Impl {
 public:
  Impl(const Settings& settings, Random random, BufferPool& pool);

  // Life (handshake.cpp, closing.cpp).
  void connect(TimePoint now);
  void shutdown(TimePoint now);
  void abort(std::uint16_t cause, std::string_view reason, CloseReason as);

  // Input (input.cpp, timers.cpp).
  void handle_packet(TimePoint now, ByteView packet);
  void handle_timeout(TimePoint now);

  // Sending (output.cpp).
  std::expected<void, SendError> send(TimePoint now, StreamId stream, const SendOptions& options, Buffer&& message);
  std::size_t poll_transmit(TimePoint now, MutableByteView out);

  // Stream reset (stream_reset.cpp).
  void reset_streams(std::span<const StreamId> streams);

  std::optional<Event> poll_event();
  TimePoint next_timeout() const;
  std::uint16_t outgoing_streams() const { return outgoing_streams_; }

  const Settings settings_;
  State state_ = State::Closed;
  std::size_t peer_max_message_ = 0;
  bool interleaving_ = false;
  SendQueue queue_;
  RoundTrip round_trip_;
  Counters counters_;

 private:
  /// A chunk that goes alone in its packet, with a tag of its own.
  struct LoneChunk {
    std::uint32_t tag = 0;
    Bytes chunk;
  };
  enum class SackNeed : std::uint8_t { None, Delayed, Now };

  // handshake.cpp
  InitChunk our_init() const;
  void send_init(TimePoint now);
  void send_cookie_echo(TimePoint now);
  void on_init(TimePoint now, ByteView value);
  void on_init_ack(TimePoint now, ByteView value);
  void on_cookie_echo(TimePoint now, ByteView value);
  void on_cookie_ack(TimePoint now);
  void adopt_peer(const PeerParameters& peer);
  void establish(TimePoint now);

  // input.cpp
  bool accepts_tag(const PacketHeader& header, const ChunkView& first) const;
  /// False: the rest of the packet is not looked at.
  bool handle_chunk(TimePoint now, const ChunkView& chunk);
  bool handle_unknown(const ChunkView& chunk);
  void on_data(const ChunkView& chunk);
  void on_sack(TimePoint now, ByteView value);
  void on_acknowledgement(TimePoint now, const Acknowledgement& result, std::size_t flight_before);
  void on_forward_tsn(const ChunkView& chunk);
  void on_heartbeat_ack(TimePoint now, ByteView value);
  void on_error(TimePoint now, ByteView value);
  void want_sack(SackNeed need);
  void schedule_sack(TimePoint now);
  std::size_t receive_window() const;
  void announce_window();
  bool has_room_for(Tsn tsn) const;
  void abandon_expired(TimePoint now);

  // closing.cpp
  void advance_shutdown(TimePoint now);
  void on_shutdown(TimePoint now, ByteView value);
  void on_shutdown_ack();
  void on_abort(ByteView value);
  void finish(CloseReason reason, std::string detail);

  // output.cpp
  bool write_lone_chunk(SpanWriter& out);
  void write_control(SpanWriter& out);
  void write_sack(SpanWriter& out);
  void write_lost(TimePoint now, SpanWriter& out);
  void write_new_data(TimePoint now, SpanWriter& out);
  void write_chunk_of(SpanWriter& out, Tsn tsn);
  void control(Bytes chunk);
  void lone(std::uint32_t tag, Bytes chunk);
  bool may_send_data() const;
  /// How much of a new chunk's payload, at most `room`, the peer's window and the network take now.
  std::size_t sendable(std::size_t room) const;
  std::size_t data_header_size() const { return interleaving_ ? kIDataHeaderSize : kDataHeaderSize; }
  ChunkType data_type() const { return interleaving_ ? ChunkType::IData : ChunkType::Data; }

  // stream_reset.cpp
  void on_reconfig(TimePoint now, ByteView value);
  void on_outgoing_reset(const OutgoingResetRequest& request);
  void on_reconfig_response(TimePoint now, const ReconfigResponse& response);
  void on_reconfig_timer(TimePoint now);
  void perform_deferred_reset();
  void send_reset_when_due(TimePoint now);
  bool is_resetting(StreamId stream) const;
  bool is_usable(StreamId stream) const;
  void refuse(std::vector<StreamId> streams);

  // timers.cpp
  void on_timer(TimePoint now, Timer timer);
  void on_retransmission_timeout(TimePoint now);
  void on_heartbeat_timer(TimePoint now);
  /// Counts one more thing that stayed unanswered; true if that was one too many and the association is lost.
  bool give_up_after(int limit);
  TimePoint& at(Timer timer) { return timers_[static_cast<std::size_t>(timer)]; }
  void start(Timer timer, TimePoint when) { at(timer) = when; }
  void stop(Timer timer) { at(timer) = kNever; }
  bool is_running(Timer timer) const { return timers_[static_cast<std::size_t>(timer)] != kNever; }

  Random random_;
  BufferPool& pool_;
  CookieJar cookies_;
  bool finished_ = false;
  ShutdownStep shutdown_ = ShutdownStep::None;

  std::uint32_t our_tag_;
  std::uint32_t our_initial_tsn_;
  std::uint32_t peer_tag_ = 0;
  std::size_t peer_window_ = 0;  ///< the last a_rwnd
  std::uint16_t outgoing_streams_;
  Extensions peer_extensions_;
  Bytes cookie_to_echo_;
  bool cookie_echo_due_ = false;

  std::optional<Outstanding> outstanding_;
  CongestionControl congestion_;
  std::optional<Tsn> recovery_exit_;  ///< set while in fast recovery (RFC 9260 7.2.4)
  bool fast_retransmit_due_ = false;
  bool forward_tsn_due_ = false;
  TimePoint last_data_sent_;
  SackChunk sack_;  ///< reused

  std::optional<ReceivedTsns> received_;
  std::optional<Reassembly> reassembly_;
  SackNeed sack_need_ = SackNeed::None;
  SackNeed packet_wants_sack_ = SackNeed::None;  ///< what the chunks of the packet at hand ask for
  int packets_unacknowledged_ = 0;
  std::size_t undelivered_ = 0;   ///< bytes of messages that wait to be taken
  std::size_t announced_window_;  ///< the last a_rwnd that we sent

  std::vector<StreamId> resets_wanted_;
  std::optional<OutgoingResetRequest> reset_in_progress_;
  int peer_answered_in_progress_ = 0;
  std::set<StreamId> refused_;
  std::uint32_t next_request_;
  std::uint32_t expected_request_ = 0;
  std::uint32_t last_result_ = reconfig_result::kNothingToDo;
  std::optional<OutgoingResetRequest> deferred_reset_;
  std::optional<OutgoingResetRequest> waited_reset_;  ///< the last request, if it could not be performed at once

  std::uint64_t heartbeat_nonce_ = 0;  ///< 0: none is unanswered
  TimePoint heartbeat_sent_;
  int unanswered_ = 0;
  int stale_cookies_ = 0;

  std::deque<LoneChunk> lone_chunks_;
  std::deque<Bytes> control_;
  std::deque<Event> events_;
  std::array<TimePoint, kTimers> timers_;
};

}  // namespace isotube::sctp
