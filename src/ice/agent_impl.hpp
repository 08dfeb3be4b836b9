// The agent's inside. Its subjects are in one file each:
//   agent.cpp            commands, candidates, time
//   agent_requests.cpp   the peer's checks (RFC 8445 7.3)
//   agent_checks.cpp     our checks and their answers (RFC 8445 7.2)
//   agent_selection.cpp  nomination, the selected path, consent, states (RFC 8445 8, RFC 7675)
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ice/agent.hpp"
#include "ice/check_list.hpp"
#include "ice/consent.hpp"
#include "ice/gatherer.hpp"
#include "ice/local_candidates.hpp"
#include "ice/refusal_budget.hpp"
#include "stun/builder.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace isotube::ice {

class Agent::Impl {
 public:
  Impl(const Settings& settings, Role role, const Random& random);

  void set_role(Role role);
  void add_local_address(TimePoint now, const Address& address);
  void add_public_address(TimePoint now, const Address& address, const Address& base);
  void add_stun_server(TimePoint now, const Address& server);
  void end_of_local_addresses(TimePoint now);
  void set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite);
  void add_remote_candidate(TimePoint now, const Candidate& candidate);
  void end_of_remote_candidates(TimePoint now);
  void handle_datagram(TimePoint now, const Path& path, ByteView datagram);
  void handle_timeout(TimePoint now);
  [[nodiscard]] std::optional<Transmit> poll_transmit();
  [[nodiscard]] std::optional<Event> poll_event();

  [[nodiscard]] TimePoint next_timeout() const { return deadline_; }
  [[nodiscard]] const Credentials& local_credentials() const { return local_; }
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::optional<Path> selected_path() const;
  [[nodiscard]] bool is_validated(const Path& path) const;
  [[nodiscard]] std::optional<Duration> round_trip() const;
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  /// What set_remote() told. A restart replaces it as a whole, with the local credentials and the check list.
  struct Remote {
    Credentials credentials;
    /// USERNAME of our checks: theirs, then ours (RFC 8445 7.2.2).
    std::string username;
    stun::IntegrityKey key;
  };

  /// A request that was answered before set_remote(): its triggered check is still due (RFC 8445 7.3).
  struct EarlyRequest {
    Path path;
    std::uint32_t priority = 0;
    bool use_candidate = false;
  };

  // agent.cpp
  void emit(Event event) { events_.push_back(std::move(event)); }
  void transmit(const Path& path, Bytes datagram);
  void announce(const LocalEntry* entry);
  void pair_with_locals(const Candidate& remote);
  void pair_with_remotes(const LocalEntry& local);
  void add_pair(const LocalEntry& local, const Candidate& remote);
  void report_gathering();
  void send_queries(TimePoint now);
  /// Does what is due and works out when to be called next: the end of every call that brings time or datagrams.
  void settle(TimePoint now);
  /// Leaves that to handle_timeout(): the end of every command. So the candidates of one description are all known
  /// before the first check goes, and the best pair is first.
  void wake(TimePoint now);
  [[nodiscard]] TimePoint compute_deadline(TimePoint now) const;

  // agent_requests.cpp
  void handle_request(TimePoint now, const Path& path, const stun::MessageView& request);
  [[nodiscard]] std::optional<int> authenticate(const stun::MessageView& request);
  void refuse(TimePoint now, const Path& path, const stun::MessageView& request, int code);
  [[nodiscard]] bool settle_role_conflict(const stun::MessageView& request);
  [[nodiscard]] bool keep_early(const EarlyRequest& early);
  void answer(const Path& path, const stun::MessageView& request);
  void answer_error(const Path& path, const stun::MessageView& request, int code,
                    std::span<const stun::AttributeType> unknown);
  void learn_from_request(TimePoint now, const EarlyRequest& request);
  [[nodiscard]] Pair* add_pair_for(const EarlyRequest& request);
  [[nodiscard]] bool make_room_for_triggered();
  void trigger_check(TimePoint now, Pair& pair);

  // agent_checks.cpp
  [[nodiscard]] bool checks_may_run() const;
  [[nodiscard]] bool has_check_to_send() const;
  void send_next_check(TimePoint now);
  void start_check(TimePoint now, Pair& pair, bool nominates);
  [[nodiscard]] Bytes build_check(const stun::TransactionId& id, const Pair& pair, bool nominates);
  [[nodiscard]] Duration check_rto() const;
  void repeat_checks(TimePoint now);
  void lose_check(TimePoint now, Pair& pair, const Check& check);
  void handle_answer(TimePoint now, const Path& path, const stun::MessageView& answer);
  void handle_check_answer(TimePoint now, Pair& pair, const stun::TransactionId& id, const stun::MessageView& answer);
  void handle_success(TimePoint now, Pair& pair, const Check& check, const Address& mapped);
  void handle_error(TimePoint now, Pair& pair, const Check& check, const stun::MessageView& answer);
  void handle_consent_answer(TimePoint now, const stun::MessageView& answer);

  // agent_selection.cpp
  void switch_role(Role role);
  [[nodiscard]] bool is_fresh(TimePoint now, const Pair& pair) const;
  void note_use_candidate(TimePoint now, Pair& pair);
  [[nodiscard]] bool may_follow_nomination(TimePoint now, const Pair& pair) const;
  void nominate(TimePoint now, Pair& pair);
  void stop_other_checks(TimePoint now);
  void plan_nomination(TimePoint now);
  void run_nomination(TimePoint now);
  void select_best(TimePoint now);
  void select(TimePoint now, Pair& pair);
  void fail_over(TimePoint now, Pair& pair);
  void run_consent(TimePoint now);
  void send_consent_check(TimePoint now);
  void lose_path();
  void regain_path(TimePoint now);
  void conclude_failure(TimePoint now);
  void fail();
  void enter(State state);

  Settings settings_;
  Role role_;
  Random transaction_ids_;
  Random tie_breakers_;
  Credentials local_;
  stun::IntegrityKey local_key_;
  std::uint64_t tie_breaker_;
  std::optional<Remote> remote_;

  LocalCandidates locals_;
  Gatherer gatherer_;
  bool locals_ended_ = false;
  bool gathering_reported_ = false;
  std::vector<Candidate> remotes_;
  bool remotes_ended_ = false;
  std::vector<EarlyRequest> early_;
  RefusalBudget refusals_;

  CheckList list_;
  Duration pacing_;
  /// The next check may not go before this (RFC 8445 6.1.4.2: Ta).
  TimePoint next_check_at_{};
  TimePoint patience_at_ = kNever;
  /// Controlling: when the best valid pair is nominated.
  TimePoint nomination_at_ = kNever;
  /// Controlling: the pair whose check with USE-CANDIDATE is under way.
  Pair* nominee_ = nullptr;
  Pair* nominated_ = nullptr;
  Pair* selected_ = nullptr;
  Consent consent_;

  State state_ = State::New;
  TimePoint deadline_ = kNever;
  std::deque<Transmit> transmits_;
  std::deque<Event> events_;
  Counters counters_;
};

}  // namespace isotube::ice
