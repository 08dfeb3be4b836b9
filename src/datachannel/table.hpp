// The channels of an association and the streams that they hold, with what each is waiting for.
#pragma once

#include <deque>
#include <map>
#include <span>
#include <utility>

#include "datachannel/channels.hpp"
#include "datachannel/dcep.hpp"

namespace isotube::datachannel {

/// Legal steps: Opening → Open → Closing → gone; Opening → Closing; Closing → Stuck.
enum class ChannelState : std::uint8_t {
  Opening,  ///< ours, not yet acknowledged; or negotiated, before the association is up
  Open,
  Closing,  ///< until both directions are reset
  Stuck     ///< the peer refused our reset: closed for the user, the id is lost
};

struct Channel {
  ChannelState state = ChannelState::Opening;
  bool ordered = true;
  std::optional<std::uint32_t> max_retransmissions;
  std::optional<Duration> max_lifetime;
  bool negotiated = false;
  /// False for a stream that only waits for its reset after an open that we refused.
  bool known_to_user = true;
  /// The peer's open is not yet acknowledged, because the association would not take the message.
  bool ack_due = false;
  /// The reset of this stream's last use is not yet confirmed, though the peer uses it again.
  bool stream_busy = false;
  bool incoming_reset = false;
  bool outgoing_reset = false;
  /// Something was sent since the last BufferedAmountLow, so that the next one means something.
  bool low_wanted = false;
  /// A send was answered WouldBlock.
  bool blocked = false;
};

class Channels::Impl {
 public:
  Impl(Settings settings, sctp::Association& association, BufferPool& pool);

  void set_parity(Parity parity) { parity_ = parity; }
  std::expected<ChannelId, OpenError> open(TimePoint now, const ChannelConfig& config);
  std::expected<void, SendError> send(TimePoint now, ChannelId id, MessageKind kind, Buffer&& payload);
  void close(TimePoint now, ChannelId id);
  void handle_event(TimePoint now, sctp::Event&& event);
  std::optional<Event> poll_event();
  std::size_t buffered_amount(ChannelId id) const;
  void set_buffered_amount_low_threshold(ChannelId id, std::size_t bytes);
  std::size_t count() const;
  const Counters& counters() const { return counters_; }

 private:
  // Ordered by id: what happens to several at once happens in that order.
  using Table = std::map<ChannelId, Channel>;

  std::expected<ChannelId, OpenError> choose_id(const ChannelConfig& config) const;
  bool has_room() const;
  bool is_within_streams(ChannelId id) const;
  bool is_ours(ChannelId id) const;

  void on_connected();
  void on_message(TimePoint now, sctp::MessageReceived& received);
  void on_control(TimePoint now, ChannelId id, ByteView message);
  void on_open(TimePoint now, ChannelId id, ChannelConfig&& config);
  void on_ack(ChannelId id);
  void on_payload(TimePoint now, ChannelId id, MessageKind kind, Buffer&& payload);
  void on_incoming_reset(TimePoint now, std::span<const sctp::StreamId> streams);
  void on_outgoing_reset(TimePoint now, std::span<const sctp::StreamId> streams);
  void on_reset_refused(std::span<const sctp::StreamId> streams);
  void on_buffered_amount_low(sctp::StreamId stream);
  void on_association_closed();

  /// Whether the stream's last use is over, or known to be over by the peer while its answer to our reset is on the
  /// way.
  enum class LastUse : std::uint8_t { Over, ResetUnconfirmed };

  bool is_acceptable(ChannelId id, const ChannelConfig& config) const;
  void accept(TimePoint now, ChannelId id, ChannelConfig&& config, LastUse last_use);
  void refuse(TimePoint now, ChannelId id, LastUse last_use);
  void confirm(ChannelId id, Channel& channel);
  void begin_close(TimePoint now, ChannelId id, Channel& channel);
  void request_reset(TimePoint now, ChannelId id);
  Table::iterator forget(Table::iterator channel);
  void forget_if_reset(Table::iterator channel);
  void wake_blocked();
  void send_due_acks(TimePoint now);
  bool send_ack(TimePoint now, ChannelId id, Channel& channel);

  Settings settings_;
  sctp::Association& association_;
  BufferPool& pool_;
  std::optional<Parity> parity_;
  Table channels_;
  std::deque<Event> events_;
  Counters counters_;
  bool connected_ = false;
  bool closed_ = false;
};

}  // namespace isotube::datachannel
