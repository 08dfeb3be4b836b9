#include "turn/client.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/assert.hpp"
#include "stun/builder.hpp"
#include "turn/client_impl.hpp"

namespace isotube::turn {
namespace {

using namespace std::chrono_literals;

/// A farewell must not hold up who closes.
constexpr Duration kReleaseTime = 3s;

/// No shorter, whatever the settings say: a timer of nothing would never let the driver sleep.
constexpr Duration kShortest = 10ms;

/// A driver that doesn't drain loses what retransmission brings again.
constexpr std::size_t kMostTransmits = 256;

/// RFC 8656 11 and 12 can frame more, but no UDP datagram carries it on.
constexpr std::size_t kMaxDatagram = 65'507;

/// Reasons come from servers (RFC 8489 14.8: 763 bytes) and from the driver.
constexpr std::size_t kMaxReason = 763;

constexpr std::size_t kMostPeers = 1024;

Settings usable(Settings settings) {
  settings.rto = std::max(settings.rto, kShortest);
  settings.requests = std::clamp(settings.requests, 1, 10);
  settings.last_wait = std::clamp(settings.last_wait, 1, 64);
  settings.stream_timeout = std::max(settings.stream_timeout, kShortest);
  settings.keepalive = std::max(settings.keepalive, kShortest);
  for (auto* interval : {&settings.allocation_refresh, &settings.permission_refresh, &settings.channel_refresh}) {
    if (*interval) *interval = std::max(**interval, kShortest);
  }
  settings.max_peers = std::clamp<std::size_t>(settings.max_peers, 1, kMostPeers);
  return settings;
}

/// As URIs write it (RFC 7065).
std::string text_of(const Server& server) {
  const std::string host =
      server.name.empty() ? server.address.to_string() : server.name + ":" + std::to_string(server.address.port);
  return (server.transport == Transport::Tls ? "turns:" : "turn:") + host;
}

}  // namespace

Client::Impl::Impl(const Settings& settings, Server server, Random random)
    : settings_(usable(settings)),
      home_(std::move(server)),
      server_(home_),
      login_(home_.username, home_.password),
      transactions_(settings_, random.fork("transactions")),
      peers_(settings_) {
  indication_id_ = stun::TransactionId::draw(random);
}

void Client::Impl::allocate(TimePoint now) {
  if (state_ != State::Idle) return;
  state_ = State::Allocating;
  if (server_.address != home_.address) login_.forget();
  server_ = home_;
  credentials_ended_ = false;
  ports_given_up_ = 0;
  asked_ = {server_.address};
  open_flow(now);
}

void Client::Impl::verify(TimePoint now) {
  if (state_ == State::Allocated) verify_soon(now);
}

void Client::Impl::release(TimePoint now) {
  if (state_ == State::Releasing || state_ == State::Released) return;
  const bool has_allocation = state_ == State::Allocated;
  // An Allocate on its way may yet succeed, and would hold a port and quota for ten minutes (row T5 of the fault
  // matrix): its answer is waited for.
  const bool may_get_one = state_ == State::Allocating && transactions_.find(Purpose::Allocate) != nullptr;
  state_ = State::Releasing;
  release_ends_ = now + kReleaseTime;
  if (has_allocation) {
    transactions_.clear();
    peers_.clear();
    begin(now, {.purpose = Purpose::Release});
  } else if (!may_get_one) {
    finish_release();
  }
}

void Client::Impl::open_flow(TimePoint now) {
  flow_ = Flow{.id = ++last_flow_};
  stream_.reset();
  opening_ends_ = now + settings_.stream_timeout;
  events_.push_back(OpenFlow{flow_->id, server_.transport, server_.address, server_.name});
}

void Client::Impl::close_flow() {
  if (flow_) events_.push_back(CloseFlow{flow_->id});
  flow_.reset();
  opening_ends_ = kNever;
}

void Client::Impl::flow_opened(TimePoint now, FlowId flow) {
  if (!flow_ || flow_->id != flow || flow_->open || state_ != State::Allocating) return;
  flow_->open = true;
  begin(now, {.purpose = Purpose::Allocate, .wants_v6 = server_.address.ip.is_v6()});
  opening_ends_ = kNever;
}

void Client::Impl::flow_failed(TimePoint /*now*/, FlowId flow, std::string reason) {
  if (!flow_ || flow_->id != flow) return;
  flow_.reset();
  opening_ends_ = kNever;
  if (reason.size() > kMaxReason) reason.resize(kMaxReason);
  TurnError error =
      error_of(state_ == State::Allocating ? stun::Method::Allocate : stun::Method::Refresh, Cause::FlowFailed);
  error.reason = std::move(reason);
  // One flow failed, so one failure is said, however many transactions were on it.
  report(std::move(error));
  if (state_ == State::Releasing) return finish_release();
  lose_allocation();
}

void Client::Impl::begin(TimePoint now, const Question& question) {
  // Over streams opening the flow is part of the first request's time.
  const TimePoint give_up_at = opening_ends_ != kNever ? opening_ends_ : now + settings_.stream_timeout;
  const Transaction& transaction = transactions_.begin(now, question, server_.transport, give_up_at, login_);
  ++counters_.requests;
  send(now, transaction.request);
}

void Client::Impl::ask_again(TimePoint now, Transaction& transaction) {
  transactions_.ask_again(now, transaction, server_.transport, login_);
  send(now, transaction.request);
}

void Client::Impl::send(TimePoint now, const Bytes& message) {
  last_sent_ = now;
  if (transmits_.size() < kMostTransmits) transmits_.push_back({flow_->id, message});
}

TurnError Client::Impl::error_of(stun::Method method, Cause cause) const {
  return {.method = method, .cause = cause, .server = text_of(server_), .transport = server_.transport};
}

void Client::Impl::report(TurnError error) {
  if (!error.peer) ++counters_.failures;
  events_.push_back(TransactionFailed{std::move(error)});
}

std::size_t Client::Impl::header_size(const Address& peer) const {
  const Peer* known = peers_.find(peer);
  return known != nullptr && known->can_use_channel() ? kChannelHeader : send_header_size(peer);
}

std::size_t Client::Impl::frame(TimePoint now, const Address& peer, MutableByteView out, std::size_t payload_size) {
  if (state_ != State::Allocated || payload_size > kMaxDatagram) return 0;
  const Peer* known = peers_.use(peer);
  const bool by_channel = known != nullptr && known->can_use_channel();
  const auto size =
      by_channel ? channel_data_size(payload_size, is_stream()) : send_indication_size(peer, payload_size);
  if (!size || *size > out.size() || (!is_stream() && *size > kMaxDatagram)) return 0;
  if (known == nullptr) known = use_peer(now, peer);
  if (known->refused != 0) return 0;
  last_sent_ = now;
  if (by_channel) {
    write_channel_data(out.first(*size), *known->channel, payload_size);
  } else {
    SpanWriter(std::span(indication_id_.bytes).first<4>()).u32(++indications_);
    write_send_indication(out.first(*size), indication_id_, peer, payload_size);
  }
  return *size;
}

std::optional<FlowId> Client::Impl::flow() const {
  if (state_ != State::Allocated) return std::nullopt;
  return flow_->id;
}

std::optional<Address> Client::Impl::relayed() const {
  if (state_ != State::Allocated) return std::nullopt;
  return relayed_;
}

void Client::Impl::handle_timeout(TimePoint now) {
  if (release_ends_ <= now) {
    if (const Transaction* farewell = transactions_.find(Purpose::Release)) report(unanswered(*farewell));
    return finish_release();
  }
  if (opening_ends_ <= now) {
    report(error_of(stun::Method::Allocate, Cause::Timeout));
    return lose_allocation();
  }
  while (Transaction* due = transactions_.due(now)) step(now, *due);
  if (state_ == State::Allocated) step_allocated(now);
}

void Client::Impl::step(TimePoint now, Transaction& due) {
  if (due.retransmission && due.retransmission->step(now) == stun::Retransmission::Step::SendAgain) {
    ++counters_.retransmissions;
    return send(now, due.request);
  }
  give_up(now, due, unanswered(due));
}

void Client::Impl::step_allocated(TimePoint now) {
  const bool awake = std::min(refresh_at_, peers_.due()) <= now;
  if (refresh_at_ - (awake ? refresh_slack_ : Duration::zero()) <= now) {
    if (credentials_ended_) return lose_allocation();
    begin_refresh(now);
  }
  peers_.expire(now);
  begin_due(now, awake ? Timing::WithSlack : Timing::WhenDue);
  if (last_sent_ + settings_.keepalive <= now) keep_alive(now);
}

void Client::Impl::keep_alive(TimePoint now) {
  SpanWriter(std::span(indication_id_.bytes).first<4>()).u32(++indications_);
  send(now, stun::MessageBuilder(stun::Class::Indication, stun::Method::Binding, indication_id_).take());
}

std::optional<Transmit> Client::Impl::poll_transmit() {
  if (transmits_.empty()) return std::nullopt;
  Transmit transmit = std::move(transmits_.front());
  transmits_.pop_front();
  return transmit;
}

std::optional<Event> Client::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

TimePoint Client::Impl::next_timeout() const {
  TimePoint next = std::min({opening_ends_, release_ends_, transactions_.deadline()});
  if (state_ != State::Allocated) return next;
  next = std::min({next, refresh_at_, peers_.expiry(), last_sent_ + settings_.keepalive});
  // Without room, the end of a transaction is what they wait for.
  if (transactions_.has_room_for_peers() && !credentials_ended_) next = std::min(next, peers_.due());
  return next;
}

Client::Client(Settings settings, Server server, Random random)
    : impl_(std::make_unique<Impl>(settings, std::move(server), random)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

void Client::allocate(TimePoint now) { impl_->allocate(now); }
void Client::verify(TimePoint now) { impl_->verify(now); }
void Client::release(TimePoint now) { impl_->release(now); }
void Client::flow_opened(TimePoint now, FlowId flow) { impl_->flow_opened(now, flow); }
void Client::flow_failed(TimePoint now, FlowId flow, std::string reason) {
  impl_->flow_failed(now, flow, std::move(reason));
}
void Client::handle_bytes(TimePoint now, FlowId flow, ByteView bytes) { impl_->handle_bytes(now, flow, bytes); }
std::optional<Received> Client::poll_received() { return impl_->poll_received(); }
std::size_t Client::header_size(const Address& peer) const { return impl_->header_size(peer); }
std::size_t Client::frame(TimePoint now, const Address& peer, MutableByteView out, std::size_t payload_size) {
  return impl_->frame(now, peer, out, payload_size);
}
std::optional<FlowId> Client::flow() const { return impl_->flow(); }
void Client::handle_timeout(TimePoint now) { impl_->handle_timeout(now); }
std::optional<Transmit> Client::poll_transmit() { return impl_->poll_transmit(); }
std::optional<Event> Client::poll_event() { return impl_->poll_event(); }
TimePoint Client::next_timeout() const { return impl_->next_timeout(); }
State Client::state() const { return impl_->state(); }
const Server& Client::server() const { return impl_->server(); }
std::optional<Address> Client::relayed() const { return impl_->relayed(); }
const Counters& Client::counters() const { return impl_->counters(); }

}  // namespace isotube::turn
