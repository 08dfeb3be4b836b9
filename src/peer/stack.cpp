// What comes in, and what flows between the layers.
#include "peer/stack.hpp"

#include <array>
#include <utility>

#include "base/assert.hpp"

namespace isotube::peer {
namespace {

/// One DTLS flight of ours or of any known stack fits into so many datagrams.
constexpr std::size_t kEarlyFlight = 8;
/// RFC 6347: no record is longer.
constexpr std::size_t kMaxRecord = 16'384;

enum class Protocol : std::uint8_t { Stun, Dtls, Unknown };

/// RFC 7983 7: the first byte tells.
Protocol protocol_of(ByteView datagram) {
  if (datagram.empty()) return Protocol::Unknown;
  const auto first = std::to_integer<std::uint8_t>(datagram[0]);
  if (first <= 3) return Protocol::Stun;
  if (first >= 20 && first <= 63) return Protocol::Dtls;
  return Protocol::Unknown;
}

sctp::Settings with_limit(sctp::Settings settings, std::size_t max_message) {
  settings.max_message = max_message;
  return settings;
}

/// RFC 9429 5.2.1: a session id is 62 random bits.
std::uint64_t make_session_id(Random random) { return random.next_u64() >> 2; }

}  // namespace

Peer::Impl::Impl(const Settings& settings, const Random& random, BufferPool& pool, dtls::Certificate certificate)
    : settings_(settings),
      pool_(pool),
      sctp_random_(random.fork("sctp")),
      session_id_(make_session_id(random.fork("sdp"))),
      certificate_(std::move(certificate)),
      agent_(settings_.ice, ice::Role::Controlling, random.fork("ice")),
      relays_(settings_.turn, random.fork("relays")) {
  settings_.sctp = with_limit(settings_.sctp, settings_.max_message_size);
}

void Peer::Impl::handle_datagram(TimePoint now, const Path& path, ByteView datagram) {
  if (state_ == State::Closed) return;
  if (!uses_direct_paths()) {
    ++counters_.datagrams_dropped;
    return;
  }
  take_datagram(now, path, datagram);
  pump(now);
}

void Peer::Impl::take_datagram(TimePoint now, const Path& path, ByteView datagram) {
  ++counters_.datagrams_received;
  counters_.bytes_received += datagram.size();
  switch (protocol_of(datagram)) {
    case Protocol::Stun:
      return agent_.handle_datagram(now, path, datagram);
    case Protocol::Dtls:
      return handle_dtls(now, path, datagram);
    case Protocol::Unknown:
      ++counters_.datagrams_dropped;
      return;
  }
}

void Peer::Impl::handle_dtls(TimePoint now, const Path& path, ByteView datagram) {
  const bool known_path = path == last_path_ || agent_.is_validated(path);
  if (dtls_ && known_path) {
    dtls_->handle_datagram(now, datagram);
    return;
  }
  // Handshakes cost CPU: nothing is processed from an address that no check validated.
  const bool expected = dtls_ && dtls_->state() != dtls::State::Connected;
  if (!expected || early_flight_.size() >= kEarlyFlight || datagram.size() > settings_.dtls.max_datagram * 2) {
    ++counters_.datagrams_dropped;
    return;
  }
  early_flight_.emplace_back(path, to_bytes(datagram));
}

void Peer::Impl::handle_timeout(TimePoint now) {
  relays_.handle_timeout(now);
  if (state_ != State::Closed) {
    expire_restart(now);
    agent_.handle_timeout(now);
    if (dtls_) dtls_->handle_timeout(now);
    if (association_) association_->handle_timeout(now);
  }
  pump(now);
}

void Peer::Impl::pump(TimePoint now) {
  do {
    pump_stack(now);
  } while (pump_relays(now));
}

void Peer::Impl::pump_stack(TimePoint now) {
  bool moved = true;
  while (moved && state_ != State::Closed) {
    moved = pump_ice(now);
    moved = pump_dtls(now) || moved;
    moved = pump_sctp(now) || moved;
    moved = pump_channels() || moved;
  }
}

bool Peer::Impl::pump_ice(TimePoint now) {
  bool moved = false;
  while (state_ != State::Closed) {
    std::optional<ice::Event> event = agent_.poll_event();
    if (!event) break;
    moved = true;
    if (const auto* found = std::get_if<ice::LocalCandidate>(&*event)) {
      signalled_.local_candidates.push_back(found->candidate);
      if (described_) events_.push_back(LocalCandidate{found->candidate});
    } else if (std::holds_alternative<ice::GatheringDone>(*event)) {
      signalled_.gathering_done = true;
      events_.push_back(GatheringDone{});
    } else if (const auto* selected = std::get_if<ice::PathSelected>(&*event)) {
      last_path_ = selected->path;
      events_.push_back(PathSelected{selected->path, selected->local_type, selected->remote_type});
      start_dtls(now);
    } else if (const auto* changed = std::get_if<ice::StateChanged>(&*event)) {
      on_ice_state(now, changed->state);
    } else if (const auto* unanswered = std::get_if<ice::ConsentUnanswered>(&*event)) {
      if (relays_.is_relayed(unanswered->path.local)) doubtful_path_ = unanswered->path;
      events_.push_back(ConsentUnanswered{unanswered->path});
    } else if (std::holds_alternative<ice::RestartDone>(*event)) {
      restart_.reset();
      events_.push_back(RestartDone{});
    } else {
      give_up_restart(RestartFailed::Cause::NoPath);
    }
  }
  return moved;
}

void Peer::Impl::on_ice_state(TimePoint now, ice::State state) {
  if (state == ice::State::Failed) {
    finish(now, CloseReason::IceFailed, "no path to the peer answers (ICE failed)");
  } else if (state == ice::State::Disconnected && state_ == State::Connected) {
    enter(State::Disconnected);
  } else if (state == ice::State::Connected && state_ == State::Disconnected) {
    enter(State::Connected);
  }
}

void Peer::Impl::start_dtls(TimePoint now) {
  if (!dtls_) return;
  if (dtls_->state() == dtls::State::New) dtls_->start(now);
  for (const auto& [path, datagram] : std::exchange(early_flight_, {})) {
    if (agent_.is_validated(path)) dtls_->handle_datagram(now, datagram);
  }
}

bool Peer::Impl::pump_dtls(TimePoint now) {
  if (!dtls_) return false;
  bool moved = false;
  std::array<std::byte, kMaxRecord> record;
  while (const std::optional<std::size_t> length = dtls_->read(now, record)) {
    moved = true;
    // DTLS opens records only when it is connected: then there is an association, or this record is what makes it.
    if (!association_) start_sctp(now);
    association_->handle_packet(now, ByteView(record).first(*length));
  }
  while (std::optional<Bytes> datagram = dtls_->poll_transmit()) handshake_queue_.push_back(std::move(*datagram));
  while (state_ != State::Closed) {
    std::optional<dtls::Event> event = dtls_->poll_event();
    if (!event) break;
    moved = true;
    if (std::holds_alternative<dtls::Connected>(*event)) {
      if (!association_) start_sctp(now);
    } else if (const auto* failed = std::get_if<dtls::Failed>(&*event)) {
      finish(now, CloseReason::DtlsFailed, failed->detail);
    } else {
      finish(now, CloseReason::Remote, "the peer closed the connection");
    }
  }
  return moved;
}

void Peer::Impl::start_sctp(TimePoint now) {
  early_flight_.clear();
  sctp::Settings settings = settings_.sctp;
  settings.remote_port = remote_sctp_port_;
  association_.emplace(settings, sctp_random_, pool_);
  association_->set_peer_max_message(peer_max_message_);
  channels_.emplace(settings_.datachannel, *association_, pool_);
  channels_->set_parity(dtls_->role() == dtls::Role::Client ? datachannel::Parity::Even : datachannel::Parity::Odd);
  // RFC 8831 6.2 does not say who begins: both do, as other stacks do, and RFC 9260 5.2.1 makes one association of it.
  association_->connect(now);
}

bool Peer::Impl::pump_sctp(TimePoint now) {
  if (!association_) return false;
  bool moved = false;
  while (state_ != State::Closed) {
    std::optional<sctp::Event> event = association_->poll_event();
    if (!event) break;
    moved = true;
    std::optional<sctp::Closed> closed;
    if (const auto* end = std::get_if<sctp::Closed>(&*event)) closed = *end;
    if (std::holds_alternative<sctp::Connected>(*event)) enter(State::Connected);
    channels_->handle_event(now, std::move(*event));
    if (closed) on_sctp_closed(now, *closed);
  }
  return moved;
}

void Peer::Impl::on_sctp_closed(TimePoint now, const sctp::Closed& closed) {
  switch (closed.reason) {
    case sctp::CloseReason::Shutdown:
    case sctp::CloseReason::PeerAborted:
      return finish(now, CloseReason::Remote, "the peer closed the connection");
    case sctp::CloseReason::Aborted:
      return finish(now, CloseReason::Local, closed.detail);
    case sctp::CloseReason::PeerRestarted:
    case sctp::CloseReason::Lost:
    case sctp::CloseReason::ProtocolViolation:
      return finish(now, CloseReason::SctpFailed, closed.detail);
  }
}

bool Peer::Impl::pump_channels() {
  if (!channels_) return false;
  bool moved = false;
  while (std::optional<datachannel::Event> event = channels_->poll_event()) {
    moved = true;
    std::visit([this](auto&& each) { events_.emplace_back(std::forward<decltype(each)>(each)); }, std::move(*event));
  }
  return moved;
}

void Peer::Impl::enter(State state) {
  if (state == state_) return;
  state_ = state;
  events_.push_back(StateChanged{state});
}

void Peer::Impl::close(TimePoint now) { finish(now, CloseReason::Local, "closed"); }

/// The cascade, from the top down: channels hear that the association ends, the association tells the peer (ABORT),
/// then DTLS does (close_notify), then the path is not used any more.
void Peer::Impl::finish(TimePoint now, CloseReason reason, std::string detail) {
  if (state_ == State::Closed) return;
  if (association_ && association_->state() != sctp::State::Closed) association_->abort(now, detail);
  if (association_) {
    while (std::optional<sctp::Event> event = association_->poll_event()) {
      channels_->handle_event(now, std::move(*event));
    }
    (void)pump_channels();
  }
  if (dtls_) {
    std::array<std::byte, kMaxRecord + dtls::Session::kOverhead> farewell;
    while (const std::size_t length = seal_next_packet(now, farewell)) {
      handshake_queue_.push_back(to_bytes(ByteView(farewell).first(length)));
    }
    dtls_->close(now);
    while (std::optional<Bytes> datagram = dtls_->poll_transmit()) handshake_queue_.push_back(std::move(*datagram));
  }
  enter(State::Closed);
  events_.push_back(Closed{reason, std::move(detail)});
}

}  // namespace isotube::peer
