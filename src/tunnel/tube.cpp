// The tube as a whole: its channels, Hello, and its end.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.hpp"
#include "frame/utf8.hpp"
#include "tunnel/session_impl.hpp"

namespace isotube::tunnel {
namespace {

constexpr std::string_view kControlLabel = "control";
constexpr std::uint16_t kVersion = 1;

/// The longest control frame that we can't do without: an OpenConnection with the longest host.
constexpr std::size_t kSmallestLimit = frame::kOverhead + 2 + 4 + 4 + 255 + 2;
static_assert(frame::kOverhead + 2 + 4 + kMaxEcho <= kSmallestLimit);

}  // namespace

Session::Impl::Impl(Settings settings, Side side, BufferPool& pool)
    : settings_(std::move(settings)),
      side_(side),
      pool_(pool),
      next_number_(side == Side::Offerer ? 1 : 2),
      outbox_(pool, frame::message_limit(settings_.peer_max_message)) {
  settings_.max_message = frame::message_limit(settings_.max_message);
  settings_.peer_max_message = frame::message_limit(settings_.peer_max_message);
}

void Session::Impl::handle_channel_open(TimePoint, ChannelId channel, std::string_view label) {
  if (state_ != State::Open || find_channel(channel) != nullptr) return;
  if (settings_.peer_max_message < kSmallestLimit) {
    finish_tube(CloseReason::ConfigurationError, "the peer's largest message is too small");
    return;
  }
  const ChannelKind kind = label == kControlLabel ? ChannelKind::Control : ChannelKind::Data;
  channels_.push_back({channel, kind});
  had_control_channel_ = had_control_channel_ || kind == ChannelKind::Control;
  if (kind == ChannelKind::Control || hello_sent_) return;
  // Without waiting for the peer's: a higher version is thereby answered with our own.
  hello_sent_ = true;
  send(channels_.back(), frame::Hello{.version = kVersion, .capabilities = frame::kCapabilityCredit});
}

void Session::Impl::handle_channel_closed(ChannelId channel) {
  if (state_ == State::Closed || find_channel(channel) == nullptr) return;
  outbox_.drop(channel);
  std::erase_if(channels_, [channel](const Channel& each) { return each.id == channel; });
  constexpr std::string_view kMessage = "the data channel closed";
  for (Entry entry = connections_.begin(); entry != connections_.end();) {
    const Entry current = entry++;
    if (current->second.channel == channel) end(current, CloseReason::ConnectionLost, kMessage);
  }
  if (first_channel(ChannelKind::Data) != nullptr || !hello_sent_) return;
  if (state_ == State::Draining) {
    finish_tube(tube_reason_, tube_message_);
  } else {
    finish_tube(CloseReason::ConnectionLost, kMessage);
  }
}

void Session::Impl::handle_timeout(TimePoint now) {
  if (state_ == State::Draining && now >= drain_until_) finish_tube(tube_reason_, tube_message_);
}

void Session::Impl::close_tube(TimePoint now, CloseReason reason, std::string_view message) {
  if (state_ != State::Open) return;
  tube_reason_ = reason;
  tube_message_ = message;
  const Channel* channel = first_channel(ChannelKind::Data);
  if (channel == nullptr) {
    finish_tube(reason, message);
    return;
  }
  end_all_connections(reason, message);
  send_close(*channel, frame::kControl, reason, message);
  state_ = State::Draining;
  drain_until_ = now + settings_.drain;
}

void Session::Impl::finish_tube(CloseReason reason, std::string_view message) {
  end_all_connections(reason, message);
  // A peer that closed reads no more; ours, when we closed too, may still have to go out.
  if (state_ == State::Open) outbox_.clear();
  state_ = State::Closed;
  events_.push_back(TubeClosed{reason, std::string(message)});
}

void Session::Impl::end_all_connections(CloseReason reason, std::string_view message) {
  while (!connections_.empty()) end(connections_.begin(), reason, message);
}

std::optional<Event> Session::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  std::optional<Event> event(std::move(events_.front()));
  events_.pop_front();
  return event;
}

const Session::Impl::Channel* Session::Impl::find_channel(ChannelId channel) const {
  const auto found = std::ranges::find(channels_, channel, &Channel::id);
  return found == channels_.end() ? nullptr : &*found;
}

const Session::Impl::Channel* Session::Impl::first_channel(ChannelKind kind) const {
  const auto found = std::ranges::find(channels_, kind, &Channel::kind);
  return found == channels_.end() ? nullptr : &*found;
}

Session::Impl::Channel Session::Impl::overtaking(ChannelId channel) const {
  const Channel* control = first_channel(ChannelKind::Control);
  return control != nullptr ? *control : Channel{channel, ChannelKind::Data};
}

void Session::Impl::send(const Channel& channel, const frame::Control& control) {
  outbox_.push_control(channel.kind, channel.id, control, unix_ms_);
}

void Session::Impl::send_close(const Channel& channel, ConnNo conn_no, CloseReason reason, std::string_view message) {
  frame::CloseConnection close{.conn_no = conn_no, .reason = reason, .message = {}};
  constexpr std::size_t kLengthSize = 2;
  const std::size_t room = settings_.peer_max_message - frame::control_frame_size(close) - kLengthSize;
  close.message = frame::utf8_head(message, std::min<std::size_t>(room, std::numeric_limits<std::uint16_t>::max()));
  send(channel, close);
}

bool Session::Impl::credit_counts() const {
  return peer_hello_ == PeerHello::Awaited || (peer_hello_ == PeerHello::Spoken && peer_credit_);
}

}  // namespace isotube::tunnel
