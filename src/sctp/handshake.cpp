// Setting up: INIT, INIT ACK, COOKIE ECHO, COOKIE ACK (RFC 9260 5), also when both sides begin at once.
#include <utility>

#include "sctp/state.hpp"

namespace isotube::sctp {
namespace {

PeerParameters parameters_of(const InitChunk& init) {
  return {init.initiate_tag, init.initial_tsn, init.a_rwnd, init.inbound_streams, init.extensions};
}

}  // namespace

InitChunk Association::Impl::our_init() const {
  InitChunk init;
  init.initiate_tag = our_tag_;
  init.a_rwnd = static_cast<std::uint32_t>(settings_.receive_window);
  init.outbound_streams = settings_.streams;
  init.inbound_streams = settings_.streams;
  init.initial_tsn = our_initial_tsn_;
  init.extensions = {true, true, settings_.offer_interleaving};
  return init;
}

void Association::Impl::connect(TimePoint now) {
  if (state_ != State::Closed || finished_) return;
  state_ = State::CookieWait;
  send_init(now);
}

void Association::Impl::send_init(TimePoint now) {
  // RFC 9260 8.5.1 A: INIT carries tag 0 and goes alone.
  lone(0, make_init(ChunkType::Init, our_init()));
  start(Timer::T1Init, now + round_trip_.rto());
}

void Association::Impl::send_cookie_echo(TimePoint now) {
  cookie_echo_due_ = true;
  start(Timer::T1Cookie, now + round_trip_.rto());
}

void Association::Impl::on_init(TimePoint now, ByteView value) {
  const std::optional<InitChunk> init = parse_init(value);
  if (!init) {
    ++counters_.packets_dropped;
    return;
  }
  const bool is_open = state_ == State::Established || state_ == State::ShuttingDown;
  if (is_open) {
    // A copy of the INIT that made this association came late: nothing to do. Any other is a restart, which can't be
    // while the DTLS session under it goes on (RFC 8831 6.2).
    if (init->initiate_tag != peer_tag_) {
      abort(error_cause::kProtocolViolation, "restart refused", CloseReason::PeerRestarted);
    }
    return;
  }
  // RFC 9260 5.2.1: when both begin at once each answers with the tag and TSN of its own INIT, and either cookie will
  // do.
  InitChunk answer = our_init();
  const Cookie cookie{.our_tag = our_tag_, .peer = parameters_of(*init), .made = now};
  const Bytes sealed = cookies_.seal(cookie);
  answer.cookie = sealed;
  answer.unrecognized = init->unrecognized;
  // A flood of INITs makes no flood of answers: one is waiting to be sent at most.
  std::erase_if(lone_chunks_,
                [](const LoneChunk& each) { return static_cast<ChunkType>(each.chunk[0]) == ChunkType::InitAck; });
  lone(init->initiate_tag, make_init(ChunkType::InitAck, answer));
}

void Association::Impl::on_init_ack(TimePoint now, ByteView value) {
  if (state_ != State::CookieWait) return;
  const std::optional<InitChunk> init = parse_init(value);
  if (!init || init->cookie.empty()) {
    ++counters_.packets_dropped;
    return;
  }
  adopt_peer(parameters_of(*init));
  cookie_to_echo_ = to_bytes(init->cookie);
  state_ = State::CookieEchoed;
  stop(Timer::T1Init);
  unanswered_ = 0;
  send_cookie_echo(now);
}

void Association::Impl::on_cookie_echo(TimePoint now, ByteView value) {
  const std::optional<Cookie> cookie = cookies_.open(value);
  if (!cookie || cookie->our_tag != our_tag_) {
    ++counters_.packets_dropped;
    return;
  }
  const bool is_open = state_ == State::Established || state_ == State::ShuttingDown;
  if (is_open) {
    // Our COOKIE ACK was lost (RFC 9260 5.2.4 D).
    if (cookie->peer.tag == peer_tag_) control(make_chunk(ChunkType::CookieAck, 0));
    return;
  }
  if (now - cookie->made > settings_.cookie_life) {
    Bytes staleness(4);
    SpanWriter(staleness).u32(0);
    lone(cookie->peer.tag, make_error(error_cause::kStaleCookie, staleness));
    return;
  }
  // RFC 9260 5.2.4 B and D. What CookieEchoed knows of the same peer stays: it may have received data already.
  if (cookie->peer.tag != peer_tag_) adopt_peer(cookie->peer);
  control(make_chunk(ChunkType::CookieAck, 0));
  establish(now);
}

void Association::Impl::on_cookie_ack(TimePoint now) {
  if (state_ == State::CookieEchoed) establish(now);
}

void Association::Impl::adopt_peer(const PeerParameters& peer) {
  peer_tag_ = peer.tag;
  peer_window_ = peer.a_rwnd;
  peer_extensions_ = peer.extensions;
  outgoing_streams_ = std::min(settings_.streams, peer.inbound_streams);
  expected_request_ = peer.initial_tsn;
  std::erase_if(resets_wanted_,
                [this](StreamId each) { return static_cast<std::uint16_t>(each) >= outgoing_streams_; });
  interleaving_ = settings_.offer_interleaving && peer.extensions.interleaving;
  queue_.set_interleaving(interleaving_);
  queue_.set_unfinished_limit(peer.a_rwnd / 2);
  received_.emplace(peer.initial_tsn);
  reassembly_.emplace(pool_, settings_.receive_window, settings_.max_message);
  reassembly_->set_interleaving(interleaving_);
}

void Association::Impl::establish(TimePoint now) {
  state_ = State::Established;
  stop(Timer::T1Init);
  stop(Timer::T1Cookie);
  cookie_echo_due_ = false;
  cookie_to_echo_ = {};
  unanswered_ = 0;
  start(Timer::Heartbeat, now + settings_.heartbeat_interval);
  events_.push_back(Connected{});
}

}  // namespace isotube::sctp
