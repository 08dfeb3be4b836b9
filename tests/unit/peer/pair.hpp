// Two peers joined by a wire that loses nothing, in virtual time. Loss belongs to the simulation, which gives OpenSSL
// the same clock.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "peer/peer.hpp"

namespace isotube::peer {

/// Any date: OpenSSL checks no validity of a self-signed certificate that is known by its fingerprint.
inline constexpr std::int64_t kToday = 1'700'000'000;

inline Random seeded(std::uint8_t number) {
  Random::Seed seed{};
  seed[0] = std::byte{number};
  return Random(seed);
}

/// One peer, its address, and all that it said so far.
struct Side {
  Side(Settings settings, std::uint8_t number, const char* address)
      : own_address(*Address::parse(address)),
        peer(std::move(settings), seeded(number), pool, dtls::Certificate::generate(kToday)) {}

  template <typename Wanted>
  [[nodiscard]] std::vector<const Wanted*> all() const {
    std::vector<const Wanted*> found;
    for (const Event& event : events) {
      if (const auto* wanted = std::get_if<Wanted>(&event)) found.push_back(wanted);
    }
    return found;
  }

  Address own_address;
  BufferPool pool;
  Peer peer;
  std::vector<Event> events;
  std::vector<Bytes> sent;
};

class Pair {
 public:
  explicit Pair(Settings offerer_settings = {}, Settings answerer_settings = {})
      : offerer(std::move(offerer_settings), 1, "192.0.2.1:1000"),
        answerer(std::move(answerer_settings), 2, "192.0.2.2:2000") {}

  /// Signals both ways. `change` may spoil the offer or the answer on its way.
  void negotiate(const std::function<void(sdp::Description&)>& change_answer = {}) {
    for (Side* side : {&offerer, &answerer}) {
      side->peer.add_local_address(now, side->own_address);
      side->peer.end_of_local_addresses(now);
    }
    const sdp::Description offer = offerer.peer.create_offer(now);
    auto answer = answerer.peer.accept_offer(now, offer);
    if (change_answer) change_answer(*answer);
    (void)offerer.peer.set_answer(now, *answer);
  }

  /// Carries datagrams and lets time pass until `done`, or until `limit` of virtual time is over.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::seconds(60)) {
    const TimePoint end = now + limit;
    while (!done()) {
      if (exchange()) continue;
      const TimePoint next = std::min(offerer.peer.next_timeout(), answerer.peer.next_timeout());
      if (next > end) return false;
      now = std::max(now + std::chrono::microseconds(1), next);
      offerer.peer.handle_timeout(now);
      answerer.peer.handle_timeout(now);
    }
    return true;
  }

  bool connect() {
    negotiate();
    return run_until(
        [this] { return offerer.peer.state() == State::Connected && answerer.peer.state() == State::Connected; });
  }

  TimePoint now = TimePoint(std::chrono::hours(1));
  Side offerer;
  Side answerer;
  bool cut = false;  ///< nothing arrives any more
  /// Says whether a datagram is lost on its way; `path` as its sender sees it.
  std::function<bool(const Path&, ByteView)> lose = [](const Path&, ByteView) { return false; };

 private:
  bool exchange() {
    const bool there = carry(offerer, answerer);
    return carry(answerer, offerer) || there;
  }

  bool carry(Side& from, Side& to) {
    bool moved = false;
    while (std::optional<Event> event = from.peer.poll_event()) {
      from.events.push_back(std::move(*event));
      moved = true;
    }
    while (from.peer.poll_transmit(now, *batch_)) {
      moved = true;
      ByteView rest = batch_->bytes();
      while (!rest.empty()) {
        const std::size_t length = std::min(rest.size(), batch_->segment_size());
        from.sent.push_back(to_bytes(rest.first(length)));
        const bool arrives =
            !cut && batch_->path().remote == to.own_address && !lose(batch_->path(), rest.first(length));
        if (arrives) to.peer.handle_datagram(now, {to.own_address, batch_->path().local}, rest.first(length));
        rest = rest.subspan(length);
      }
    }
    return moved;
  }

  std::unique_ptr<TransmitBatch> batch_ = std::make_unique<TransmitBatch>();
};

}  // namespace isotube::peer
