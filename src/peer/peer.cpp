#include "peer/peer.hpp"

#include <utility>

#include "peer/stack.hpp"

namespace isotube::peer {

Peer::Peer(const Settings& settings, const Random& random, BufferPool& pool, dtls::Certificate certificate)
    : impl_(std::make_unique<Impl>(settings, random, pool, std::move(certificate))) {}

Peer::~Peer() = default;

sdp::Description Peer::create_offer(TimePoint now) { return impl_->create_offer(now); }

std::expected<void, DescriptionError> Peer::set_answer(TimePoint now, const sdp::Description& answer) {
  return impl_->set_answer(now, answer);
}

std::expected<sdp::Description, DescriptionError> Peer::accept_offer(TimePoint now, const sdp::Description& offer) {
  return impl_->accept_offer(now, offer);
}

void Peer::add_remote_candidate(TimePoint now, const ice::Candidate& candidate) {
  impl_->agent().add_remote_candidate(now, candidate);
  impl_->pump(now);
}

void Peer::end_of_remote_candidates(TimePoint now) {
  impl_->agent().end_of_remote_candidates(now);
  impl_->pump(now);
}

void Peer::add_remote_candidates(TimePoint now, const sdp::Fragment& fragment) {
  impl_->add_remote_candidates(now, fragment);
}

void Peer::add_local_address(TimePoint now, const Address& address) {
  if (impl_->uses_direct_paths()) impl_->agent().add_local_address(now, address);
  impl_->pump(now);
}

void Peer::add_public_address(TimePoint now, const Address& address, const Address& base) {
  if (impl_->uses_direct_paths()) impl_->agent().add_public_address(now, address, base);
  impl_->pump(now);
}

void Peer::add_stun_server(TimePoint now, const Address& server) {
  if (impl_->uses_direct_paths()) impl_->agent().add_stun_server(now, server);
  impl_->pump(now);
}

void Peer::end_of_local_addresses(TimePoint now) { impl_->end_of_local_addresses(now); }

void Peer::remove_local_address(TimePoint now, const Address& address) {
  impl_->agent().remove_local_address(now, address);
  impl_->pump(now);
}

std::optional<RelayId> Peer::add_relay(const turn::Server& server) { return impl_->relays().add(server); }

void Peer::allocate_relay(TimePoint now, RelayId relay) { impl_->allocate_relay(now, relay); }

void Peer::release_relay(TimePoint now, RelayId relay) {
  impl_->relays().release(now, relay);
  impl_->pump(now);
}

const turn::Client* Peer::relay(RelayId relay) const { return impl_->relays().client(relay); }

void Peer::flow_opened(TimePoint now, FlowId flow) {
  impl_->relays().flow_opened(now, flow);
  impl_->pump(now);
}

void Peer::flow_failed(TimePoint now, FlowId flow, std::string reason) {
  impl_->relays().flow_failed(now, flow, std::move(reason));
  impl_->pump(now);
}

void Peer::handle_flow_bytes(TimePoint now, FlowId flow, ByteView bytes) { impl_->handle_flow_bytes(now, flow, bytes); }

std::optional<FlowId> Peer::selected_flow() const { return impl_->selected_flow(); }

std::expected<sdp::Fragment, DescriptionError> Peer::restart_offer(TimePoint now) { return impl_->restart_offer(now); }

std::expected<void, DescriptionError> Peer::set_restart_answer(TimePoint now, const sdp::Fragment& answer) {
  return impl_->set_restart_answer(now, answer);
}

std::expected<sdp::Fragment, DescriptionError> Peer::accept_restart(TimePoint now, const sdp::Fragment& offer) {
  return impl_->accept_restart(now, offer);
}

void Peer::cancel_restart(TimePoint now) { impl_->cancel_restart(now); }

sdp::Fragment Peer::local_fragment() const { return impl_->local_fragment(); }

const ice::Credentials& Peer::remote_ice_credentials() const { return impl_->remote_ice_credentials(); }

const ice::Credentials& Peer::local_ice_credentials() const { return impl_->agent().local_credentials(); }

std::expected<datachannel::ChannelId, datachannel::OpenError> Peer::open_channel(
    TimePoint now, const datachannel::ChannelConfig& config) {
  if (impl_->state() == State::Closed) return std::unexpected(datachannel::OpenError::Closed);
  if (impl_->channels() == nullptr) return std::unexpected(datachannel::OpenError::RoleUnknown);
  auto opened = impl_->channels()->open(now, config);
  impl_->pump(now);
  return opened;
}

std::expected<void, datachannel::SendError> Peer::send(TimePoint now, datachannel::ChannelId channel,
                                                       datachannel::MessageKind kind, Buffer&& payload) {
  if (impl_->channels() == nullptr) return std::unexpected(datachannel::SendError::NoSuchChannel);
  return impl_->channels()->send(now, channel, kind, std::move(payload));
}

void Peer::close_channel(TimePoint now, datachannel::ChannelId channel) {
  if (impl_->channels() == nullptr) return;
  impl_->channels()->close(now, channel);
  impl_->pump(now);
}

std::size_t Peer::buffered_amount(datachannel::ChannelId channel) const {
  return impl_->channels() == nullptr ? 0 : impl_->channels()->buffered_amount(channel);
}

void Peer::set_buffered_amount_low_threshold(datachannel::ChannelId channel, std::size_t bytes) {
  if (impl_->channels() != nullptr) impl_->channels()->set_buffered_amount_low_threshold(channel, bytes);
}

std::size_t Peer::max_outgoing_message() const { return impl_->max_outgoing_message(); }

void Peer::handle_datagram(TimePoint now, const Path& path, ByteView datagram) {
  impl_->handle_datagram(now, path, datagram);
}

void Peer::handle_timeout(TimePoint now) { impl_->handle_timeout(now); }

bool Peer::poll_transmit(TimePoint now, TransmitBatch& batch) { return impl_->poll_transmit(now, batch); }

std::optional<Event> Peer::poll_event() {
  if (impl_->events().empty()) return std::nullopt;
  Event event = std::move(impl_->events().front());
  impl_->events().pop_front();
  return event;
}

TimePoint Peer::next_timeout() const { return impl_->next_timeout(); }

void Peer::close(TimePoint now) { impl_->close(now); }

bool Peer::finished() const { return impl_->finished(); }

State Peer::state() const { return impl_->state(); }

std::optional<Path> Peer::selected_path() const { return impl_->agent().selected_path(); }

std::optional<Duration> Peer::round_trip() const {
  if (impl_->association() != nullptr && impl_->association()->round_trip()) {
    return impl_->association()->round_trip();
  }
  return impl_->agent().round_trip();
}

const Counters& Peer::counters() const { return impl_->counters(); }

const ice::Counters& Peer::ice_counters() const { return impl_->agent().counters(); }

}  // namespace isotube::peer
