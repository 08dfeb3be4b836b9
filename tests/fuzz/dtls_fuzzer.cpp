// USES dtls sim_surroundings
//
// Two DTLS sessions that would get along, and a stranger between them who carries, drops and forges datagrams in any
// state of the handshake while time passes. The input is his list of deeds.
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "dtls/session.hpp"
#include "sim/surroundings/surroundings.hpp"

namespace {

using namespace isotube;

void demand(bool condition) {
  if (!condition) std::abort();
}

Random seeded(std::uint8_t number) {
  Random::Seed seed{};
  seed[0] = std::byte{number};
  return Random(seed);
}

dtls::Certificate certificate_of(std::uint8_t number) {
  sim::VirtualSurroundings surroundings(seeded(number));
  const dtls::SurroundingsScope scope(&surroundings, TimePoint{});
  return dtls::Certificate::generate(1'700'000'000);
}

struct Side {
  Side(dtls::Role role, std::uint8_t number, const dtls::Certificate& ours, const dtls::Certificate& theirs)
      : surroundings(seeded(number)),
        session(role, ours, {theirs.fingerprint()}, {.max_datagram = 512, .surroundings = &surroundings}) {}

  /// What every session keeps to, whatever came.
  void drain(TimePoint now) {
    std::array<std::byte, 16'384> record;
    while (session.read(now, record)) continue;
    while (std::optional<dtls::Event> event = session.poll_event()) {
      demand(!ended);
      demand(!std::holds_alternative<dtls::Connected>(*event) || !connected);
      connected = connected || std::holds_alternative<dtls::Connected>(*event);
      ended = !std::holds_alternative<dtls::Connected>(*event);
    }
    while (std::optional<Bytes> datagram = session.poll_transmit()) {
      demand(!datagram->empty() && datagram->size() <= 1'500);
      if (sent.size() < 64) sent.push_back(std::move(*datagram));
    }
    const dtls::State state = session.state();
    demand(ended == (state == dtls::State::Closed || state == dtls::State::Failed));
    demand(!ended || session.next_timeout() == kNever);
    demand(ERR_peek_error() == 0);
  }

  sim::VirtualSurroundings surroundings;
  dtls::Session session;
  std::deque<Bytes> sent;
  bool connected = false;
  bool ended = false;
};

class Stranger {
 public:
  explicit Stranger(ByteView deeds) : deeds_(deeds) {}

  void run() {
    client_.session.start(now_);
    for (std::size_t steps = deeds_.u8() % 12; steps > 0; --steps) carry_all();
    for (int deeds = 0; deeds < 200 && deeds_.remaining() > 0; ++deeds) {
      act();
      client_.drain(now_);
      server_.drain(now_);
    }
  }

 private:
  enum class Deed : std::uint8_t { Carry, Drop, Repeat, Reorder, Raw, Forge, Flip, Cut, Wait, Seal, Start, Close };
  static constexpr std::uint8_t kDeeds = 12;

  void act() {
    const std::uint8_t choice = deeds_.u8();
    const auto deed = static_cast<Deed>(choice % kDeeds);
    const bool to_client = choice >= 128;
    Side& from = to_client ? server_ : client_;
    Side& to = to_client ? client_ : server_;
    if (touch_next(deed, from, to)) return;
    switch (deed) {
      case Deed::Raw:
        return to.session.handle_datagram(now_, deeds_.bytes(std::min<std::size_t>(deeds_.u8(), deeds_.remaining())));
      case Deed::Forge:
        return forge(to);
      case Deed::Wait:
        return wait(to);
      case Deed::Seal:
        return seal(from);
      case Deed::Start:
        return to.session.start(now_);
      case Deed::Close:
        // Seldom, or most inputs would end early.
        if (deeds_.u8() == 0xFF) to.session.close(now_);
        return;
      default:
        return carry_all();
    }
  }

  /// Deeds upon the next datagram on its way.
  bool touch_next(Deed deed, Side& from, Side& to) {
    if (from.sent.empty() || deed == Deed::Raw || deed >= Deed::Wait || deed == Deed::Forge) return false;
    Bytes datagram = std::move(from.sent.front());
    from.sent.pop_front();
    if (deed == Deed::Drop) return true;
    if (deed == Deed::Repeat) from.sent.push_back(datagram);
    if (deed == Deed::Reorder) {
      from.sent.push_back(std::move(datagram));
      return true;
    }
    if (deed == Deed::Flip) datagram[deeds_.u16() % datagram.size()] ^= static_cast<std::byte>(deeds_.u8());
    if (deed == Deed::Cut) datagram.resize(deeds_.u16() % datagram.size());
    to.session.handle_datagram(now_, datagram);
    return true;
  }

  /// A record whose outside is right.
  void forge(Side& to) {
    const std::uint8_t shape = deeds_.u8();
    const ByteView fragment = deeds_.bytes(std::min<std::size_t>(deeds_.u8(), deeds_.remaining()));
    Bytes record;
    BytesWriter writer(record);
    writer.u8(static_cast<std::uint8_t>(20 + shape % 4));
    writer.u16(0xFEFD);
    writer.u16(shape >> 2 & 1);
    writer.u16(0);
    writer.u32(shape);
    writer.u16(static_cast<std::uint16_t>(fragment.size()));
    writer.bytes(fragment);
    to.session.handle_datagram(now_, record);
  }

  void wait(Side& side) {
    const std::uint8_t how = deeds_.u8();
    const TimePoint due = side.session.next_timeout();
    if (how % 2 == 0 && due != kNever) {
      now_ = std::max(now_, due);
    } else {
      now_ += std::chrono::milliseconds(how);
    }
    client_.session.handle_timeout(now_);
    server_.session.handle_timeout(now_);
  }

  void seal(Side& side) {
    const Bytes text(deeds_.u8(), std::byte{'t'});
    Bytes out(text.size() + dtls::Session::kOverhead);
    const auto length = side.session.seal(now_, text, out);
    if (!length || *length == 0) return;
    out.resize(*length);
    side.sent.push_back(std::move(out));
  }

  void carry_all() {
    if (server_.session.state() == dtls::State::New) server_.session.start(now_);
    client_.drain(now_);
    server_.drain(now_);
    for (auto [from, to] : {std::pair{&client_, &server_}, std::pair{&server_, &client_}}) {
      if (from->sent.empty()) continue;
      const Bytes datagram = std::move(from->sent.front());
      from->sent.pop_front();
      to->session.handle_datagram(now_, datagram);
      to->drain(now_);
    }
  }

  ByteReader deeds_;
  TimePoint now_ = TimePoint(std::chrono::hours(1));
  inline static const dtls::Certificate kClients = certificate_of(1);
  inline static const dtls::Certificate kServers = certificate_of(2);
  Side client_{dtls::Role::Client, 3, kClients, kServers};
  Side server_{dtls::Role::Server, 4, kServers, kClients};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Stranger(std::as_bytes(std::span(data, size))).run();
  return 0;
}
