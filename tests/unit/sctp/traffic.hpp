// A direction of a link under load: messages that are sent as fast as the association takes them, and checked as they
// arrive.
#pragma once

#include <deque>
#include <random>
#include <utility>

#include "unit/sctp/ledger.hpp"
#include "unit/sctp/link.hpp"

namespace isotube::sctp {

struct Planned {
  std::uint16_t stream = 0;
  std::size_t size = 1;
  SendOptions options = {};
};

class Traffic {
 public:
  Traffic(Link& link, Side& from, Side& to, std::uint64_t seed = 1) : link_(link), from_(from), seed_(seed) {
    to.on_message = [this](const MessageReceived& received) {
      bytes_arrived_ += received.message.size();
      EXPECT_EQ(received.ppid, ppid_of(received.message.view()));
      ledger.received(received.stream, received.ordered, received.message.view());
    };
  }

  void add(const Planned& planned) { plan_.push_back(planned); }

  /// Sends what may be sent now.
  void pump() {
    for (; !plan_.empty(); plan_.pop_front()) {
      Planned& next = plan_.front();
      if (waiting_.empty()) waiting_ = random_bytes(next.size, ++seed_);
      next.options.ppid = ppid_of(waiting_);
      const auto sent = link_.send(from_, next.stream, waiting_, next.options);
      if (!sent) {
        EXPECT_EQ(sent.error(), SendError::WouldBlock);
        return;
      }
      ledger.sent(next.stream, next.options.ordered, waiting_);
      waiting_.clear();
    }
  }

  [[nodiscard]] bool done() const { return plan_.empty() && ledger.all_arrived(); }
  [[nodiscard]] bool all_sent() const { return plan_.empty(); }
  [[nodiscard]] std::size_t bytes_arrived() const { return bytes_arrived_; }

  Ledger ledger;

 private:
  /// Any rule by which a receiver can tell that the identifier came with its message.
  static Ppid ppid_of(ByteView bytes) {
    return Ppid{static_cast<std::uint32_t>(bytes.size() << 8) | std::to_integer<std::uint32_t>(bytes.front())};
  }

  Link& link_;
  Side& from_;
  std::uint64_t seed_;
  std::deque<Planned> plan_;
  Bytes waiting_;
  std::size_t bytes_arrived_ = 0;
};

/// Traffic in both directions.
struct BothWays {
  explicit BothWays(Link& link, std::uint64_t seed = 1)
      : there(link, link.a, link.z, seed * 1'000'003), back(link, link.z, link.a, seed * 2'000'003) {}

  void pump() {
    there.pump();
    back.pump();
  }

  [[nodiscard]] bool done() const { return there.done() && back.done(); }

  Traffic there;
  Traffic back;
};

/// Messages of all sizes on some streams, ordered and not.
inline void add_mixed(Traffic& traffic, std::uint64_t seed, std::size_t bytes) {
  std::mt19937_64 dice(seed);
  for (std::size_t planned = 0; planned < bytes;) {
    // Small messages are many, large ones carry most of the bytes.
    const std::size_t largest = std::size_t{1} << (dice() % 19);
    const std::size_t size = 1 + dice() % largest;
    const auto stream = static_cast<std::uint16_t>(dice() % 20);
    traffic.add({.stream = stream, .size = size, .options = {.ordered = dice() % 4 != 0}});
    planned += size;
  }
}

}  // namespace isotube::sctp
