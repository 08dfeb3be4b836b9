#include "webrtc/flows.hpp"

#include <utility>

namespace isotube::webrtc {
namespace {

using runtime::Flow;

Flow::Transport to_flow(turn::Transport transport) {
  switch (transport) {
    case turn::Transport::Udp:
      return Flow::Transport::Udp;
    case turn::Transport::Tcp:
      return Flow::Transport::Tcp;
    case turn::Transport::Tls:
      return Flow::Transport::Tls;
  }
  return Flow::Transport::Udp;
}

}  // namespace

Flows::Flows(runtime::Strand strand, runtime::TlsTrust trust, Callbacks callbacks)
    : strand_(std::move(strand)), trust_(std::move(trust)), callbacks_(std::move(callbacks)) {}

void Flows::open(const peer::OpenFlow& event) {
  const peer::FlowId id = event.flow;
  // A flow calls nothing once it is destroyed, and they all are when this object is.
  Flow::Callbacks callbacks{
      .opened = [this, id](const Address& /*local*/) { callbacks_.opened(id); },
      .failed = [this, id](const std::string& reason) { callbacks_.failed(id, reason); },
      .received = [this, id](std::span<const ByteView> pieces) { callbacks_.received(id, pieces); },
      .writable = [this] { callbacks_.writable(); },
      .closed = [this, id] { flows_.erase(id); },
  };
  flows_.emplace(
      id, Flow::open(strand_, {to_flow(event.transport), event.server, event.name}, trust_, std::move(callbacks)));
}

void Flows::close(const peer::FlowId& flow) {
  if (const auto found = flows_.find(flow); found != flows_.end()) found->second.close();
}

void Flows::send(const peer::FlowId& flow, ByteView bytes, std::size_t segment_size) {
  const auto found = flows_.find(flow);
  if (found == flows_.end() || found->second.blocked()) return;
  (void)found->second.send(bytes, segment_size);
}

bool Flows::blocked(const peer::FlowId& flow) const {
  const auto found = flows_.find(flow);
  return found != flows_.end() && found->second.blocked();
}

}  // namespace isotube::webrtc
