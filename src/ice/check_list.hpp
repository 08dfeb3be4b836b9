// Candidate pairs, their states and the order of checks (RFC 8445 6.1.2, 6.1.4).
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/time.hpp"
#include "ice/agent.hpp"
#include "stun/message.hpp"
#include "stun/retransmission.hpp"

namespace isotube::ice {

/// Legal steps: Frozen → Waiting → InProgress → Succeeded or Failed; any → Waiting when a check is triggered.
enum class PairState : std::uint8_t { Frozen, Waiting, InProgress, Succeeded, Failed };

/// One connectivity check under way: a STUN transaction on a pair.
struct Check {
  stun::TransactionId id;
  /// The role that it claims: what a 487 is about (RFC 8445 7.2.5.1).
  Role role = Role::Controlling;
  bool nominates = false;
  /// Sent more than once: its answer tells no round trip.
  bool repeated = false;
  /// No longer repeated and no failure if unanswered; an answer still counts (RFC 8445 7.3.1.4).
  bool cancelled = false;
  TimePoint sent_at{};
  stun::Retransmission retransmission;
  Bytes datagram;
};

/// A way from one of our bases to an address of the peer. Data leaves from the base whichever candidate of ours it
/// belongs to, so a pair and the valid pair that its check yields (RFC 8445 7.2.5.3.2) are one object here.
struct Pair {
  Path path;
  std::uint32_t local_priority = 0;
  std::uint16_t local_preference = 0;
  std::string local_foundation;
  /// After a successful check: the type of the candidate that the peer sees.
  CandidateType local_type = CandidateType::Host;
  std::uint32_t remote_priority = 0;
  std::string remote_foundation;
  CandidateType remote_type = CandidateType::Host;

  std::uint64_t priority = 0;
  PairState state = PairState::Frozen;
  /// Passed a check once. Stays, whatever happens to the pair later.
  bool validated = false;
  /// An authentic request of the peer's came this way.
  bool heard = false;
  /// The peer's USE-CANDIDATE waits for our own check to succeed (RFC 8445 7.3.1.5).
  bool nominate_on_success = false;
  std::optional<TimePoint> last_use_candidate;
  TimePoint last_answer{};
  std::optional<Duration> round_trip;
  /// The first is the newest. Few: see kMostChecks.
  std::vector<Check> checks;
  /// How often a check was begun anew while one was under way.
  int restarts = 0;

  /// Whether what happens to one tells about the other (RFC 8445 6.1.2.6). The address is asked for too: some peers
  /// give all their candidates one foundation, and each would wait 39.5 s for the one before it to fail.
  [[nodiscard]] bool same_foundation(const Pair& other) const {
    return local_foundation == other.local_foundation && remote_foundation == other.remote_foundation &&
           path.remote.ip == other.path.remote.ip;
  }
  [[nodiscard]] Check* find_check(const stun::TransactionId& id);
  /// Stops repeating what is under way; nominations too.
  void cancel_checks(TimePoint now);
  void add_check(Check check);
  void note_round_trip(Duration sample);

 private:
  static constexpr std::size_t kMostChecks = 4;
};

/// Pairs have stable addresses as long as they are in the list. Equal priorities are checked in the order of adding.
class CheckList {
 public:
  [[nodiscard]] std::list<Pair>& pairs() { return pairs_; }
  [[nodiscard]] const std::list<Pair>& pairs() const { return pairs_; }
  [[nodiscard]] std::size_t size() const { return pairs_.size(); }
  [[nodiscard]] Pair* find(const Path& path);
  [[nodiscard]] const Pair* find(const Path& path) const;

  /// Adds a pair and decides whether it waits or is frozen (RFC 8838 12).
  Pair& add(Pair pair, Role role);
  void remove(const Pair& pair);
  /// The pair of lowest priority that no check has helped yet.
  [[nodiscard]] Pair* least_promising();
  /// The pair that was validated longest ago, none of `pinned`.
  [[nodiscard]] Pair* stalest(std::span<const Pair* const> pinned);

  /// Candidates changed their priority, or we our role.
  void compute_priority(Pair& pair, Role role);
  void compute_priorities(Role role);

  /// The pair's check goes before all ordinary ones (RFC 8445 6.1.4.1).
  void trigger(Pair& pair);
  void untrigger(const Pair& pair);
  void untrigger_all() { triggered_.clear(); }
  [[nodiscard]] bool has_triggered() const { return !triggered_.empty(); }
  /// Takes the first triggered pair off; nothing if there is none.
  [[nodiscard]] Pair* take_triggered();

  /// Whether next_ordinary() has one.
  [[nodiscard]] bool has_ordinary() const;
  /// The pair that an ordinary check is for, unfreezing as RFC 8445 6.1.4.2 says; nothing if none is left.
  [[nodiscard]] Pair* next_ordinary();
  /// A pair of that foundation works: its like may too (RFC 8445 7.2.5.3.3).
  void unfreeze_like(const Pair& pair);

  [[nodiscard]] Pair* best_succeeded();
  /// Pairs that are Waiting or InProgress: what the RTO of a check grows with (RFC 8445 14.3).
  [[nodiscard]] std::int64_t active() const;
  /// True while some pair may still succeed.
  [[nodiscard]] bool is_hopeful() const;

 private:
  [[nodiscard]] Pair* highest(PairState state);
  [[nodiscard]] bool can_unfreeze(const Pair& pair) const;

  std::list<Pair> pairs_;
  std::deque<Pair*> triggered_;
};

}  // namespace isotube::ice
