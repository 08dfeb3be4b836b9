// One tube as a node: a whole peer with its surroundings and one address at a time.
#pragma once

#include <memory>

#include "base/buffer.hpp"
#include "peer/peer.hpp"
#include "sim/surroundings/surroundings.hpp"
#include "sim/world/transcript.hpp"
#include "sim/world/world.hpp"

namespace isotube::sim {

class PeerNode : public Node {
 public:
  PeerNode(const Address& address, const peer::Settings& settings, const Random& random);

  [[nodiscard]] const Address& address() const { return address_; }
  /// Another network: the old address is gone, and nothing that goes there arrives any more.
  void move_to(TimePoint now, const Address& address);
  [[nodiscard]] peer::Peer& peer() { return peer_; }
  [[nodiscard]] const peer::Peer& peer() const { return peer_; }
  /// What this tube alone has sent.
  [[nodiscard]] std::uint64_t said() const { return transcript_.hash(); }

  [[nodiscard]] bool owns(const Address& address) const override { return address == address_; }
  void handle_datagram(TimePoint now, const Path& path, ByteView datagram) override;
  void handle_timeout(TimePoint now) override;
  bool drain(TimePoint now, Outlet& outlet) override;
  [[nodiscard]] TimePoint next_timeout() const override;

 protected:
  virtual void on_event(TimePoint now, peer::Event& event) = 0;
  /// Does what can be done now; true if anything was.
  virtual bool act(TimePoint now) = 0;
  [[nodiscard]] BufferPool& pool() { return pool_; }

 private:
  void send(TimePoint now, const peer::TransmitBatch& batch, Outlet& outlet);

  Address address_;
  VirtualSurroundings surroundings_;
  BufferPool pool_;
  peer::Peer peer_;
  std::unique_ptr<peer::TransmitBatch> batch_ = std::make_unique<peer::TransmitBatch>();
  Transcript transcript_;
};

}  // namespace isotube::sim
