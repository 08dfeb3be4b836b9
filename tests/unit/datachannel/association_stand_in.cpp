#include "association_stand_in.hpp"

namespace isotube::sctp {
namespace {

std::map<const Association*, StandIn>& stand_ins() {
  static std::map<const Association*, StandIn> all;
  return all;
}

}  // namespace

class Association::Impl {};

StandIn& stand_in_of(const Association& association) { return stand_ins().at(&association); }

Association::Association(const Settings&, Random, BufferPool&) { stand_ins()[this] = {}; }
Association::~Association() { stand_ins().erase(this); }

std::expected<void, SendError> Association::send(TimePoint, StreamId stream, const SendOptions& options,
                                                 Buffer&& message) {
  StandIn& self = stand_in_of(*this);
  if (self.refuse) return std::unexpected(*self.refuse);
  self.sent.push_back({stream, options, to_bytes(message.view())});
  self.buffered[stream] += message.size();
  message = Buffer();
  return {};
}

void Association::reset_streams(TimePoint, std::span<const StreamId> streams) {
  auto& resets = stand_in_of(*this).resets;
  resets.insert(resets.end(), streams.begin(), streams.end());
}

void Association::set_buffered_amount_low_threshold(StreamId stream, std::size_t bytes) {
  stand_in_of(*this).thresholds[stream] = bytes;
}

State Association::state() const { return stand_in_of(*this).state; }
std::size_t Association::buffered_amount(StreamId stream) const { return stand_in_of(*this).buffered[stream]; }
std::uint16_t Association::outgoing_streams() const { return stand_in_of(*this).streams; }

}  // namespace isotube::sctp
