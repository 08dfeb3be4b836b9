#include "sim/world/dtls_node.hpp"

#include <array>

#include "sim/world/certificates.hpp"

namespace isotube::sim {

DtlsNode::DtlsNode(dtls::Role role, const Path& path, const Random& random)
    : role_(role), path_(path), surroundings_(random), certificate_(generate_certificate(surroundings_)) {}

void DtlsNode::start(TimePoint now, const dtls::Fingerprint& expected, dtls::Settings settings) {
  settings.surroundings = &surroundings_;
  session_.emplace(role_, certificate_, std::vector{expected}, settings);
  session_->start(now);
}

void DtlsNode::handle_datagram(TimePoint now, const Path& /*path*/, ByteView datagram) {
  session_->handle_datagram(now, datagram);
}

void DtlsNode::handle_timeout(TimePoint now) { session_->handle_timeout(now); }

bool DtlsNode::drain(TimePoint now, Outlet& outlet) {
  bool moved = false;
  std::array<std::byte, 16'384> record;
  while (const auto length = session_->read(now, record)) {
    heard_.push_back(to_bytes(ByteView(record).first(*length)));
    moved = true;
  }
  while (std::optional<dtls::Event> event = session_->poll_event()) {
    events_.push_back(std::move(*event));
    moved = true;
  }
  while (const std::optional<Bytes> datagram = session_->poll_transmit()) {
    outlet.send(now, path_, *datagram);
    moved = true;
  }
  return send_what_is_to_say(now, outlet) || moved;
}

bool DtlsNode::send_what_is_to_say(TimePoint now, Outlet& outlet) {
  bool moved = false;
  while (!to_say_.empty() && session_->state() == dtls::State::Connected) {
    Bytes datagram(to_say_.front().size() + dtls::Session::kOverhead);
    const auto length = session_->seal(now, to_say_.front(), datagram);
    to_say_.pop_front();
    if (!length) continue;
    outlet.send(now, path_, ByteView(datagram).first(*length));
    moved = true;
  }
  return moved;
}

TimePoint DtlsNode::next_timeout() const { return session_->next_timeout(); }

}  // namespace isotube::sim
