#include "tube/impl.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/assert.hpp"

namespace isotube::tube {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kProtocol = "isotube";

std::string what_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "something that is no exception was thrown";
  }
}

bool broke_an_invariant(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const InvariantBroken&) {
    return true;
  } catch (...) {
    return false;
  }
}

CloseReason reason_of(peer::CloseReason reason, bool was_connected) {
  switch (reason) {
    case peer::CloseReason::Local:
      return CloseReason::Normal;
    case peer::CloseReason::Remote:
    case peer::CloseReason::IceFailed:
    case peer::CloseReason::DtlsFailed:
    case peer::CloseReason::SctpFailed:
      return was_connected ? CloseReason::ConnectionLost : CloseReason::ConnectionFailed;
  }
  return CloseReason::Unknown;
}

}  // namespace

Tube::Impl::Impl(runtime::Strand strand, Config config, Observer observer)
    : config_(std::move(config)),
      strand_(std::move(strand)),
      created_(runtime::now()),
      observer_(std::move(observer)),
      anchor_(strand_, asio::steady_timer::time_point::max()),
      gathering_(strand_) {
  const Random random(runtime::system_seed());
  Random labels = random.fork("label");
  channel_label_ = make_id(labels);
  connection_ = webrtc::PeerConnection::create(strand_, config_.peer, random.fork("peer"));
  ice_generation_ = connection_->peer().local_ice_credentials().ufrag;
}

void Tube::Impl::start() {
  connection_->set_handler(weak_from_this());
  anchor_.async_wait([held = shared_from_this()](const boost::system::error_code&) {});
  asio::post(strand_, [self = shared_from_this()] { self->connection_->turn([](TimePoint) {}); });
}

Snapshot Tube::Impl::snapshot() const {
  const auto candidate_type = [](const std::atomic<std::int64_t>& value) -> std::optional<ice::CandidateType> {
    const std::int64_t type = value.load(std::memory_order_relaxed);
    if (type == Status::kUnknown) return std::nullopt;
    return static_cast<ice::CandidateType>(type);
  };
  const std::int64_t round_trip = status_.round_trip.load(std::memory_order_relaxed);
  Snapshot snapshot;
  snapshot.id = config_.id;
  snapshot.owner = config_.owner;
  snapshot.state = status_.state.load(std::memory_order_relaxed);
  if (config_.fixed_target) snapshot.fixed_target = config_.fixed_target->to_string();
  snapshot.path_local = candidate_type(status_.path_local);
  snapshot.path_remote = candidate_type(status_.path_remote);
  snapshot.bytes_up = status_.bytes_up.load(std::memory_order_relaxed);
  snapshot.bytes_down = status_.bytes_down.load(std::memory_order_relaxed);
  if (round_trip != Status::kUnknown) snapshot.round_trip = Duration(round_trip);
  snapshot.connections = status_.connections.load(std::memory_order_relaxed);
  snapshot.age = runtime::now() - created_;
  return snapshot;
}

void Tube::Impl::forward(asio::ip::tcp::socket socket, std::optional<Target> target) {
  // Whoever is refused here is reset like any other connection that fails.
  const auto refused = [&] {
    Stream stream(frame::kControl, Stream::End::Client, target ? target->to_string() : "", runtime::now());
    stream.attach(std::move(socket));
    record(stream, CloseReason::TunnelClosed, "the tube is not open");
  };
  if (finished_) return refused();
  connection_->turn([&](TimePoint now) {
    if (!relay_ || ending()) return refused();
    relay_->forward(now, std::move(socket), std::move(target));
  });
}

void Tube::Impl::close(CloseReason reason, std::string message) {
  if (finished_) return;
  connection_->turn([&](TimePoint now) { begin_close(now, reason, std::move(message)); });
}

void Tube::Impl::drain(Duration limit) {
  if (finished_) return;
  connection_->turn([&](TimePoint now) {
    if (ending()) return;
    if (!relay_) return begin_close(now, CloseReason::TunnelClosed, "the gateway is draining");
    relay_->drain(now, limit);
  });
}

void Tube::Impl::begin_close(TimePoint now, CloseReason reason, std::string message) {
  if (ending()) return;
  own_end_ = End{reason, std::move(message)};
  if (relay_ && connection_->peer().state() != peer::State::New) {
    // Ends in the relay's tube_closed: at once, or when the peer has heard of it.
    relay_->close_tube(now, own_end_->reason, own_end_->message);
  } else {
    connection_->peer().close(now);
  }
}

void Tube::Impl::handle_event(TimePoint now, peer::Event event) {
  std::visit([&](auto& each) { handle(now, each); }, event);
}

void Tube::Impl::handle_turn(TimePoint now) {
  const State state = status_.state.load(std::memory_order_relaxed);
  if (state != State::Connected && !ending() && now >= created_ + config_.setup_timeout) {
    begin_close(now, CloseReason::Timeout, "no connection came about in time");
  }
  if (relay_) relay_->handle_turn(now);
  if (state != State::Connected) return;
  const std::optional<Duration> round_trip = connection_->peer().round_trip();
  status_.round_trip.store(round_trip ? round_trip->count() : Status::kUnknown, std::memory_order_relaxed);
}

TimePoint Tube::Impl::next_timeout() const {
  const bool setting_up = status_.state.load(std::memory_order_relaxed) != State::Connected && !ending();
  const TimePoint setup = setting_up ? created_ + config_.setup_timeout : kNever;
  return std::min(setup, relay_ ? relay_->next_timeout() : kNever);
}

void Tube::Impl::handle_stopped() {
  const End end = cause();
  finish(end.reason, end.message);
}

Tube::Impl::End Tube::Impl::cause() const {
  if (own_end_) return *own_end_;
  // That the data channel closed says less than why the connection under it did.
  if (session_end_ && !(session_end_->reason == CloseReason::ConnectionLost && peer_end_)) return *session_end_;
  return peer_end_.value_or(End{CloseReason::Unknown, {}});
}

void Tube::Impl::handle_failure(std::exception_ptr failure) noexcept {
  try {
    const std::string what = what_of(failure);
    // A machine whose invariant broke is dropped whole: it could say anything. So is one that fails again on its way
    // out.
    if (failed_ || broke_an_invariant(failure)) return finish(CloseReason::Error, what);
    failed_ = true;
    asio::post(strand_, [self = shared_from_this(), what] { self->close(CloseReason::Error, what); });
  } catch (...) {
    finish(CloseReason::Error, {});
  }
}

void Tube::Impl::finish(CloseReason reason, const std::string& message) noexcept {
  if (std::exchange(finished_, true)) return;
  connection_->stop();
  anchor_.cancel();
  gathering_.cancel();
  // What an observer throws now has no tube left to close; the others are told all the same.
  const auto guarded = [](auto&& call) {
    try {
      call();
      return true;
    } catch (...) {
      return false;
    }
  };
  while (relay_ && !guarded([&] { relay_->abandon(runtime::now(), reason, message); })) continue;
  guarded([&] { enter(State::Closed); });
  const Observer observer = std::exchange(observer_, {});
  guarded([&] {
    if (observer.closed) observer.closed(reason, message);
  });
  // The machines may be in the middle of this very call; whoever still holds the tube does not hold them.
  guarded([&] {
    asio::post(strand_, [self = shared_from_this()] {
      self->relay_.reset();
      self->connection_.reset();
    });
  });
}

void Tube::Impl::enter(State state) {
  if (status_.state.exchange(state, std::memory_order_relaxed) == state) return;
  if (observer_.state_changed) observer_.state_changed(state);
}

void Tube::Impl::record(const Stream& stream, CloseReason reason, const std::string& message) {
  if (!observer_.connection_ended) return;
  const bool client = stream.end() == Stream::End::Client;
  ConnectionRecord record;
  record.tube = config_.id;
  record.owner = config_.owner;
  record.target = stream.target();
  if (record.target.empty() && config_.fixed_target) record.target = config_.fixed_target->to_string();
  record.bytes_up = client ? stream.bytes_read() : stream.bytes_written();
  record.bytes_down = client ? stream.bytes_written() : stream.bytes_read();
  record.duration = runtime::now() - stream.started();
  record.reason = reason;
  record.message = message;
  observer_.connection_ended(record);
}

void Tube::Impl::handle(TimePoint now, peer::StateChanged& event) {
  if (event.state == peer::State::Connected && side_ == tunnel::Side::Offerer && !own_channel_) open_own_channel(now);
}

void Tube::Impl::open_own_channel(TimePoint now) {
  datachannel::ChannelConfig channel;
  channel.label = channel_label_;
  channel.protocol = kProtocol;
  const auto opened = connection_->peer().open_channel(now, channel);
  if (!opened) return begin_close(now, CloseReason::ConnectionFailed, "no data channel could be opened");
  own_channel_ = *opened;
}

void Tube::Impl::handle(TimePoint, peer::LocalCandidate& event) { late_candidates_.push_back(event.candidate); }

void Tube::Impl::handle(TimePoint, peer::GatheringDone&) {
  gathering_done_ = true;
  gathering_.cancel();
}

void Tube::Impl::handle(TimePoint, peer::PathSelected& event) {
  status_.path_local.store(std::to_underlying(event.local_type), std::memory_order_relaxed);
  status_.path_remote.store(std::to_underlying(event.remote_type), std::memory_order_relaxed);
}

void Tube::Impl::handle(TimePoint, peer::RelayFailed& event) {
  if (observer_.relay_failed) observer_.relay_failed(event.error);
}

void Tube::Impl::handle(TimePoint now, datachannel::Opened& event) {
  if (own_channel_ == event.channel) channel_opened(now, event.channel, channel_label_);
}

void Tube::Impl::handle(TimePoint now, datachannel::OpenedByPeer& event) {
  const datachannel::ChannelConfig& channel = event.config;
  const bool reliable = channel.ordered && !channel.max_retransmissions && !channel.max_lifetime;
  // Channels are the offerer's to open.
  const bool welcome = channel.protocol == kProtocol && reliable && side_ == tunnel::Side::Answerer;
  if (!welcome || !relay_) {
    return connection_->peer().close_channel(now, event.channel);
  }
  channel_opened(now, event.channel, channel.label);
}

void Tube::Impl::channel_opened(TimePoint now, datachannel::ChannelId channel, std::string_view label) {
  if (!relay_ || ending()) return;
  relay_->handle_channel_open(now, channel, label);
  // `control` alone carries no connection.
  if (label != "control") enter(State::Connected);
}

void Tube::Impl::handle(TimePoint now, datachannel::Message& event) {
  if (relay_) relay_->handle_message(now, std::move(event));
}

void Tube::Impl::handle(TimePoint, datachannel::BufferedAmountLow&) {
  // Room again: the relay looks at it in each turn.
}

void Tube::Impl::handle(TimePoint now, datachannel::Closed& event) {
  if (relay_) relay_->handle_channel_closed(now, event.channel);
}

void Tube::Impl::handle(TimePoint, peer::Closed& event) {
  const bool was_connected = status_.state.load(std::memory_order_relaxed) == State::Connected;
  peer_end_ = End{reason_of(event.reason, was_connected), event.detail};
}

void Tube::Impl::make_relay(tunnel::Side side) {
  Relay::Settings settings;
  settings.session.max_message = config_.peer.max_message_size;
  settings.session.peer_max_message = connection_->peer().max_outgoing_message();
  settings.session.max_connections = config_.max_connections;
  settings.session.fixed_target = config_.fixed_target;
  settings.session.peer_may_open = config_.policy != nullptr;
  settings.policy = config_.policy;
  settings.connect_timeout = config_.connect_timeout;
  Relay::Observer observer;
  observer.connection_ended = [this](const Stream& stream, CloseReason reason, const std::string& message) {
    record(stream, reason, message);
  };
  observer.tube_closed = [this](TimePoint now, CloseReason reason, const std::string& message) {
    session_end_ = End{reason, message};
    connection_->peer().close(now);
  };
  observer.drained = [this](TimePoint now) { begin_close(now, CloseReason::TunnelClosed, "the gateway is draining"); };
  relay_ = std::make_shared<Relay>(*connection_, std::move(settings), side, status_, std::move(observer));
}

}  // namespace isotube::tube
