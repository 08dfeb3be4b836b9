#include "datachannel/channels.hpp"

#include "datachannel/table.hpp"

namespace isotube::datachannel {

Channels::Channels(Settings settings, sctp::Association& association, BufferPool& pool)
    : impl_(std::make_unique<Impl>(settings, association, pool)) {}

Channels::~Channels() = default;

void Channels::set_parity(Parity parity) { impl_->set_parity(parity); }

std::expected<ChannelId, OpenError> Channels::open(TimePoint now, const ChannelConfig& config) {
  return impl_->open(now, config);
}

std::expected<void, SendError> Channels::send(TimePoint now, ChannelId channel, MessageKind kind, Buffer&& payload) {
  return impl_->send(now, channel, kind, std::move(payload));
}

void Channels::close(TimePoint now, ChannelId channel) { impl_->close(now, channel); }

void Channels::handle_event(TimePoint now, sctp::Event&& event) { impl_->handle_event(now, std::move(event)); }

std::optional<Event> Channels::poll_event() { return impl_->poll_event(); }

std::size_t Channels::buffered_amount(ChannelId channel) const { return impl_->buffered_amount(channel); }

void Channels::set_buffered_amount_low_threshold(ChannelId channel, std::size_t bytes) {
  impl_->set_buffered_amount_low_threshold(channel, bytes);
}

std::size_t Channels::count() const { return impl_->count(); }

const Counters& Channels::counters() const { return impl_->counters(); }

}  // namespace isotube::datachannel
