// What the peer sends, and what of it concerns the tube. Each receive() answers how the peer broke the protocol, if it
// did: that closes the tube with 19 (docs/protocol.md, Protocol errors). What breaks one connection's rules closes that
// connection alone.
#include <algorithm>
#include <utility>

#include "tunnel/session_impl.hpp"

namespace isotube::tunnel {
namespace {

std::string_view describe(frame::FrameError error) {
  switch (error) {
    case frame::FrameError::Incomplete:
      return "a frame is cut off";
    case frame::FrameError::TooLong:
      return "a frame is over the limit";
    case frame::FrameError::WrongTerminator:
      return "a frame has a wrong terminator";
  }
  return {};
}

std::string_view describe(frame::ControlError error) {
  switch (error) {
    case frame::ControlError::TooShort:
      return "a control frame is too short";
    case frame::ControlError::BadHost:
      return "a target host is no name";
  }
  return {};
}

/// What `control` may carry. What it may not would lose its order with the connection's other frames.
bool may_go_on_control(const frame::Control& control) {
  if (const auto* close = std::get_if<frame::CloseConnection>(&control)) {
    return close->reason != CloseReason::Normal && close->conn_no != frame::kControl;
  }
  return std::holds_alternative<frame::Ping>(control) || std::holds_alternative<frame::Pong>(control) ||
         std::holds_alternative<frame::WindowUpdate>(control) ||
         std::holds_alternative<frame::RestartNeeded>(control) ||
         std::holds_alternative<frame::UnknownControl>(control);
}

constexpr auto broken(std::string_view how) { return std::unexpected(how); }

}  // namespace

void Session::Impl::handle_message(TimePoint now, ChannelId channel_id, Buffer message) {
  const Channel* found = find_channel(channel_id);
  if (found == nullptr || state_ == State::Closed) return;
  const Channel channel = *found;
  if (const Verdict verdict = process(channel, message); !verdict) {
    close_tube(now, CloseReason::ProtocolError, verdict.error());
  } else if (outbox_.control_bytes() > settings_.max_queued_control) {
    close_tube(now, CloseReason::Error, "the peer does not read what it asks for");
  }
}

void Session::Impl::handle_text_message(TimePoint now, ChannelId channel) {
  if (find_channel(channel) != nullptr) close_tube(now, CloseReason::ProtocolError, "a text message");
}

Session::Impl::Verdict Session::Impl::process(const Channel& channel, Buffer& message) {
  if (message.empty()) return broken("an empty message");
  const bool too_long = message.size() > settings_.max_message;
  ByteView rest = message.view().first(std::min(message.size(), settings_.max_message));
  while (!rest.empty() && state_ != State::Closed && outbox_.control_bytes() <= settings_.max_queued_control) {
    const auto frame = frame::take_frame(rest, settings_.max_message);
    if (!frame) return broken(describe(frame.error()));
    const bool last = rest.empty() && !too_long;
    const Verdict verdict = frame->conn_no == frame::kControl
                                ? receive_control(channel, frame->payload)
                                : receive_data(channel, *frame, last ? &message : nullptr);
    if (!verdict) return verdict;
  }
  if (too_long) return broken("a message is over the limit");
  return {};
}

Session::Impl::Verdict Session::Impl::receive_control(const Channel& channel, ByteView payload) {
  const auto control = frame::parse_control(payload);
  if (!control) return broken(describe(control.error()));
  if (state_ == State::Draining) {
    // Both sides closed at once: nothing is left to wait for.
    const auto* close = std::get_if<frame::CloseConnection>(&*control);
    if (close != nullptr && close->conn_no == frame::kControl) finish_tube(tube_reason_, tube_message_);
    return {};
  }
  if (channel.kind == ChannelKind::Control && !may_go_on_control(*control)) {
    return broken("a frame that `control` may not carry");
  }
  if (channel.kind == ChannelKind::Data && peer_hello_ == PeerHello::Awaited &&
      !std::holds_alternative<frame::Hello>(*control)) {
    learn_of_hello(PeerHello::Absent, false);
  }
  return std::visit([&](const auto& each) { return receive(channel, each); }, *control);
}

void Session::Impl::learn_of_hello(PeerHello hello, bool credit) {
  peer_hello_ = hello;
  peer_credit_ = credit;
  if (credit_counts()) return;
  for (const auto& [conn_no, connection] : connections_) {
    if (connection.may_write() && connection.send_credit == 0) events_.push_back(Writable{conn_no});
  }
}

Session::Impl::Verdict Session::Impl::receive(const Channel&, const frame::Hello& hello) {
  if (peer_hello_ == PeerHello::Spoken) return broken("a second Hello");
  // Who spoke before without Hello was spoken to without credit: two minds about credit would stall a connection.
  if (peer_hello_ == PeerHello::Absent) return broken("a Hello that is not the first frame");
  learn_of_hello(PeerHello::Spoken, (hello.capabilities & frame::kCapabilityCredit) != 0);
  return {};
}

Session::Impl::Verdict Session::Impl::receive(const Channel& channel, const frame::Ping& ping) {
  const frame::Pong pong{.conn_no = ping.conn_no, .echo = ping.echo};
  const std::size_t size = frame::control_frame_size(pong);
  // A lost Pong says what is true: this tube can't carry it. Frames that a connection needs still have room above.
  if (size > settings_.peer_max_message || outbox_.control_bytes() + size > settings_.max_queued_control / 2) {
    ++counters_.pongs_dropped;
    return {};
  }
  send(channel, pong);
  return {};
}

Session::Impl::Verdict Session::Impl::receive(const Channel&, const frame::Pong& pong) {
  if (pings_unanswered_ == 0) {
    ++counters_.unexpected_frames;
    return {};
  }
  --pings_unanswered_;
  events_.push_back(PongReceived{pong.conn_no, to_bytes(pong.echo)});
  return {};
}

Session::Impl::Verdict Session::Impl::receive(const Channel&, const frame::RestartNeeded&) {
  events_.push_back(RestartNeeded{});
  return {};
}

Session::Impl::Verdict Session::Impl::receive(const Channel&, const frame::UnknownControl&) {
  ++counters_.unknown_codes;
  return {};
}

}  // namespace isotube::tunnel
