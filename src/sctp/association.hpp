// The SCTP association of one tube (RFC 9260 over DTLS: RFC 8261), with what data channels need (RFC 8831), as a
// machine. Per association; this folder has no statics and uses base/ only.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/time.hpp"

namespace isotube::sctp {

enum class StreamId : std::uint16_t {};
/// Payload protocol identifier; SCTP carries it and does not look at it.
enum class Ppid : std::uint32_t {};

struct Settings {
  std::uint16_t local_port = 5000;
  std::uint16_t remote_port = 5000;
  /// Largest SCTP packet: 1,200 byte datagrams less the DTLS record's 37, whole words (RFC 8831 5: 1,200 fits every
  /// path that matters until path MTU discovery says more).
  std::size_t max_packet = 1160;
  /// Bytes of payload that the peer may have in flight to us (a_rwnd), and that we hold at most.
  std::size_t receive_window = std::size_t{4} << 20;
  /// Bytes of payload queued for sending at most; over it send() answers WouldBlock.
  std::size_t send_limit = std::size_t{4} << 20;
  /// Largest message that we accept; a larger one ends the association (we announced it).
  std::size_t max_message = 262'144;
  std::uint16_t streams = 1024;                            ///< in each direction, as offered in INIT
  Duration rto_initial = std::chrono::milliseconds(1000);  ///< RFC 9260 16
  Duration rto_min = std::chrono::milliseconds(200);       ///< below RFC 9260's 1 s: it is a value for 1990's timers
  Duration rto_max = std::chrono::seconds(10);
  Duration delayed_sack = std::chrono::milliseconds(20);  ///< RFC 9260 6.2 allows up to 500 ms
  Duration heartbeat_interval = std::chrono::seconds(30);
  Duration cookie_life = std::chrono::seconds(60);
  int max_init_retransmissions = 8;
  /// Unanswered retransmissions of data in a row before the association is lost.
  int max_retransmissions = 10;
  bool offer_interleaving = true;  ///< RFC 8260
};

struct SendOptions {
  Ppid ppid{};
  bool ordered = true;
  /// RFC 3758 and RFC 7496: given up after so many retransmissions, or when its time is over. At most one of both.
  std::optional<std::uint32_t> max_retransmissions;
  std::optional<Duration> lifetime;
};

enum class SendError : std::uint8_t {
  NotConnected,  ///< closing or closed; while connecting, messages are queued
  WouldBlock,    ///< send_limit is reached: wait for BufferedAmountLow
  TooLarge,      ///< over the peer's limit (set_peer_max_message) or ours
  Empty,         ///< SCTP has no empty messages (data channels send one byte instead)
  NoSuchStream,  ///< above what the peer accepts, or its reset is under way
};

/// Legal steps: Closed → CookieWait → CookieEchoed → Established → ShuttingDown → Closed; any → Closed by abort or
/// loss.
enum class State : std::uint8_t { Closed, CookieWait, CookieEchoed, Established, ShuttingDown };

struct Connected {};
struct MessageReceived {
  StreamId stream;
  Ppid ppid;
  bool ordered;
  Buffer message;
};
/// The peer reset these streams of its own (our incoming ones), RFC 6525 4.1: their next message starts at 0.
struct IncomingStreamsReset {
  std::vector<StreamId> streams;
};
/// Our outgoing streams are reset and can be used again.
struct OutgoingStreamsReset {
  std::vector<StreamId> streams;
};
/// The peer refused to reset these; they stay unusable.
struct OutgoingResetRefused {
  std::vector<StreamId> streams;
};
/// The stream's queued bytes fell to its threshold or below (set_buffered_amount_low_threshold).
struct BufferedAmountLow {
  StreamId stream;
};
enum class CloseReason : std::uint8_t {
  Shutdown,       ///< in good order, by either side
  Aborted,        ///< by us
  PeerAborted,    ///< ABORT came
  PeerRestarted,  ///< a new INIT on an open association: DTLS has not restarted, so this can't be (RFC 8831 6.2)
  Lost,           ///< max_retransmissions or max_init_retransmissions unanswered
  ProtocolViolation
};
/// Sent once; nothing follows it.
struct Closed {
  CloseReason reason;
  std::string detail;
};
using Event = std::variant<Connected, MessageReceived, IncomingStreamsReset, OutgoingStreamsReset, OutgoingResetRefused,
                           BufferedAmountLow, Closed>;

struct Counters {
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t packets_dropped = 0;  ///< bad checksum, tag, ports or length: RFC 9260 8
  std::uint64_t chunks_retransmitted = 0;
  std::uint64_t fast_retransmits = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t duplicates_received = 0;
  std::uint64_t messages_abandoned = 0;
  std::uint64_t payload_bytes_sent = 0;      ///< first transmissions only
  std::uint64_t payload_bytes_received = 0;  ///< delivered
};

/// Call order: mutate, then drain poll_transmit() and poll_event() until both are empty, then sleep until
/// next_timeout(). `now` never goes back. Either side may connect(), or both at once (RFC 9260 5.2.1).
/// Ownership: belongs to one tube; `pool` must outlive it and every Buffer it gave. Not thread-safe; may move between
/// threads between calls.
///
///   sctp::Association association(sctp::Settings{}, random.fork("sctp"), pool);
///   association.connect(now);
///   while (std::size_t length = association.poll_transmit(now, packet)) send(packet.first(length));
class Association {
 public:
  Association(const Settings& settings, Random random, BufferPool& pool);
  ~Association();
  Association(Association&&) noexcept;
  Association& operator=(Association&&) noexcept;

  void connect(TimePoint now);
  /// One SCTP packet, as DTLS opened it.
  void handle_packet(TimePoint now, ByteView packet);
  void handle_timeout(TimePoint now);

  /// Takes the message; on an error it is left as it was.
  [[nodiscard]] std::expected<void, SendError> send(TimePoint now, StreamId stream, const SendOptions& options,
                                                    Buffer&& message);
  /// What the peer announced (`a=max-message-size`; 0 means no limit).
  void set_peer_max_message(std::size_t bytes);
  /// Resets our outgoing streams once all that is queued on them was delivered (RFC 6525, RFC 8831 6.7).
  void reset_streams(TimePoint now, std::span<const StreamId> streams);
  /// Ends in good order, once everything queued is acknowledged.
  void shutdown(TimePoint now);
  /// Ends now: ABORT is sent, queued data is dropped.
  void abort(TimePoint now, std::string_view reason);

  /// Writes the next packet to send into `out` (at least Settings::max_packet long) and gives its length, 0 for none.
  [[nodiscard]] std::size_t poll_transmit(TimePoint now, MutableByteView out);
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;

  [[nodiscard]] State state() const;
  /// Payload bytes of a stream, or of all, that are not yet acknowledged.
  [[nodiscard]] std::size_t buffered_amount(StreamId stream) const;
  [[nodiscard]] std::size_t buffered_amount() const;
  void set_buffered_amount_low_threshold(StreamId stream, std::size_t bytes);
  /// Streams that may be used in each direction, known once Connected.
  [[nodiscard]] std::uint16_t outgoing_streams() const;
  [[nodiscard]] bool interleaving() const;
  [[nodiscard]] std::optional<Duration> round_trip() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::sctp
