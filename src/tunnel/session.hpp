// The tube protocol of one tube (docs/protocol.md) as a machine: Hello, connections, credit, half close, closing.
//
// It sits on data channels and under TCP streams, and knows neither: messages and payloads go in and come out as
// Buffers. It uses frame/ and base/.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/buffer.hpp"
#include "base/time.hpp"
#include "frame/frame.hpp"

namespace isotube::tunnel {

using frame::CloseReason;
using frame::ConnNo;
using frame::Target;

/// A data channel of this tube, as the driver numbers it.
enum class ChannelId : std::uint16_t {};

/// The side that offered uses odd connection numbers, the other even ones.
enum class Side : std::uint8_t { Offerer, Answerer };

struct Settings {
  std::size_t max_message = frame::kMaxFrame;                ///< what we announced
  std::size_t peer_max_message = frame::kDefaultMaxMessage;  ///< what the peer announced; 0 means no limit
  std::uint32_t initial_credit = 262'144;                    ///< the protocol's; a setting for tests only
  std::uint32_t credit_grant = 131'072;                      ///< consumed and ungranted bytes that make a grant due
  std::size_t max_connections = 256;                         ///< the tube's budget
  std::size_t credit_budget = std::size_t{64} << 20;         ///< credit granted and bytes unconsumed in the whole tube
  std::size_t uncredited_limit = std::size_t{1} << 20;       ///< queued bytes a connection without credit may have
  std::size_t max_queued_control = std::size_t{1} << 20;     ///< control bytes that wait for poll_transmit()
  std::uint32_t highest_number = 0xFFFF'FFFF;                ///< then from the start again; a setting for tests only
  Duration drain = std::chrono::seconds(1);                  ///< of a closing tube
  bool peer_may_open = true;                                 ///< in `tunnel` only the client opens
  std::optional<Target> fixed_target = std::nullopt;         ///< the tube was made for this target
};

/// The peer asks for a connection: answer with accept() or close(). `target` is the tube's fixed one if it has one.
/// Data and Eof may come before the answer: keep them for the target, or drop them with the connection.
struct OpenRequested {
  ConnNo conn_no;
  Target target;
};
/// Our open() was accepted.
struct ConnectionOpened {
  ConnNo conn_no;
};
/// Payload to deliver in order, never empty. Report what was delivered with consumed(). A peer may send single bytes,
/// each in a buffer of its own: a queue of these should join small ones.
struct Data {
  ConnNo conn_no;
  Buffer payload;
};
/// The peer will write no more on this connection. Answer with delivered_eof() once all that came is delivered.
struct Eof {
  ConnNo conn_no;
};
/// writable() was 0 for want of credit and is no longer.
struct Writable {
  ConnNo conn_no;
};
/// The connection ended; no event about it follows, and calls about it do nothing. Sent once for each connection,
/// however it ended (by our own close() and with the tube too). Unless the reason is Normal, what was not delivered is
/// dropped.
struct ConnectionClosed {
  ConnNo conn_no;
  CloseReason reason;
  std::string message;
};
/// A Pong for our ping().
struct PongReceived {
  ConnNo conn_no;
  Bytes echo;
};
/// The gateway asks for an ICE restart.
struct RestartNeeded {};
/// The peer closed the tube, or its last data channel, or broke the protocol (reason 19), or our close_tube() has
/// drained. Close the peer connection. Sent once; nothing follows it.
struct TubeClosed {
  CloseReason reason;
  std::string message;
};
using Event = std::variant<OpenRequested, ConnectionOpened, Data, Eof, Writable, ConnectionClosed, PongReceived,
                           RestartNeeded, TubeClosed>;

/// One data channel message, made of whole frames.
struct Transmit {
  ChannelId channel;
  Buffer message;
};

enum class OpenError : std::uint8_t { NoChannel, TooManyConnections, BadTarget, Closing };

/// What the peer's first frame on a data channel was. Awaited → Spoken or Absent.
enum class PeerHello : std::uint8_t { Awaited, Spoken, Absent };

struct Counters {
  std::uint64_t unknown_connections = 0;  ///< frames for an unknown or closed number
  std::uint64_t unknown_codes = 0;
  std::uint64_t unexpected_frames = 0;  ///< a ConnectionOpened out of turn, a Pong that nobody asked for
  std::uint64_t pongs_dropped = 0;      ///< over the peer's message limit, or too many that wait
  std::uint64_t bytes_discarded = 0;    ///< data for a connection that was already closed by us
};

/// Headroom that payload Buffers for write() need, so that the header is written in place; tailroom: kTrailerSize.
inline constexpr std::size_t kHeadroom = frame::kHeaderSize;

/// Longest echo of a ping(): any peer's message limit that we work with has room for it.
inline constexpr std::size_t kMaxEcho = 255;

/// Call order: mutate, then drain poll_transmit() and poll_event() until both are empty, then sleep until
/// next_timeout(). `unix_ms` dates frames and is not interpreted. A call for a connection that ended does nothing.
/// Ownership: belongs to one tube; `pool` must outlive it. Not thread-safe; may move between threads between calls.
class Session {
 public:
  Session(Settings settings, Side side, BufferPool& pool);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The channel opened (either side's): our Hello goes out on the first one that is not `control`.
  void handle_channel_open(TimePoint now, ChannelId channel, std::string_view label);
  /// Its connections end with ConnectionLost; with the last data channel the tube ends too.
  void handle_channel_closed(TimePoint now, ChannelId channel);
  /// One whole binary message. Text messages are a protocol error: handle_text_message().
  void handle_message(TimePoint now, ChannelId channel, Buffer message);
  void handle_text_message(TimePoint now, ChannelId channel);
  void handle_timeout(TimePoint now);
  /// Unix time for the frames that follow.
  void set_unix_ms(std::uint64_t unix_ms);

  /// Opens a connection to `target` (nothing on a tube with a fixed one), on the data channel that opened first. Data
  /// may be written at once.
  [[nodiscard]] std::expected<ConnNo, OpenError> open(TimePoint now, const std::optional<Target>& target);
  /// The target accepted: answers an OpenRequested.
  void accept(TimePoint now, ConnNo conn_no);
  /// How many payload bytes write() would take now: credit, and the peer's largest message. 0 for a connection that may
  /// not be written to. It shrinks by write() alone, or to 0 when the connection ends.
  [[nodiscard]] std::size_t writable(ConnNo conn_no) const;
  /// Sends `payload` as one message, at most writable() bytes, made with kHeadroom in front and frame::kTrailerSize
  /// behind.
  void write(TimePoint now, ConnNo conn_no, Buffer payload);
  /// No more will be written (half close). Not before accept().
  void write_eof(TimePoint now, ConnNo conn_no);
  /// So many bytes of Data were accepted by the TCP socket or the application.
  void consumed(TimePoint now, ConnNo conn_no, std::size_t bytes);
  /// Everything that came was delivered, Eof included: with both Eofs passed, the connection ends in good order.
  void delivered_eof(TimePoint now, ConnNo conn_no);
  void close(TimePoint now, ConnNo conn_no, CloseReason reason, std::string_view message = {});
  /// Ends in PongReceived. kControl asks after the tube itself. `echo` is at most kMaxEcho bytes.
  void ping(TimePoint now, ConnNo conn_no, ByteView echo);
  /// Asks the peer for an ICE restart (gateway to client).
  void request_restart(TimePoint now);
  /// Ends the tube: CloseConnection(0, reason), then at most Settings::drain until TubeClosed.
  void close_tube(TimePoint now, CloseReason reason, std::string_view message = {});

  [[nodiscard]] std::optional<Transmit> poll_transmit();
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;
  /// Connections that have not ended.
  [[nodiscard]] std::size_t connections() const;
  /// Those, and numbers that wait for the peer's CloseConnection before they may be used again.
  [[nodiscard]] std::size_t numbers_in_use() const;
  [[nodiscard]] PeerHello peer_hello() const;
  /// Where `conn_no` sends its data: the driver watches that channel's buffered amount. Nothing for one that ended.
  [[nodiscard]] std::optional<ChannelId> channel_of(ConnNo conn_no) const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::tunnel
