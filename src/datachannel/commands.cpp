// What the user asks of channels: to open, send and close.
#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "datachannel/ppid.hpp"
#include "datachannel/table.hpp"

namespace isotube::datachannel {
namespace {

constexpr std::size_t kMaxWireLabel = std::numeric_limits<std::uint16_t>::max();

sctp::StreamId stream_of(ChannelId id) { return sctp::StreamId{std::to_underlying(id)}; }

/// RFC 8832 6: DCEP goes ordered and reliably, whatever the channel is.
sctp::SendOptions control_options() {
  sctp::SendOptions options;
  options.ppid = kControl;
  return options;
}

OpenError open_error_of(sctp::SendError error) {
  switch (error) {
    case sctp::SendError::NotConnected:
      return OpenError::Closed;
    case sctp::SendError::WouldBlock:
      return OpenError::WouldBlock;
    case sctp::SendError::TooLarge:
    case sctp::SendError::Empty:
      return OpenError::LabelTooLong;
    case sctp::SendError::NoSuchStream:
      return OpenError::NoFreeId;
  }
  return OpenError::Closed;
}

SendError send_error_of(sctp::SendError error) {
  switch (error) {
    case sctp::SendError::WouldBlock:
      return SendError::WouldBlock;
    case sctp::SendError::TooLarge:
      return SendError::TooLarge;
    case sctp::SendError::NotConnected:
    case sctp::SendError::Empty:
    case sctp::SendError::NoSuchStream:
      return SendError::NotOpen;
  }
  return SendError::NotOpen;
}

}  // namespace

Channels::Impl::Impl(Settings settings, sctp::Association& association, BufferPool& pool)
    : settings_(settings),
      association_(association),
      pool_(pool),
      connected_(association.state() == sctp::State::Established) {}

bool Channels::Impl::is_ours(ChannelId id) const {
  const Parity parity = std::to_underlying(id) % 2 == 0 ? Parity::Even : Parity::Odd;
  return parity_ == parity;
}

bool Channels::Impl::is_within_streams(ChannelId id) const {
  // RFC 8831 6.2: 65,535 is no stream id, because INIT counts streams in 16 bits.
  const std::uint16_t streams = connected_ ? association_.outgoing_streams() : kMaxWireLabel;
  return std::to_underlying(id) < streams;
}

/// Streams that wait for a reset without being a channel of the user's are bounded by the same number again.
bool Channels::Impl::has_room() const {
  return count() < settings_.max_channels && channels_.size() < 2 * settings_.max_channels;
}

std::expected<ChannelId, OpenError> Channels::Impl::choose_id(const ChannelConfig& config) const {
  if (config.negotiated) {
    if (channels_.contains(*config.negotiated)) return std::unexpected(OpenError::IdInUse);
    if (!is_within_streams(*config.negotiated)) return std::unexpected(OpenError::NoFreeId);
    return *config.negotiated;
  }
  if (!parity_) return std::unexpected(OpenError::RoleUnknown);
  const std::uint16_t first = *parity_ == Parity::Even ? 0 : 1;
  for (std::uint32_t number = first; number < kMaxWireLabel; number += 2) {
    const ChannelId id{static_cast<std::uint16_t>(number)};
    if (!is_within_streams(id)) break;
    if (!channels_.contains(id)) return id;
  }
  return std::unexpected(OpenError::NoFreeId);
}

std::expected<ChannelId, OpenError> Channels::Impl::open(TimePoint now, const ChannelConfig& config) {
  if (closed_) return std::unexpected(OpenError::Closed);
  if (config.max_retransmissions && config.max_lifetime) return std::unexpected(OpenError::BothReliabilityLimits);
  const std::size_t longest = std::min(settings_.max_label, kMaxWireLabel);
  if (config.label.size() > longest || config.protocol.size() > longest) {
    return std::unexpected(OpenError::LabelTooLong);
  }
  const auto id = choose_id(config);
  if (!id) return id;
  if (!has_room()) return std::unexpected(OpenError::NoFreeId);
  if (!config.negotiated) {
    const auto sent = association_.send(now, stream_of(*id), control_options(), open_message(pool_, config));
    if (!sent) return std::unexpected(open_error_of(sent.error()));
  }
  association_.set_buffered_amount_low_threshold(stream_of(*id), 0);
  Channel& channel = channels_[*id];
  channel.ordered = config.ordered;
  channel.max_retransmissions = config.max_retransmissions;
  channel.max_lifetime = config.max_lifetime;
  channel.negotiated = config.negotiated.has_value();
  if (channel.negotiated && connected_) confirm(*id, channel);
  return id;
}

std::expected<void, SendError> Channels::Impl::send(TimePoint now, ChannelId id, MessageKind kind, Buffer&& payload) {
  const auto found = channels_.find(id);
  if (found == channels_.end() || !found->second.known_to_user) return std::unexpected(SendError::NoSuchChannel);
  Channel& channel = found->second;
  if (channel.state == ChannelState::Closing) return std::unexpected(SendError::NotOpen);
  if (channel.stream_busy || (channel.ack_due && !send_ack(now, id, channel))) {
    channel.blocked = true;
    return std::unexpected(SendError::WouldBlock);
  }
  sctp::SendOptions options;
  options.ppid = ppid_of(kind, payload.empty() ? Content::None : Content::Some);
  // RFC 8832 6: until the peer has acknowledged, an unordered message could overtake the open.
  const bool unconfirmed = channel.state == ChannelState::Opening && !channel.negotiated;
  options.ordered = channel.ordered || unconfirmed;
  options.max_retransmissions = channel.max_retransmissions;
  options.lifetime = channel.max_lifetime;
  // RFC 8831 6.6: SCTP has no empty messages, so a zero byte stands for one.
  std::optional<Buffer> nothing;
  if (payload.empty()) nothing = pool_.copy_of(ByteView(kNothing));
  const auto sent = association_.send(now, stream_of(id), options, std::move(nothing ? *nothing : payload));
  if (!sent) {
    channel.blocked = sent.error() == sctp::SendError::WouldBlock;
    return std::unexpected(send_error_of(sent.error()));
  }
  payload = Buffer();
  channel.low_wanted = true;
  return {};
}

void Channels::Impl::close(TimePoint now, ChannelId id) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  const ChannelState state = found->second.state;
  if (state == ChannelState::Opening || state == ChannelState::Open) begin_close(now, id, found->second);
}

void Channels::Impl::begin_close(TimePoint now, ChannelId id, Channel& channel) {
  channel.state = ChannelState::Closing;
  channel.ack_due = false;
  channel.blocked = false;
  if (!channel.stream_busy) request_reset(now, id);
}

void Channels::Impl::request_reset(TimePoint now, ChannelId id) {
  const std::array<sctp::StreamId, 1> streams = {stream_of(id)};
  association_.reset_streams(now, streams);
}

bool Channels::Impl::send_ack(TimePoint now, ChannelId id, Channel& channel) {
  const auto sent = association_.send(now, stream_of(id), control_options(), ack_message(pool_));
  // Any other error means that the association is ending, and the channel with it.
  channel.ack_due = !sent && sent.error() == sctp::SendError::WouldBlock;
  return !channel.ack_due;
}

std::size_t Channels::Impl::buffered_amount(ChannelId id) const {
  const auto found = channels_.find(id);
  if (found == channels_.end() || !found->second.known_to_user) return 0;
  return association_.buffered_amount(stream_of(id));
}

void Channels::Impl::set_buffered_amount_low_threshold(ChannelId id, std::size_t bytes) {
  const auto found = channels_.find(id);
  if (found == channels_.end() || !found->second.known_to_user) return;
  association_.set_buffered_amount_low_threshold(stream_of(id), bytes);
}

std::size_t Channels::Impl::count() const {
  const auto known = std::ranges::count_if(channels_, [](const auto& entry) { return entry.second.known_to_user; });
  return static_cast<std::size_t>(known);
}

std::optional<Event> Channels::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace isotube::datachannel
