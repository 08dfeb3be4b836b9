// What a session knows of one connection: where it stands, and its credit in both directions.
#pragma once

#include <cstdint>

#include "tunnel/session.hpp"

namespace isotube::tunnel {

enum class Opener : std::uint8_t { Us, Peer };

/// Legal steps:
///   Opening    → Open        ConnectionOpened passed
///   Open       → Finishing   both SendEOFs passed and all is delivered: we sent CloseConnection(0), the peer's is
///   awaited Opening (the peer's), Open → Delivering   the peer's CloseConnection(0) came; ours follows what is
///   undelivered any but Delivering → Lingering   we aborted: the driver is done with it, the peer's CloseConnection is
///   awaited
/// A record dies when CloseConnection was both sent and received; until then its number is in use.
enum class Phase : std::uint8_t { Opening, Open, Finishing, Delivering, Lingering };

/// Unspent credit may not grow beyond what a u32 holds.
inline constexpr std::uint64_t kMaxCredit = 0xFFFF'FFFF;

struct Connection {
  ChannelId channel{};
  Opener opener = Opener::Us;
  Phase phase = Phase::Opening;
  /// A frame for it came back, so the peer knows it: an abort on `control` can't overtake its OpenConnection any more.
  bool heard = false;
  /// The peer, which keeps to no parity, opened the same number, and ours stands: its data until ConnectionOpened
  /// belongs to a connection that never was.
  bool collided = false;
  bool eof_sent = false;
  bool eof_received = false;
  bool eof_delivered = false;
  std::uint64_t send_credit = 0;     ///< bytes that we may still send
  std::uint64_t receive_credit = 0;  ///< bytes that the peer may still send
  std::uint64_t unconsumed = 0;      ///< came, and not yet consumed
  std::uint64_t ungranted = 0;       ///< consumed, and not yet granted again

  [[nodiscard]] bool may_write() const {
    return !eof_sent && (phase == Phase::Open || (phase == Phase::Opening && opener == Opener::Us));
  }
  /// The driver knows it and has not been told its end.
  [[nodiscard]] bool live() const { return phase != Phase::Lingering; }
};

}  // namespace isotube::tunnel
