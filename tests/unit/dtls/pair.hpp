// Two DTLS sessions joined by a wire that a test may cut, in virtual time.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "dtls/certificate.hpp"
#include "dtls/session.hpp"
#include "sim/surroundings/surroundings.hpp"

namespace isotube::dtls {

inline constexpr std::int64_t kToday = 1'700'000'000;

inline Random seeded(std::uint8_t number) {
  Random::Seed seed{};
  seed[0] = std::byte{number};
  return Random(seed);
}

inline Certificate generate_in(Surroundings& surroundings) {
  const SurroundingsScope scope(&surroundings, TimePoint{});
  return Certificate::generate(kToday);
}

/// One end, and all that it said so far.
struct Side {
  Side(Role chosen, std::uint8_t seed)
      : role(chosen), surroundings(seeded(seed)), certificate(generate_in(surroundings)) {}

  void make_session(std::vector<Fingerprint> expected, Settings settings) {
    settings.surroundings = &surroundings;
    session.emplace(role, certificate, std::move(expected), settings);
  }

  template <typename Wanted>
  [[nodiscard]] const Wanted* find() const {
    for (const Event& event : events) {
      if (const auto* wanted = std::get_if<Wanted>(&event)) return wanted;
    }
    return nullptr;
  }

  [[nodiscard]] bool failed_with(Failure failure) const {
    const auto* failed = find<Failed>();
    return failed != nullptr && failed->failure == failure;
  }

  Role role;
  sim::VirtualSurroundings surroundings;
  Certificate certificate;
  std::optional<Session> session;
  std::vector<Event> events;
  std::vector<Bytes> received;
  std::vector<Bytes> sent;
};

/// What a wire gives for a datagram that it loses, and for one that it carries.
inline const std::vector<Bytes> kLost;
inline std::vector<Bytes> passed(Bytes datagram) {
  std::vector<Bytes> datagrams;
  datagrams.push_back(std::move(datagram));
  return datagrams;
}

class Pair {
 public:
  /// Gets each datagram with its sender and its number on that way, from 0; what it gives arrives in its place.
  using Wire = std::function<std::vector<Bytes>(Role from, std::size_t number, Bytes datagram)>;

  struct Options {
    Settings client = {};
    Settings server = {};
    std::optional<std::vector<Fingerprint>> client_expects = std::nullopt;
    std::optional<std::vector<Fingerprint>> server_expects = std::nullopt;
    std::uint8_t seed = 1;
  };

  Pair() : Pair(Options{}) {}
  explicit Pair(Options options)
      : client(Role::Client, options.seed), server(Role::Server, static_cast<std::uint8_t>(options.seed + 100)) {
    client.make_session(options.client_expects.value_or(std::vector{server.certificate.fingerprint()}), options.client);
    server.make_session(options.server_expects.value_or(std::vector{client.certificate.fingerprint()}), options.server);
  }

  void start() {
    client.session->start(now);
    server.session->start(now);
  }

  /// Carries datagrams and lets time pass until `done`, or until nothing more happens within `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::seconds(60)) {
    const TimePoint end = now + limit;
    while (!done()) {
      if (exchange()) continue;
      const TimePoint next = std::min(client.session->next_timeout(), server.session->next_timeout());
      if (next > end) return false;
      now = std::max(now, next);
      client.session->handle_timeout(now);
      server.session->handle_timeout(now);
    }
    return true;
  }

  void run() {
    (void)run_until([] { return false; });
  }

  bool connect() {
    start();
    return run_until([this] { return both(State::Connected); });
  }

  [[nodiscard]] bool both(State state) const {
    return client.session->state() == state && server.session->state() == state;
  }

  /// Seals `text` at `from` and gives the datagram without sending it.
  Bytes seal(Side& from, std::string_view text) const {
    Bytes out(text.size() + Session::kOverhead);
    const auto length = from.session->seal(now, as_byte_view(text), out);
    out.resize(length.value_or(0));
    return out;
  }

  /// Hands `datagram` to `to` and takes up all that it has to say.
  void deliver(Side& to, ByteView datagram) {
    to.session->handle_datagram(now, datagram);
    drain(to);
  }

  /// Carries what waits, both ways. False if nothing did.
  bool exchange() {
    const bool there = carry(client, server);
    return carry(server, client) || there;
  }

  TimePoint now = TimePoint(std::chrono::hours(1));
  Side client;
  Side server;
  Wire wire;

 private:
  void drain(Side& side) const {
    std::array<std::byte, 16'384> record;
    while (const auto length = side.session->read(now, record)) {
      side.received.push_back(to_bytes(ByteView(record).first(*length)));
    }
    while (std::optional<Event> event = side.session->poll_event()) side.events.push_back(std::move(*event));
  }

  bool carry(Side& from, Side& to) {
    drain(from);
    bool moved = false;
    while (std::optional<Bytes> datagram = from.session->poll_transmit()) {
      moved = true;
      const std::size_t number = from.sent.size();
      from.sent.push_back(*datagram);
      if (!wire) {
        deliver(to, *datagram);
        continue;
      }
      for (const Bytes& arriving : wire(from.role, number, std::move(*datagram))) deliver(to, arriving);
    }
    drain(to);
    return moved;
  }
};

}  // namespace isotube::dtls
