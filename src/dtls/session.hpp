// The DTLS session of one tube (RFC 6347, RFC 8827), as a machine around OpenSSL, in memory only.
//
// OpenSSL is the one guest below the line: it reads a clock and a random source of its own. Simulation hands in a
// Surroundings that gives it virtual time and seeded randomness around each call.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "dtls/certificate.hpp"
#include "dtls/surroundings.hpp"

namespace isotube::dtls {

/// The side that sends the ClientHello is the client: `a=setup:active`.
enum class Role : std::uint8_t { Client, Server };

struct Settings {
  /// First retransmission of a flight, 50 to 200 ms; doubles from there (RFC 6347 4.2.4.1 has 1 s, for no reason that
  /// holds on a path that ICE has just measured).
  Duration first_retransmission = std::chrono::milliseconds(100);
  /// The handshake ends in HandshakeTimeout when it took this long.
  Duration handshake_deadline = std::chrono::seconds(15);
  /// Largest datagram that a handshake flight is cut into.
  std::size_t max_datagram = 1200;
  /// Not owned; must outlive the session. Null in the product.
  Surroundings* surroundings = nullptr;
};

/// Legal steps: New → Handshaking → Connected → Closed; New, Handshaking, Connected → Failed. Closed and Failed end.
enum class State : std::uint8_t { New, Handshaking, Connected, Closed, Failed };

enum class Failure : std::uint8_t {
  FingerprintMismatch,  ///< the peer's certificate is not the one that its description announced
  HandshakeTimeout,
  HandshakeRefused,  ///< an alert from the peer, or nothing in common
  Protocol,          ///< OpenSSL gave the session up; `detail` says why
};

struct Connected {};
/// close_notify came from the peer, or close() was called.
struct Closed {};
struct Failed {
  Failure failure;
  std::string detail;
};
using Event = std::variant<Connected, Closed, Failed>;

enum class SealError : std::uint8_t { NotConnected, TooLarge };

struct Counters {
  std::uint64_t records_dropped = 0;  ///< datagrams or records that OpenSSL would not take
  std::uint64_t flights_repeated = 0;
};

/// Call order: mutate, then drain read(), poll_transmit() and poll_event(), then sleep until next_timeout().
/// The thread's OpenSSL error queue is empty before each call into OpenSSL and after it.
/// Ownership: belongs to one tube. Not thread-safe; may move between threads between calls.
class Session {
 public:
  /// Bytes that sealing adds to a record at most: header 13, explicit nonce 8, tag 16 (AES-GCM; RFC 5288).
  static constexpr std::size_t kOverhead = 37;

  /// `certificate` must outlive the session. `fingerprints` are the peer's: any one that matches will do, and none
  /// given means that no certificate is accepted.
  Session(Role role, const Certificate& certificate, std::vector<Fingerprint> fingerprints, Settings settings);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// Begins the handshake: the client sends its first flight, the server waits for it. Datagrams that came before (one
  /// flight at most) are taken up now.
  void start(TimePoint now);
  /// A datagram whose first byte says DTLS (RFC 7983: 20 to 63). Bad records are dropped and counted.
  void handle_datagram(TimePoint now, ByteView datagram);
  void handle_timeout(TimePoint now);

  /// Opens the next application record of the datagrams handed in, into `out` (16,384 bytes always suffice), and gives
  /// its length; nothing when all were read.
  [[nodiscard]] std::optional<std::size_t> read(TimePoint now, MutableByteView out);
  /// Seals one record into `out` (plaintext.size() + kOverhead suffices) and gives the datagram's length; 0 for an
  /// empty plaintext, for DTLS data has no empty records. TooLarge: `out` is too small, or the plaintext is over 1,472
  /// bytes.
  [[nodiscard]] std::expected<std::size_t, SealError> seal(TimePoint now, ByteView plaintext, MutableByteView out);
  /// Ends in Closed at once, and tells the peer (close_notify) if the handshake was done.
  void close(TimePoint now);

  /// Handshake and alert datagrams; sealed records do not come this way.
  [[nodiscard]] std::optional<Bytes> poll_transmit();
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;

  [[nodiscard]] State state() const;
  [[nodiscard]] Role role() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::dtls
