// The ways to TURN servers that a peer has asked for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "peer/relay_events.hpp"
#include "runtime/flow.hpp"

namespace isotube::webrtc {

/// Ownership: one peer connection's, used on its strand only. What it calls, it calls on the strand, never from within
/// a call of this class, and never once it is gone.
class Flows {
 public:
  struct Callbacks {
    std::function<void(peer::FlowId)> opened;
    std::function<void(peer::FlowId, const std::string& reason)> failed;
    std::function<void(peer::FlowId, std::span<const ByteView> pieces)> received;
    /// A flow that was blocked takes more.
    std::function<void()> writable;
  };

  Flows(runtime::Strand strand, runtime::TlsTrust trust, Callbacks callbacks);

  void open(const peer::OpenFlow& event);
  /// What was sent before still leaves.
  void close(const peer::FlowId& flow);
  /// Drops what a blocked stream has no room for, in whole frames, as a network would.
  void send(const peer::FlowId& flow, ByteView bytes, std::size_t segment_size);
  [[nodiscard]] bool blocked(const peer::FlowId& flow) const;
  void close_all() { flows_.clear(); }

 private:
  runtime::Strand strand_;
  runtime::TlsTrust trust_;
  Callbacks callbacks_;
  std::map<peer::FlowId, runtime::Flow> flows_;
};

}  // namespace isotube::webrtc
