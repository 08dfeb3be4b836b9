#include "webrtc/peer_connection.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace isotube::webrtc {
namespace {

namespace asio = boost::asio;

/// One for each worker: 64 KiB that no tube needs between its turns.
peer::TransmitBatch& thread_batch() {
  thread_local auto batch = std::make_unique<peer::TransmitBatch>();
  return *batch;
}

asio::steady_timer::time_point to_steady(TimePoint time) {
  return asio::steady_timer::time_point(
      std::chrono::duration_cast<asio::steady_timer::duration>(time.time_since_epoch()));
}

}  // namespace

std::shared_ptr<PeerConnection> PeerConnection::create(runtime::Strand strand, const peer::Settings& settings,
                                                       const Random& random) {
  return std::make_shared<PeerConnection>(std::move(strand), settings, random);
}

PeerConnection::PeerConnection(runtime::Strand strand, const peer::Settings& settings, const Random& random)
    : strand_(std::move(strand)),
      random_(random.fork("ports")),
      peer_(settings, random, pool_, dtls::Certificate::generate(runtime::unix_seconds())),
      keeper_(peer_, random.fork("relays")),
      timer_(strand_) {}

void PeerConnection::turn_again() {
  if (again_posted_ || stopped_) return;
  again_posted_ = true;
  asio::post(strand_, [weak = weak_from_this()] {
    const std::shared_ptr<PeerConnection> self = weak.lock();
    if (!self) return;
    self->again_posted_ = false;
    self->turn([](TimePoint) {});
  });
}

void PeerConnection::stop() {
  stopped_ = true;
  v4_.reset();
  v6_.reset();
  flows_.reset();
  timer_.cancel();
}

void PeerConnection::fail(std::exception_ptr failure) noexcept {
  if (const std::shared_ptr<Handler> handler = handler_.lock()) handler->handle_failure(std::move(failure));
}

void PeerConnection::settle(TimePoint now, Handler& handler) {
  for (bool first = true; !stopped_; first = false) {
    if (!hand_over_events(now, handler) && !first) break;
    if (!stopped_) handler.handle_turn(now);
    if (!stopped_) transmit(now);
  }
  if (stopped_) return;
  if (peer_closed_ && peer_.finished()) {
    stop();
    handler.handle_stopped();
    return;
  }
  arm_timer(handler);
}

bool PeerConnection::hand_over_events(TimePoint now, Handler& handler) {
  bool any = false;
  while (!stopped_) {
    std::optional<peer::Event> event = peer_.poll_event();
    if (!event) break;
    any = true;
    attend_to(now, *event);
    handler.handle_event(now, std::move(*event));
  }
  return any;
}

void PeerConnection::attend_to(TimePoint now, const peer::Event& event) {
  if (const auto* open = std::get_if<peer::OpenFlow>(&event)) flows_->open(*open);
  if (const auto* close = std::get_if<peer::CloseFlow>(&event)) flows_->close(close->flow);
  if (const auto* allocated = std::get_if<peer::RelayAllocated>(&event)) keeper_.handle(now, *allocated);
  if (const auto* failed = std::get_if<peer::RelayFailed>(&event)) keeper_.handle(now, *failed);
  if (const auto* lost = std::get_if<peer::RelayLost>(&event)) keeper_.handle(now, *lost);
  if (std::holds_alternative<peer::Closed>(event)) {
    peer_closed_ = true;
    keeper_.stop();
  }
}

bool PeerConnection::blocked() const {
  // A flow that nothing goes through holds nothing up: what it has no room for is dropped.
  const std::optional<peer::FlowId> flow = flows_ ? peer_.selected_flow() : std::nullopt;
  return (v4_ && v4_->udp.blocked()) || (v6_ && v6_->udp.blocked()) || (flow && flows_->blocked(*flow));
}

void PeerConnection::transmit(TimePoint now) {
  peer::TransmitBatch& batch = thread_batch();
  std::size_t sent = 0;
  // A full socket keeps the rest of one batch; more stays in the peer, which holds data better than a queue here would.
  while (!blocked() && peer_.poll_transmit(now, batch)) {
    sent += batch.bytes().size();
    if (batch.flow()) {
      flows_->send(*batch.flow(), batch.bytes(), batch.segment_size());
    } else if (std::optional<Socket>& socket = socket_of(batch.path().remote.ip);
               socket && socket->udp.send(batch.path(), batch.bytes(), batch.segment_size()) ==
                             runtime::UdpSocket::SendResult::Blocked) {
      wait_writable(socket);
    }
    if (sent >= kTurnBytes && !peer_closed_) return turn_again();
  }
}

void PeerConnection::arm_timer(const Handler& handler) {
  const TimePoint next = std::min({peer_.next_timeout(), keeper_.next_timeout(), handler.next_timeout()});
  // A timer that goes off too early costs one look; moving it with each datagram would cost a system call each.
  if (next == kNever || armed_for_ <= next) return;
  armed_for_ = next;
  timer_.expires_at(to_steady(next));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const std::shared_ptr<PeerConnection> self = weak.lock();
    if (error || !self) return;
    self->armed_for_ = kNever;
    self->turn([&self](TimePoint now) { self->handle_timer(now); });
  });
}

void PeerConnection::handle_timer(TimePoint now) {
  if (now >= peer_.next_timeout()) peer_.handle_timeout(now);
  if (now >= keeper_.next_timeout()) keeper_.handle_timeout(now);
}

}  // namespace isotube::webrtc
