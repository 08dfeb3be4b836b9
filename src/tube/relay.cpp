#include "tube/relay.hpp"

#include <algorithm>
#include <utility>

namespace isotube::tube {
namespace {

/// A draining tube ends a connection on which nothing moved for so long.
constexpr Duration kIdle = std::chrono::seconds(1);
constexpr std::string_view kTubeBudget = "tube budget";

/// Both number data channels by their stream.
tunnel::ChannelId to_tunnel(datachannel::ChannelId channel) { return tunnel::ChannelId{std::to_underlying(channel)}; }
datachannel::ChannelId to_channel(tunnel::ChannelId channel) {
  return datachannel::ChannelId{std::to_underlying(channel)};
}

std::string name_of(const std::optional<Target>& target) { return target ? target->to_string() : std::string(); }

}  // namespace

Relay::Relay(webrtc::PeerConnection& connection, Settings settings, tunnel::Side side, Status& status,
             Observer observer)
    : connection_(connection),
      weak_connection_(connection.weak_from_this()),
      policy_(std::move(settings.policy)),
      connect_timeout_(settings.connect_timeout),
      max_waiting_(settings.session.max_connections),
      status_(status),
      observer_(std::move(observer)),
      resolver_(connection.strand()),
      session_(std::move(settings.session), side, connection.pool()) {}

Relay::~Relay() = default;

void Relay::handle_channel_open(TimePoint now, datachannel::ChannelId channel, std::string_view label) {
  channels_.insert(channel);
  session_.set_unix_ms(runtime::unix_ms());
  session_.handle_channel_open(now, to_tunnel(channel), label);
  had_channel_ = had_channel_ || label != "control";
  if (had_channel_) open_waiting(now);
}

void Relay::handle_channel_closed(TimePoint now, datachannel::ChannelId channel) {
  if (channels_.erase(channel) > 0) session_.handle_channel_closed(now, to_tunnel(channel));
}

void Relay::handle_message(TimePoint now, datachannel::Message message) {
  if (!channels_.contains(message.channel)) return;
  session_.set_unix_ms(runtime::unix_ms());
  if (message.kind == datachannel::MessageKind::Text) {
    session_.handle_text_message(now, to_tunnel(message.channel));
  } else {
    session_.handle_message(now, to_tunnel(message.channel), std::move(message.payload));
  }
}

void Relay::forward(TimePoint now, Stream::Socket socket, std::optional<Target> target) {
  if (had_channel_ || drain_until_ || over_) return open(now, std::move(socket), target);
  if (waiting_.size() >= max_waiting_) {
    return refuse(now, std::move(socket), target, CloseReason::Error, std::string(kTubeBudget));
  }
  waiting_.push_back({std::move(socket), std::move(target)});
}

void Relay::open_waiting(TimePoint now) {
  for (Waiting& each : std::exchange(waiting_, {})) open(now, std::move(each.socket), each.target);
}

void Relay::open(TimePoint now, Stream::Socket socket, const std::optional<Target>& target) {
  const auto opened = drain_until_ || over_ ? std::unexpected(tunnel::OpenError::Closing) : session_.open(now, target);
  if (opened) {
    const auto stream = std::make_shared<Stream>(*opened, Stream::End::Client, name_of(target), now);
    stream->attach(std::move(socket));
    add(stream);
    return start(stream);
  }
  switch (opened.error()) {
    case tunnel::OpenError::TooManyConnections:
      return refuse(now, std::move(socket), target, CloseReason::Error, std::string(kTubeBudget));
    case tunnel::OpenError::BadTarget:
      return refuse(now, std::move(socket), target, CloseReason::InvalidInstruction,
                    "the target is no name or address");
    case tunnel::OpenError::NoChannel:
    case tunnel::OpenError::Closing:
      return refuse(now, std::move(socket), target, CloseReason::TunnelClosed, "the tube is closing");
  }
}

void Relay::refuse(TimePoint now, Stream::Socket socket, const std::optional<Target>& target, CloseReason reason,
                   const std::string& message) {
  Stream stream(frame::kControl, Stream::End::Client, name_of(target), now);
  stream.attach(std::move(socket));
  observer_.connection_ended(stream, reason, message);
}

void Relay::refuse_waiting(TimePoint now, CloseReason reason, const std::string& message) {
  while (!waiting_.empty()) {
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    refuse(now, std::move(first.socket), first.target, reason, message);
  }
}

void Relay::close_tube(TimePoint now, CloseReason reason, std::string_view message) {
  session_.set_unix_ms(runtime::unix_ms());
  session_.close_tube(now, reason, message);
  refuse_waiting(now, reason, std::string(message));
}

void Relay::drain(TimePoint now, Duration limit) {
  if (drain_until_) return;
  drain_until_ = now + limit;
  next_drain_check_ = now;
  open_waiting(now);
}

void Relay::check_drain(TimePoint now) {
  if (!drain_until_ || over_ || now < next_drain_check_) return;
  next_drain_check_ = *drain_until_;
  std::vector<frame::ConnNo> due;
  for (const auto& [conn_no, stream] : streams_) {
    const TimePoint idle_at = stream->last_moved + kIdle;
    if (now >= *drain_until_ || now >= idle_at) {
      due.push_back(conn_no);
    } else {
      next_drain_check_ = std::min(next_drain_check_, idle_at);
    }
  }
  for (const frame::ConnNo conn_no : due)
    session_.close(now, conn_no, CloseReason::TunnelClosed, "the tube is closing");
  if (due.size() < streams_.size()) return;
  next_drain_check_ = kNever;
  observer_.drained(now);
}

void Relay::abandon(TimePoint now, CloseReason reason, const std::string& message) {
  over_ = true;
  refuse_waiting(now, reason, message);
  while (!streams_.empty()) end(streams_.begin()->second, reason, message);
}

void Relay::handle_turn(TimePoint now) {
  session_.set_unix_ms(runtime::unix_ms());
  if (now >= session_.next_timeout()) session_.handle_timeout(now);
  check_drain(now);
  read_in_turn_ = 0;
  for (bool moved = true; moved && !over_;) {
    moved = handle_session_events(now);
    moved = write_streams(now) || moved;
    moved = read_streams(now) || moved;
    send_messages(now);
  }
  status_.connections.store(streams_.size(), std::memory_order_relaxed);
}

TimePoint Relay::next_timeout() const {
  return std::min(session_.next_timeout(), drain_until_ ? next_drain_check_ : kNever);
}

void Relay::send_messages(TimePoint now) {
  while (!over_) {
    if (!unsent_) unsent_ = session_.poll_transmit();
    if (!unsent_) return;
    const auto sent = connection_.peer().send(now, to_channel(unsent_->channel), datachannel::MessageKind::Binary,
                                              std::move(unsent_->message));
    // Only the peer's own bound can stop it: what acknowledges data brings the next turn.
    if (!sent && sent.error() == datachannel::SendError::WouldBlock) return;
    unsent_.reset();
    if (!sent && sent.error() == datachannel::SendError::TooLarge) {
      return session_.close_tube(now, CloseReason::ConfigurationError, "the peer's largest message is too small");
    }
  }
}

std::size_t Relay::buffered() const {
  std::size_t total = 0;
  for (const datachannel::ChannelId channel : channels_) total += connection_.peer().buffered_amount(channel);
  return total;
}

bool Relay::handle_session_events(TimePoint now) {
  bool any = false;
  while (!over_) {
    std::optional<tunnel::Event> event = session_.poll_event();
    if (!event) break;
    any = true;
    std::visit([&](auto& each) { handle(now, each); }, *event);
  }
  return any;
}

void Relay::handle(TimePoint now, tunnel::OpenRequested& event) {
  const auto stream = std::make_shared<Stream>(event.conn_no, Stream::End::Target, event.target.to_string(), now);
  add(stream);
  if (drain_until_) {
    return session_.close(now, event.conn_no, CloseReason::TunnelClosed, "the gateway is draining");
  }
  // Decided by name, before any look-up.
  if (!policy_ || !policy_->allows(event.target)) {
    return session_.close(now, event.conn_no, CloseReason::ServerRefuse, "not allowed by this gateway");
  }
  stream->dial = std::make_shared<Dial>(connection_.strand(), policy_, event.target, connect_timeout_);
  stream->dial->start(resolver_, [connection = weak_connection_, relay = weak_from_this(),
                                  weak = std::weak_ptr(stream)](Dial::Result result) {
    const auto alive = connection.lock();
    if (!alive) return;
    alive->turn([&](TimePoint turn_now) {
      const auto self = relay.lock();
      const auto still = weak.lock();
      if (self && still) self->dialed(turn_now, still, std::move(result));
    });
  });
}

void Relay::dialed(TimePoint now, const StreamPointer& stream, Dial::Result result) {
  stream->dial.reset();
  if (find(stream->conn_no()) != stream) return;
  if (!result) return session_.close(now, stream->conn_no(), result.error().reason, result.error().message);
  stream->attach(std::move(*result));
  stream->last_moved = now;
  session_.set_unix_ms(runtime::unix_ms());
  session_.accept(now, stream->conn_no());
  start(stream);
  want_write(stream);
}

void Relay::handle(TimePoint, tunnel::ConnectionOpened&) {
  // Nothing waits for it: data was sent at once.
}

void Relay::handle(TimePoint now, tunnel::Data& event) {
  const StreamPointer stream = find(event.conn_no);
  if (!stream) return;
  stream->last_moved = now;
  if (stream->writing == Stream::Writing::Broken) return session_.consumed(now, event.conn_no, event.payload.size());
  stream->push(std::move(event.payload), connection_.pool());
  want_write(stream);
}

void Relay::handle(TimePoint now, tunnel::Eof& event) {
  const StreamPointer stream = find(event.conn_no);
  if (!stream) return;
  stream->last_moved = now;
  stream->push_eof();
  want_write(stream);
}

void Relay::handle(TimePoint, tunnel::Writable& event) {
  const StreamPointer stream = find(event.conn_no);
  if (stream && stream->reading == Stream::Reading::NoCredit) queue_read(stream);
}

void Relay::handle(TimePoint, tunnel::ConnectionClosed& event) {
  const StreamPointer stream = find(event.conn_no);
  if (!stream) return;
  stream->ended_well = event.reason == CloseReason::Normal && stream->writing == Stream::Writing::Shut;
  end(stream, event.reason, event.message);
}

void Relay::handle(TimePoint, tunnel::PongReceived&) {}

void Relay::handle(TimePoint, tunnel::RestartNeeded&) {}

void Relay::handle(TimePoint now, tunnel::TubeClosed& event) {
  over_ = true;
  observer_.tube_closed(now, event.reason, event.message);
}

Relay::StreamPointer Relay::find(frame::ConnNo conn_no) const {
  const auto found = streams_.find(conn_no);
  return found == streams_.end() ? nullptr : found->second;
}

void Relay::add(const StreamPointer& stream) { streams_[stream->conn_no()] = stream; }

void Relay::end(StreamPointer stream, CloseReason reason, const std::string& message) {
  streams_.erase(stream->conn_no());
  std::erase(to_read_, stream);
  std::erase(to_write_, stream);
  stream->dial.reset();
  stream->reading = Stream::Reading::Ended;
  observer_.connection_ended(*stream, reason, message);
}

}  // namespace isotube::tube
