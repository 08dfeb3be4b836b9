// The data channels of one tube (RFC 8831, DCEP: RFC 8832) over its SCTP association, as a machine.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/buffer.hpp"
#include "base/time.hpp"
#include "sctp/association.hpp"

namespace isotube::datachannel {

/// Names one data channel: its SCTP stream id, in both directions. Free again once the channel's Closed came.
enum class ChannelId : std::uint16_t {};

/// The DTLS client opens even ids, the server odd ones (RFC 8832 6).
enum class Parity : std::uint8_t { Even, Odd };

enum class MessageKind : std::uint8_t { Text, Binary };

struct ChannelConfig {
  std::string label;
  std::string protocol;
  bool ordered = true;
  /// At most one of both; neither means reliable.
  std::optional<std::uint32_t> max_retransmissions;
  std::optional<Duration> max_lifetime;
  std::uint16_t priority = 256;  ///< RFC 8831 6.4: "normal"
  /// Set for a negotiated channel: both sides open the same id and no DCEP is spoken.
  std::optional<ChannelId> negotiated;
};

enum class OpenError : std::uint8_t {
  RoleUnknown,
  NoFreeId,
  IdInUse,
  LabelTooLong,
  BothReliabilityLimits,
  Closed,
  WouldBlock
};
enum class SendError : std::uint8_t { NoSuchChannel, NotOpen, WouldBlock, TooLarge };

struct Settings {
  std::size_t max_channels = 64;  ///< over it the peer's open is answered with a reset
  /// Bytes of a label, and of a protocol, at most: the wire has room for 65,535, but every event and log line would
  /// carry them. A peer's open with longer ones is answered with a reset.
  std::size_t max_label = 1024;
};

/// One of our channels was acknowledged (or a message came on it, which says as much: RFC 8832 6), or a negotiated one
/// can be used.
struct Opened {
  ChannelId channel;
};
/// The peer opened a channel; it can be used at once. Label and protocol are as the peer sent them: any bytes.
struct OpenedByPeer {
  ChannelId channel;
  ChannelConfig config;
};
struct Message {
  ChannelId channel;
  MessageKind kind;
  Buffer payload;  ///< may be empty
};
/// What waits to be sent fell to the channel's threshold, or a send that would have blocked may be tried again.
struct BufferedAmountLow {
  ChannelId channel;
};
/// Both directions are reset (or the association ended): the id may be used again. A peer that refuses the reset gets
/// the channel closed all the same, but its id is given up.
struct Closed {
  ChannelId channel;
};
using Event = std::variant<Opened, OpenedByPeer, Message, BufferedAmountLow, Closed>;

struct Counters {
  std::uint64_t bad_dcep = 0;  ///< DCEP messages that could not be read: that channel was reset
  /// Peer's opens of the wrong parity, on an id in use, over max_channels or max_label: that stream was reset
  std::uint64_t refused_opens = 0;
  /// Payload for no channel (dropped), or of an unknown payload protocol (that channel was reset: RFC 8831 6.6)
  std::uint64_t unknown_messages = 0;
};

/// Feed it every event of the association with handle_event(); it answers what concerns channels. Messages may be sent
/// on a channel that we opened before its acknowledgement (RFC 8832 6: they go ordered until then).
/// Ownership: belongs to one tube; `association` and `pool` must outlive it. Not thread-safe.
class Channels {
 public:
  Channels(Settings settings, sctp::Association& association, BufferPool& pool);
  ~Channels();

  /// Ids follow the DTLS role (RFC 8832 6): until this was called open() answers RoleUnknown, but for negotiated
  /// channels.
  void set_parity(Parity parity);

  [[nodiscard]] std::expected<ChannelId, OpenError> open(TimePoint now, const ChannelConfig& config);
  /// Takes the message; on an error it is left as it was. Empty messages are allowed (RFC 8831 6.6).
  [[nodiscard]] std::expected<void, SendError> send(TimePoint now, ChannelId channel, MessageKind kind,
                                                    Buffer&& payload);
  /// Closes in both directions once what is queued was delivered; ends in Closed. Without effect on a channel that is
  /// closing or unknown.
  void close(TimePoint now, ChannelId channel);

  /// `event` is consumed.
  void handle_event(TimePoint now, sctp::Event&& event);
  [[nodiscard]] std::optional<Event> poll_event();

  [[nodiscard]] std::size_t buffered_amount(ChannelId channel) const;
  void set_buffered_amount_low_threshold(ChannelId channel, std::size_t bytes);
  /// Channels between their open and their Closed.
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::datachannel
