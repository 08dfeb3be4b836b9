// What the association reports: messages, resets, its begin and its end.
#include <utility>

#include "datachannel/ppid.hpp"
#include "datachannel/table.hpp"

namespace isotube::datachannel {
namespace {

ChannelId channel_of(sctp::StreamId stream) { return ChannelId{std::to_underlying(stream)}; }

template <typename... Each>
struct Overloaded : Each... {
  using Each::operator()...;
};

bool is_usable(const Channel& channel) {
  return channel.state == ChannelState::Opening || channel.state == ChannelState::Open;
}

}  // namespace

void Channels::Impl::handle_event(TimePoint now, sctp::Event&& event) {
  if (closed_) return;
  std::visit(Overloaded{
                 [&](const sctp::Connected&) { on_connected(); },
                 [&](sctp::MessageReceived& received) { on_message(now, received); },
                 [&](const sctp::IncomingStreamsReset& reset) { on_incoming_reset(now, reset.streams); },
                 [&](const sctp::OutgoingStreamsReset& reset) { on_outgoing_reset(now, reset.streams); },
                 [&](const sctp::OutgoingResetRefused& refused) { on_reset_refused(refused.streams); },
                 [&](const sctp::BufferedAmountLow& low) { on_buffered_amount_low(low.stream); },
                 [&](const sctp::Closed&) { on_association_closed(); },
             },
             event);
  send_due_acks(now);
}

void Channels::Impl::on_connected() {
  connected_ = true;
  for (auto each = channels_.begin(); each != channels_.end();) {
    auto& [id, channel] = *each;
    if (!is_within_streams(id)) {
      each = forget(each);
      continue;
    }
    if (channel.negotiated && channel.state == ChannelState::Opening) confirm(id, channel);
    ++each;
  }
}

void Channels::Impl::on_message(TimePoint now, sctp::MessageReceived& received) {
  const ChannelId id = channel_of(received.stream);
  if (received.ppid == kControl) return on_control(now, id, received.message.view());
  const auto found = channels_.find(id);
  // RFC 8832 6 has the opener send in order until it is acknowledged, so nothing of a channel can come before its open:
  // what does is of a channel that is closed, or of none.
  if (found == channels_.end() || !found->second.known_to_user || found->second.incoming_reset) {
    ++counters_.unknown_messages;
    return;
  }
  const auto payload = payload_of(received.ppid);
  if (!payload) {
    ++counters_.unknown_messages;
    // RFC 8831 6.6: a message that can't be understood closes the channel; going on would lose it in silence.
    if (is_usable(found->second)) begin_close(now, id, found->second);
    return;
  }
  if (!is_usable(found->second)) return;
  confirm(id, found->second);
  if (payload->content == Content::None) received.message.remove_suffix(received.message.size());
  events_.emplace_back(Message{id, payload->kind, std::move(received.message)});
}

void Channels::Impl::on_control(TimePoint now, ChannelId id, ByteView message) {
  auto control = parse_control(message);
  if (!control) {
    ++counters_.bad_dcep;
    const auto found = channels_.find(id);
    if (found == channels_.end()) return refuse(now, id, LastUse::Over);
    if (is_usable(found->second)) begin_close(now, id, found->second);
    return;
  }
  if (auto* open = std::get_if<Open>(&*control)) return on_open(now, id, std::move(open->config));
  on_ack(id);
}

void Channels::Impl::on_ack(ChannelId id) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) {
    ++counters_.unknown_messages;
    return;
  }
  confirm(id, found->second);
}

/// RFC 8832 6: an open on a stream in use, or of the side that must not use it, closes that stream; it gets no ACK.
void Channels::Impl::on_open(TimePoint now, ChannelId id, ChannelConfig&& config) {
  const auto found = channels_.find(id);
  LastUse last_use = LastUse::Over;
  if (found != channels_.end()) {
    Channel& channel = found->second;
    // The peer has seen the reset of both directions, or it breaks the protocol; its answer to our reset is no DATA,
    // so the open may come first (the id is free for the peer: RFC 8831 6.7).
    const bool is_reuse = channel.state == ChannelState::Closing && channel.incoming_reset && !is_ours(id);
    if (!is_reuse) {
      ++counters_.refused_opens;
      if (is_usable(channel)) begin_close(now, id, channel);
      return;
    }
    last_use = LastUse::ResetUnconfirmed;
    forget(found);
  }
  if (is_acceptable(id, config)) return accept(now, id, std::move(config), last_use);
  ++counters_.refused_opens;
  refuse(now, id, last_use);
}

bool Channels::Impl::is_acceptable(ChannelId id, const ChannelConfig& config) const {
  return !is_ours(id) && is_within_streams(id) && has_room() && config.label.size() <= settings_.max_label &&
         config.protocol.size() <= settings_.max_label;
}

void Channels::Impl::accept(TimePoint now, ChannelId id, ChannelConfig&& config, LastUse last_use) {
  association_.set_buffered_amount_low_threshold(sctp::StreamId{std::to_underlying(id)}, 0);
  Channel& channel = channels_[id];
  channel.state = ChannelState::Open;
  channel.ordered = config.ordered;
  channel.max_retransmissions = config.max_retransmissions;
  channel.max_lifetime = config.max_lifetime;
  channel.stream_busy = last_use == LastUse::ResetUnconfirmed;
  channel.ack_due = true;
  if (!channel.stream_busy) (void)send_ack(now, id, channel);
  events_.emplace_back(OpenedByPeer{id, std::move(config)});
}

/// The stream is reset, and remembered until the peer has reset its side: nobody may use it before.
void Channels::Impl::refuse(TimePoint now, ChannelId id, LastUse last_use) {
  if (!is_within_streams(id) || channels_.size() >= 2 * settings_.max_channels) return;
  Channel& channel = channels_[id];
  channel.known_to_user = false;
  channel.stream_busy = last_use == LastUse::ResetUnconfirmed;
  begin_close(now, id, channel);
}

void Channels::Impl::confirm(ChannelId id, Channel& channel) {
  if (channel.state != ChannelState::Opening) return;
  channel.state = ChannelState::Open;
  events_.emplace_back(Opened{id});
}

void Channels::Impl::on_incoming_reset(TimePoint now, std::span<const sctp::StreamId> streams) {
  for (const sctp::StreamId stream : streams) {
    const auto found = channels_.find(channel_of(stream));
    if (found == channels_.end()) continue;
    Channel& channel = found->second;
    channel.incoming_reset = true;
    // RFC 8831 6.7: the reset of one direction is answered with that of the other.
    if (is_usable(channel)) begin_close(now, found->first, channel);
    forget_if_reset(found);
  }
}

void Channels::Impl::on_outgoing_reset(TimePoint now, std::span<const sctp::StreamId> streams) {
  for (const sctp::StreamId stream : streams) {
    const auto found = channels_.find(channel_of(stream));
    if (found == channels_.end()) continue;
    Channel& channel = found->second;
    if (channel.stream_busy) {
      channel.stream_busy = false;
      if (channel.state == ChannelState::Closing) request_reset(now, found->first);
      continue;
    }
    channel.outgoing_reset = channel.state == ChannelState::Closing;
    forget_if_reset(found);
  }
  wake_blocked();
}

void Channels::Impl::on_reset_refused(std::span<const sctp::StreamId> streams) {
  for (const sctp::StreamId stream : streams) {
    const auto found = channels_.find(channel_of(stream));
    if (found == channels_.end()) continue;
    Channel& channel = found->second;
    if (channel.state != ChannelState::Closing && !channel.stream_busy) continue;
    if (channel.known_to_user) events_.emplace_back(Closed{found->first});
    channel.state = ChannelState::Stuck;
    channel.known_to_user = false;
    channel.stream_busy = channel.ack_due = channel.blocked = false;
  }
}

Channels::Impl::Table::iterator Channels::Impl::forget(Table::iterator channel) {
  if (channel->second.known_to_user) events_.emplace_back(Closed{channel->first});
  return channels_.erase(channel);
}

void Channels::Impl::forget_if_reset(Table::iterator channel) {
  if (channel->second.incoming_reset && channel->second.outgoing_reset) forget(channel);
}

void Channels::Impl::on_buffered_amount_low(sctp::StreamId stream) {
  const auto found = channels_.find(channel_of(stream));
  if (found != channels_.end() && is_usable(found->second) && std::exchange(found->second.low_wanted, false)) {
    found->second.blocked = false;
    events_.emplace_back(BufferedAmountLow{found->first});
  }
  wake_blocked();
}

/// The association has one limit for all streams: room that one stream freed may be what another waits for, and that
/// one, with nothing queued itself, would never hear of it.
void Channels::Impl::wake_blocked() {
  for (auto& [id, channel] : channels_) {
    if (std::exchange(channel.blocked, false)) events_.emplace_back(BufferedAmountLow{id});
  }
}

void Channels::Impl::send_due_acks(TimePoint now) {
  for (auto& [id, channel] : channels_) {
    if (channel.ack_due && !channel.stream_busy) (void)send_ack(now, id, channel);
  }
}

void Channels::Impl::on_association_closed() {
  closed_ = true;
  for (auto each = channels_.begin(); each != channels_.end();) each = forget(each);
}

}  // namespace isotube::datachannel
