// One DTLS session as a node: sends its records one after another and keeps what it reads.
#pragma once

#include <deque>
#include <vector>

#include "dtls/session.hpp"
#include "sim/surroundings/surroundings.hpp"
#include "sim/world/world.hpp"

namespace isotube::sim {

class DtlsNode : public Node {
 public:
  DtlsNode(dtls::Role role, const Path& path, const Random& random);

  [[nodiscard]] const dtls::Fingerprint& fingerprint() const { return certificate_.fingerprint(); }
  void start(TimePoint now, const dtls::Fingerprint& expected, dtls::Settings settings);
  /// Seals `text` and sends it, once the session is connected.
  void say(ByteView text) { to_say_.push_back(to_bytes(text)); }
  void close(TimePoint now) { session_->close(now); }

  [[nodiscard]] bool owns(const Address& address) const override { return address == path_.local; }
  void handle_datagram(TimePoint now, const Path& path, ByteView datagram) override;
  void handle_timeout(TimePoint now) override;
  bool drain(TimePoint now, Outlet& outlet) override;
  [[nodiscard]] TimePoint next_timeout() const override;

  [[nodiscard]] dtls::State state() const { return session_->state(); }
  [[nodiscard]] const std::vector<dtls::Event>& events() const { return events_; }
  [[nodiscard]] const std::vector<Bytes>& heard() const { return heard_; }

 private:
  bool send_what_is_to_say(TimePoint now, Outlet& outlet);

  dtls::Role role_;
  Path path_;
  VirtualSurroundings surroundings_;
  dtls::Certificate certificate_;
  std::optional<dtls::Session> session_;
  std::deque<Bytes> to_say_;
  std::vector<dtls::Event> events_;
  std::vector<Bytes> heard_;
};

}  // namespace isotube::sim
