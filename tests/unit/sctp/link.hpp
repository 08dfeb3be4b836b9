// Two associations, A and Z, and the network between them, in virtual time. Everything is fixed by the seed: the
// associations' randomness and the network's dice.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "sctp/association.hpp"
#include "unit/sctp/wire.hpp"

namespace isotube::sctp {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// The randomness of side `number` (1 is A, 2 is Z) of the link with this seed.
Random seeded(std::uint64_t seed, std::uint8_t number);

/// What the way of a packet does to it, the same in both directions.
struct Network {
  Duration delay = milliseconds(10);
  Duration jitter{};  ///< up to so much more for each packet alone: packets overtake each other
  double loss = 0;
  double duplicates = 0;
};

struct Message {
  StreamId stream{};
  Ppid ppid{};
  bool ordered = true;
  Bytes bytes;
};

/// A packet as its sender gave it to the network.
struct Sent {
  TimePoint at;
  Bytes bytes;
  wire::Packet packet;
  bool lost = false;
};

/// One association, its pool, what it said so far, and what happens to the packets that it sends.
class Side {
 public:
  Side(const Settings& settings, std::uint64_t seed, std::uint8_t number);
  ~Side();
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  Association* operator->() { return association.get(); }

  [[nodiscard]] std::size_t sent_chunks(wire::Type type) const;
  /// Packets sent so far that carry user data.
  [[nodiscard]] std::vector<const Sent*> data_packets() const;
  [[nodiscard]] bool is_closed() const { return !closed.empty(); }

  Settings settings;
  BufferPool pool;
  std::unique_ptr<Association> association;

  bool reading = true;                     ///< events are taken as soon as they are there
  bool keep_sent = true;                   ///< `sent` is filled
  std::uint32_t tag = 0;                   ///< what packets to this side carry, as seen on the wire
  std::set<std::uint32_t> announced_tags;  ///< in INIT and INIT-ACK; an answer to a repeated INIT may have another
  std::uint64_t polled = 0;                ///< packets that poll_transmit gave

  std::vector<Sent> sent;
  std::vector<Message> messages;
  std::vector<StreamId> incoming_reset;
  std::size_t messages_before_reset = 0;  ///< what `messages` held at the last of these
  std::vector<StreamId> outgoing_reset;
  std::vector<StreamId> reset_refused;
  std::vector<StreamId> low;
  std::vector<Closed> closed;
  int connected = 0;

  /// Takes messages instead of `messages`.
  std::function<void(const MessageReceived&)> on_message;
  /// True: the packet is lost.
  std::function<bool(const wire::Packet&)> drop_if;
  /// Changes the packet on its way; its checksum is made right again.
  std::function<void(wire::Packet&)> rewrite;
  /// More delay for this packet.
  std::function<Duration(const wire::Packet&)> hold;
};

class Link {
 public:
  struct Options {
    std::uint64_t seed = 1;
    Network network = {};
    Settings a = {};
    Settings z = {};
  };

  Link() : Link(Options{}) {}
  explicit Link(Options options);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// A connects; true if both are Connected in time.
  bool connect();

  /// Lets packets travel and timers fire until `done`, which is asked after each step.
  bool run_until(const std::function<bool()>& done, Duration limit = seconds(60));
  void run_for(Duration duration) {
    run_until([] { return false; }, duration);
  }

  /// For long runs: what is sent is carried and checked, but not kept.
  void keep_nothing() { a.keep_sent = z.keep_sent = false; }

  /// Sends a copy of `bytes`.
  std::expected<void, SendError> send(Side& from, std::uint16_t stream, ByteView bytes, SendOptions options = {});
  /// Gives `to` a packet as if its peer had sent it: with the right tag, unless the packet has one.
  void inject(Side& to, wire::Packet packet);
  void inject_bytes(Side& to, ByteView bytes);
  /// Takes what both sides have to say now, without letting time pass.
  void drain();

  TimePoint now{std::chrono::hours(1)};
  Network network;
  Side a;
  Side z;
  /// Called before each step: a sender that refills, a script.
  std::function<void()> on_step;

 private:
  struct Flight {
    Side* to;
    Bytes bytes;
  };

  /// More steps than any honest run needs: a livelock.
  static constexpr int kStepsAtOneTime = 2'000;
  static constexpr int kPacketsAtOnce = 100'000;

  bool drain(Side& from, Side& to);
  void transmit(Side& from, Side& to, ByteView bytes);
  void deliver_due();
  [[nodiscard]] TimePoint next_wakeup() const;
  double dice() { return static_cast<double>(dice_() >> 11) * 0x1.0p-53; }

  std::mt19937_64 dice_;
  std::multimap<TimePoint, Flight> flights_;
  Bytes packet_;
};

/// `size` bytes that look random and are fixed by `seed`.
Bytes random_bytes(std::size_t size, std::uint64_t seed);

inline std::vector<std::uint16_t> numbers(const std::vector<StreamId>& streams) {
  std::vector<std::uint16_t> all;
  for (StreamId stream : streams) all.push_back(static_cast<std::uint16_t>(stream));
  return all;
}

/// Drops the first `count` packets with a chunk of `type`.
std::function<bool(const wire::Packet&)> drop_first(wire::Type type, int count = 1);

}  // namespace isotube::sctp
