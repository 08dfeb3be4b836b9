// Whether a TURN server is asked for new allocations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "isolation/open_time.hpp"
#include "isotube/circuit_stats.hpp"
#include "turn/error.hpp"

namespace isotube::isolation {

struct TurnCircuitConfig {
  /// Failures in a row that open the circuit.
  std::uint32_t failure_threshold = 5;
  Duration open_time = std::chrono::seconds(30);
  Duration max_open_time = std::chrono::minutes(5);
  /// A probe that nobody speaks of for this long was lost: another is let through. Longer than any allocation takes
  /// that meets a challenge, stale nonces, used ports and an alternate server one after the other.
  Duration probe_limit = std::chrono::minutes(2);
};

/// What a failed transaction says about its server.
enum class TurnFailure : std::uint8_t {
  Counts,
  /// Asking again at once cannot help: the credentials are wrong (401, 441), the quota is used up (486), or the relay
  /// is full (508).
  OpensAtOnce,
  /// The relay will not carry to that peer. Relays refuse private addresses as a matter of course, and a hostile peer
  /// could offer them at will: it says nothing about the server.
  PeerRefused,
};

[[nodiscard]] TurnFailure classify(const turn::TurnError& error);

/// Leave for one Allocate; handed back with how it ended. One of an earlier period of the circuit moves nothing.
struct AllocateTicket {
  std::uint32_t epoch = 0;

  friend bool operator==(const AllocateTicket&, const AllocateTicket&) = default;
};

struct TurnRefusal {
  /// Until the circuit lets a probe through. Nothing: one is under way.
  std::optional<Duration> time_left;

  friend bool operator==(const TurnRefusal&, const TurnRefusal&) = default;
};

struct TurnTransition {
  std::uint64_t number = 0;
  CircuitState from = CircuitState::Closed;
  CircuitState to = CircuitState::Closed;
  TimePoint at;
  std::optional<TimePoint> open_until;
  /// The failure that opened the circuit; with `to` Open, unless its probe was given up.
  std::optional<turn::TurnError> failure;

  friend bool operator==(const TurnTransition&, const TurnTransition&) = default;
};

/// The circuit of one TURN server in one tube. Closed: Allocates pass. Open: none does, while what is allocated already
/// keeps its refreshes, and paths without the relay go on. HalfOpen: one Allocate is under way as a probe.
/// Not thread-safe. `now` never goes back.
class TurnCircuit {
 public:
  /// Transitions that nobody polls for; then the oldest are lost.
  static constexpr std::size_t kMaxPending = 16;

  TurnCircuit(const TurnCircuitConfig& config, const Random& random);

  [[nodiscard]] std::expected<AllocateTicket, TurnRefusal> try_allocate(TimePoint now);
  void allocated(TimePoint now, AllocateTicket ticket);
  void allocate_failed(TimePoint now, AllocateTicket ticket, const turn::TurnError& error);
  /// The Allocate was given up without an answer: it says nothing.
  void allocate_cancelled(TimePoint now, AllocateTicket ticket);

  /// Any transaction but Allocate. A success ends the streak; neither closes an open circuit, nor ends its probe: the
  /// server may well serve what it gave out and have nothing more to give.
  void succeeded();
  void failed(TimePoint now, const turn::TurnError& error);
  /// Every peer address of the tube was refused: then it is a failure after all.
  void all_peers_refused(TimePoint now, const turn::TurnError& error);

  /// There are new credentials: what the old ones were refused for says nothing more, so the next Allocate is a probe.
  void credentials_changed(TimePoint now);
  void reset(TimePoint now);

  [[nodiscard]] CircuitState state() const { return state_; }
  /// Failures in all, and in a row.
  [[nodiscard]] std::uint64_t failure_count() const { return failure_count_; }
  [[nodiscard]] std::uint32_t streak() const { return streak_; }
  [[nodiscard]] std::uint64_t peers_refused() const { return peers_refused_; }
  /// When an Allocate may pass again. Nothing: the circuit is closed.
  [[nodiscard]] std::optional<TimePoint> next_probe() const;
  [[nodiscard]] std::optional<TurnTransition> poll_transition();

 private:
  void count_failure(TimePoint now, const turn::TurnError& error, TurnFailure kind);
  void open(TimePoint now, const turn::TurnError& error);
  void enter(TimePoint now, CircuitState to, std::optional<turn::TurnError> failure = std::nullopt);

  TurnCircuitConfig config_;
  Random random_;
  CircuitState state_ = CircuitState::Closed;
  std::uint32_t epoch_ = 0;
  std::uint32_t streak_ = 0;
  std::uint64_t failure_count_ = 0;
  std::uint64_t peers_refused_ = 0;
  OpenTime open_time_;
  /// Open: when a probe may pass. HalfOpen: when the probe counts as lost.
  TimePoint until_ = kNever;
  bool opened_by_credentials_ = false;
  std::uint64_t transitions_ = 0;
  std::vector<TurnTransition> pending_;
};

}  // namespace isotube::isolation
