// The circuit breaker of one tube, as a machine.
//
// This folder decides when to stop trying, and when to try again: the breaker of a tube's operations (breaker.hpp), the
// circuits of its TURN servers (turn_circuit.hpp), the pace of its restarts (restart_pacing.hpp), whether its data
// moves (progress_watchdog.hpp), and when to call for a person (alerts.hpp). Time and randomness are handed in. It uses
// base/ and stun/ and names turn/'s errors. Each object belongs to one tube, and none knows of another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "isolation/call_window.hpp"
#include "isolation/gate.hpp"
#include "isolation/open_time.hpp"
#include "isotube/circuit_breaker.hpp"

namespace isotube::isolation {

class Breaker;

enum class TransitionCause : std::uint8_t {
  FailureThreshold,  ///< so many failures in a row, of any type
  TypeThreshold,     ///< so many of one type
  FailureRate,       ///< of the window
  SlowCallRate,      ///< of the window
  TestFailed,
  OpenTimeEnded,
  TestsSucceeded,
  Tripped,      ///< opened from outside, to recover by itself
  Forced,       ///< held open by hand
  Reset,        ///< by hand
  ModeChanged,  ///< the state may be the same as before
};

[[nodiscard]] std::string_view to_string(TransitionCause cause);

struct Transition {
  /// Counts from 1 without gaps, but for those lost to a slow observer.
  std::uint64_t number = 0;
  CircuitState from = CircuitState::Closed;
  CircuitState to = CircuitState::Closed;
  TransitionCause cause = TransitionCause::Reset;
  CircuitMode mode = CircuitMode::Normal;
  /// Never before that of the transition numbered before.
  TimePoint at;
  /// With `to` Open, unless it is held open by hand.
  std::optional<TimePoint> open_until;
  std::optional<ErrorType> opened_by;
  /// What was said with Forced and Tripped.
  std::string reason;

  friend bool operator==(const Transition&, const Transition&) = default;
};

/// All of one moment: total() is what successful, failed, refused, cancelled and in_flight come to, and timeouts are
/// among the failed.
struct Snapshot {
  CircuitState state = CircuitState::Closed;
  CircuitMode mode = CircuitMode::Normal;
  std::uint64_t successful = 0;
  std::uint64_t failed = 0;
  std::uint64_t refused = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t circuit_opens = 0;
  std::uint64_t circuit_closes = 0;
  ByErrorType<std::uint64_t> error_type_counts;
  ByErrorType<std::uint64_t> error_type_triggered_opens;
  ByErrorType<std::uint32_t> current_error_type_failures;
  /// Failures in a row of any type.
  std::uint32_t current_failures = 0;
  std::uint32_t test_successes = 0;
  std::uint32_t tests_in_flight = 0;
  std::uint32_t success_threshold = 0;
  /// With state Open, unless it is held open by hand.
  std::optional<TimePoint> open_until;
  /// With state Open and HalfOpen.
  std::optional<ErrorType> opened_by;
  /// Why it is held open by hand.
  std::string reason;
  std::uint64_t transitions = 0;
  std::uint64_t transitions_lost = 0;

  [[nodiscard]] std::uint64_t total() const { return successful + failed + refused + cancelled + in_flight; }
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

[[nodiscard]] CircuitMetrics metrics_of(const Snapshot& snapshot);
/// "Open (27 s left, IceConnectionFailed)" and the like.
[[nodiscard]] std::string describe_state(const Snapshot& snapshot, TimePoint now);
[[nodiscard]] CircuitBreakerStats stats_of(const Snapshot& snapshot, std::string tube_id, TimePoint now);

/// The test request by which a tube recovers without user traffic.
struct Probe {
  enum class Kind : std::uint8_t {
    FailedOperation,  ///< what failed is to be tried again
    Ping,             ///< it has worked once: a Ping on the data plane will do
  };

  TimePoint due;
  Kind kind = Kind::FailedOperation;
  /// What kind of operation failed, and the failure that opened the circuit; a tripped circuit has its type for both.
  ErrorType operation = ErrorType::Unknown;
  ErrorType opened_by = ErrorType::Unknown;

  friend bool operator==(const Probe&, const Probe&) = default;
};

/// Leave for one request. Ends in success(), failure() or timeout(), once; one that is dropped before counts as
/// cancelled and gives its place back. What is said of it after a change of the circuit's state is counted, but moves
/// the new state nowhere: it speaks of an earlier time.
/// The breaker must outlive it. Not thread-safe; may move between threads.
class [[nodiscard]] Permit {
 public:
  /// Belongs to no breaker (or to a disabled one): its outcome counts nowhere.
  Permit() = default;
  Permit(Permit&& other) noexcept { take(other); }
  Permit& operator=(Permit&& other) noexcept;
  ~Permit() { cancel(); }

  inline void success(TimePoint now);
  void failure(TimePoint now, ErrorType type);
  /// A failure of the operation's own type.
  void timeout(TimePoint now);
  void cancel() noexcept;

  /// What it was asked for.
  [[nodiscard]] ErrorType operation() const { return operation_; }
  /// Its outcome will be counted, and has not been yet.
  [[nodiscard]] bool pending() const { return breaker_ != nullptr; }

 private:
  friend class Breaker;
  Permit(Breaker& breaker, TimePoint started, Epoch epoch, ErrorType operation)
      : breaker_(&breaker), started_(started), epoch_(epoch), operation_(operation) {}
  void take(Permit& other) noexcept;

  Breaker* breaker_ = nullptr;
  TimePoint started_;
  Epoch epoch_ = 0;
  ErrorType operation_ = ErrorType::Unknown;
};

/// Closed: failures in a row are counted, in total and by type; a success ends the total and its own type's count.
/// Open: refuses until its time is over. Half-open: lets a few requests through, as tests.
///
/// Thread-safe. In the closed circuit a request and its success take one atomic step each and no lock, unless the
/// success ends a streak or a window is kept; everything else takes a lock for a moment. Nothing foreign is called
/// under it. `now` may come from several threads: a time that others have overtaken counts as theirs.
///
///   auto permit = breaker.try_acquire(now, ErrorType::IceConnectionFailed);
///   if (!permit) return permit.error();
///   … permit->success(now), or permit->failure(now, ErrorType::AuthenticationFailed)
class Breaker {
 public:
  /// Gets every transition, in order, one at a time, on the thread that caused it or one that just delivers an earlier
  /// one. It may use the breaker, but not destroy it. What it throws is counted and goes no further.
  using Observer = std::function<void(const Transition&)>;

  /// Transitions that wait for a slow observer; then the oldest are lost.
  static constexpr std::size_t kMaxPending = 64;
  /// Bytes of a reason that are kept.
  static constexpr std::size_t kMaxReason = 256;

  /// `config` has to be valid.
  Breaker(const CircuitConfig& config, const Random& random, Observer observer = {},
          CircuitMode mode = CircuitMode::Normal);
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  /// `operation` is the type that its timeout would have. With 262,143 requests in flight it refuses in every mode.
  [[nodiscard]] std::expected<Permit, CircuitRefusal> try_acquire(TimePoint now, ErrorType operation) {
    if (const std::optional<Epoch> epoch = gate_.enter()) return Permit(*this, now, *epoch, operation);
    return acquire_slowly(now, operation);
  }

  /// Something failed that was no request of anybody's, like data that does not move. Counts as a request and as its
  /// failure.
  void report_failure(TimePoint now, ErrorType type);
  /// Opens the circuit whatever the counts, as a failure of `type` would; it recovers as from any other. Does nothing
  /// while it is open, or in a mode that has no say in it.
  void trip(TimePoint now, ErrorType type, std::string_view reason);

  /// Open until reset() or set_mode().
  void force_open(TimePoint now, std::string_view reason);
  /// Closed, with nothing in its way: streaks, doubled open times and force_open() are forgotten. Counters stay.
  void reset(TimePoint now);
  /// Between Normal and Observe the circuit keeps its state; every other change begins anew.
  void set_mode(TimePoint now, CircuitMode mode);

  [[nodiscard]] Snapshot snapshot() const;
  /// When the tube itself is to make a test request. Nothing: the circuit is closed or held open by hand, or enough
  /// tests are under way.
  [[nodiscard]] std::optional<Probe> next_probe() const;
  /// Whether a request now would pass at once: one load, no lock.
  [[nodiscard]] bool is_closed() const { return gate_.open_to_all(); }
  /// Exceptions of the observer.
  [[nodiscard]] std::uint64_t observer_failures() const;

  [[nodiscard]] const CircuitConfig& config() const { return config_; }

 private:
  friend class Permit;
  using Lock = std::unique_lock<std::mutex>;

  /// For a permit that observes what would have been refused: no epoch of the gate's.
  static constexpr Epoch kObserved = UINT32_MAX;

  struct Outcome {
    ErrorType operation;
    /// Of the failure that it was, or that a slow success counts as.
    ErrorType type;
    Duration took;
    bool failed;
  };

  // Permits.
  [[nodiscard]] std::expected<Permit, CircuitRefusal> acquire_slowly(TimePoint now, ErrorType operation);
  [[nodiscard]] std::expected<Epoch, CircuitRefusal> admit(TimePoint now);
  [[nodiscard]] CircuitRefusal open_refusal(TimePoint now) const;
  void succeed(const Permit& permit, TimePoint now) {
    if (!gate_.succeed(permit.operation_)) succeed_slowly(permit, now);
  }
  void succeed_slowly(const Permit& permit, TimePoint now);
  enum class Ending : std::uint8_t { Failed, TimedOut };
  void fail(const Permit& permit, TimePoint now, ErrorType type, Ending ending);
  void cancel(const Permit& permit);

  // What outcomes do, under the lock.
  [[nodiscard]] bool is_current(const Permit& permit) const { return permit.epoch_ == (epoch_ & Gate::kEpochMask); }
  [[nodiscard]] bool counts_outcomes() const { return mode_ == CircuitMode::Normal || mode_ == CircuitMode::Observe; }
  void drive(TimePoint now, const Outcome& outcome);
  void judge_test(TimePoint now, const Outcome& outcome);
  void judge_window(TimePoint now, const Outcome& outcome);
  void end_streak(ErrorType operation);
  void extend_streak(TimePoint now, const Outcome& failure);

  // Changes of state, under the lock.
  void open(TimePoint now, ErrorType operation, ErrorType type, TransitionCause cause, std::string_view reason = {});
  void enter(TimePoint now, CircuitState to, TransitionCause cause);
  void forget_failures();
  void change_mode(TimePoint now, CircuitMode mode, TransitionCause cause, std::string_view reason = {});
  void announce(CircuitState from, TransitionCause cause);
  void assume_posture();
  void deliver(Lock& lock);

  const CircuitConfig config_;
  const Observer observer_;
  Gate gate_;

  mutable std::mutex mutex_;
  // All below belongs to who has the lock.
  Random random_;
  CircuitMode mode_;
  CircuitMode mode_before_force_ = CircuitMode::Normal;
  CircuitState state_ = CircuitState::Closed;
  bool delivering_ = false;
  Epoch epoch_ = 0;
  /// Of the times handed in by those who had the lock.
  TimePoint latest_ = TimePoint::min();

  std::uint32_t streak_ = 0;
  ByErrorType<std::uint32_t> streaks_;
  std::optional<CallWindow> window_;

  OpenTime open_time_;
  std::optional<TimePoint> open_until_;
  std::optional<ErrorType> opened_by_;
  ErrorType failed_operation_ = ErrorType::Unknown;
  std::string reason_;

  std::uint32_t test_successes_ = 0;
  std::uint32_t tests_in_flight_ = 0;
  TimePoint last_test_;

  /// Those of the gate come on top.
  std::uint64_t successful_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t cancelled_ = 0;
  std::uint64_t timeouts_ = 0;
  std::uint64_t circuit_opens_ = 0;
  std::uint64_t circuit_closes_ = 0;
  ByErrorType<std::uint64_t> error_type_counts_;
  ByErrorType<std::uint64_t> error_type_triggered_opens_;

  std::uint64_t transitions_ = 0;
  std::uint64_t transitions_lost_ = 0;
  std::uint64_t observer_failures_ = 0;
  std::vector<Transition> pending_;
};

void Permit::success(TimePoint now) {
  if (Breaker* breaker = std::exchange(breaker_, nullptr)) breaker->succeed(*this, now);
}

}  // namespace isotube::isolation
