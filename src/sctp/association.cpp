#include "sctp/association.hpp"

#include <utility>

#include "base/assert.hpp"
#include "sctp/state.hpp"

namespace isotube::sctp {
namespace {

/// RFC 9260 3.3.2: a tag is never 0.
std::uint32_t draw_tag(Random& random) {
  std::uint32_t tag = random.next_u32();
  while (tag == 0) tag = random.next_u32();
  return tag;
}

}  // namespace

Association::Impl::Impl(const Settings& settings, Random random, BufferPool& pool)
    : settings_(settings),
      round_trip_(settings_.rto_initial, settings_.rto_min, settings_.rto_max),
      random_(random),
      pool_(pool),
      cookies_(random.fork("cookie")),
      our_tag_(draw_tag(random_)),
      our_initial_tsn_(random_.next_u32()),
      outgoing_streams_(settings_.streams),
      outstanding_(std::in_place, our_initial_tsn_, settings_.max_packet, queue_),
      congestion_(settings_.max_packet),
      announced_window_(settings_.receive_window),
      next_request_(our_initial_tsn_) {
  timers_.fill(kNever);
}

/// A sender that waits for our reader hears of it when there is room again, not only when it next probes.
void Association::Impl::announce_window() {
  if (!reassembly_) return;
  const bool was_closed = announced_window_ < settings_.receive_window / 4;
  if (was_closed && receive_window() >= settings_.receive_window / 2) sack_need_ = SackNeed::Now;
}

std::optional<Event> Association::Impl::poll_event() {
  while (const std::optional<StreamId> low = queue_.take_low()) events_.push_back(BufferedAmountLow{*low});
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  if (const auto* received = std::get_if<MessageReceived>(&event)) {
    counters_.payload_bytes_received += received->message.size();
    undelivered_ -= received->message.size();
    announce_window();
  }
  return event;
}

Association::Association(const Settings& settings, Random random, BufferPool& pool)
    : impl_(std::make_unique<Impl>(settings, random, pool)) {}
Association::~Association() = default;
Association::Association(Association&&) noexcept = default;
Association& Association::operator=(Association&&) noexcept = default;

void Association::connect(TimePoint now) { impl_->connect(now); }
void Association::handle_packet(TimePoint now, ByteView packet) { impl_->handle_packet(now, packet); }
void Association::handle_timeout(TimePoint now) { impl_->handle_timeout(now); }

std::expected<void, SendError> Association::send(TimePoint now, StreamId stream, const SendOptions& options,
                                                 Buffer&& message) {
  return impl_->send(now, stream, options, std::move(message));
}

void Association::set_peer_max_message(std::size_t bytes) { impl_->peer_max_message_ = bytes; }
void Association::reset_streams(TimePoint, std::span<const StreamId> streams) { impl_->reset_streams(streams); }
void Association::shutdown(TimePoint now) { impl_->shutdown(now); }

void Association::abort(TimePoint, std::string_view reason) {
  impl_->abort(error_cause::kUserInitiatedAbort, reason, CloseReason::Aborted);
}

std::size_t Association::poll_transmit(TimePoint now, MutableByteView out) { return impl_->poll_transmit(now, out); }
std::optional<Event> Association::poll_event() { return impl_->poll_event(); }
TimePoint Association::next_timeout() const { return impl_->next_timeout(); }

State Association::state() const { return impl_->state_; }
std::size_t Association::buffered_amount(StreamId stream) const { return impl_->queue_.buffered(stream); }
std::size_t Association::buffered_amount() const { return impl_->queue_.buffered(); }

void Association::set_buffered_amount_low_threshold(StreamId stream, std::size_t bytes) {
  impl_->queue_.set_low_threshold(stream, bytes);
}

std::uint16_t Association::outgoing_streams() const { return impl_->outgoing_streams(); }
bool Association::interleaving() const { return impl_->interleaving_; }
std::optional<Duration> Association::round_trip() const { return impl_->round_trip_.smoothed(); }
const Counters& Association::counters() const { return impl_->counters_; }

}  // namespace isotube::sctp
