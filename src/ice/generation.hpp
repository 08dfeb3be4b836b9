// One ICE generation: a pair of credentials on each side and everything that was found out with them (RFC 8445 9). An
// agent has one, and a second one while it restarts. Its subjects are in one file each:
//   generation.cpp            commands, candidates, time
//   generation_requests.cpp   the peer's checks (RFC 8445 7.3)
//   generation_checks.cpp     our checks and their answers (RFC 8445 7.2)
//   generation_selection.cpp  nomination, the selected path, consent, states (RFC 8445 8, RFC 7675)
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ice/agent.hpp"
#include "ice/check_list.hpp"
#include "ice/consent.hpp"
#include "ice/local_key.hpp"
#include "ice/shared.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace isotube::ice {

class Generation {
 public:
  /// A restart has a limit of time of its own, for something else works meanwhile.
  enum class Kind : std::uint8_t { First, Restart };
  using News = std::variant<StateChanged, PathSelected, ConsentUnanswered>;

  Generation(Shared& shared, Kind kind, Role role, const Random& random);

  [[nodiscard]] const Credentials& credentials() const { return local_.credentials(); }
  /// Gives up everything but what answers the peer.
  [[nodiscard]] LocalKey take_key() && { return std::move(local_); }
  [[nodiscard]] Role role() const { return role_; }
  void set_role(Role role);
  [[nodiscard]] bool has_remote() const { return remote_.has_value(); }
  /// Whether the peer's candidates of that ufrag are this generation's.
  [[nodiscard]] bool is_of_peer(std::string_view ufrag) const { return remote_ && remote_->credentials.ufrag == ufrag; }

  void set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite);
  void add_remote_candidate(const Candidate& candidate);
  void end_of_remote_candidates() { remotes_ended_ = true; }
  /// Pairs a new local candidate with what is known of the peer.
  void add_local(const LocalEntry& local);
  void remove_local(TimePoint now, const Address& address);
  void fail_path(TimePoint now, const Path& path);

  [[nodiscard]] LocalKey& local_key() { return local_; }
  /// `request` is signed with our password.
  void handle_request(TimePoint now, const Path& path, const stun::MessageView& request);
  /// False if it belongs to nothing of ours, or is not signed by the peer.
  [[nodiscard]] bool handle_answer(TimePoint now, const Path& path, const stun::MessageView& answer);
  /// Does what is due.
  void settle(TimePoint now);
  [[nodiscard]] TimePoint deadline(TimePoint now) const;
  /// What happened since this was asked last.
  [[nodiscard]] std::vector<News> take_news() { return std::exchange(news_, {}); }

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::optional<Path> selected_path() const;
  [[nodiscard]] std::optional<PathSelected> selection() const;
  /// A path is selected and answers, and the peer has shown that it knows our credentials. Without that an answerer
  /// whose answer got lost would leave a peer behind that knows of no restart.
  [[nodiscard]] bool may_take_over() const { return state_ == State::Connected && (heard_ || remote_->lite); }
  [[nodiscard]] bool is_validated(const Path& path) const;
  [[nodiscard]] std::vector<Path> validated_paths() const;
  [[nodiscard]] std::optional<Duration> round_trip() const;

 private:
  /// What set_remote() told.
  struct Remote {
    Credentials credentials;
    /// USERNAME of our checks: theirs, then ours (RFC 8445 7.2.2).
    std::string username;
    stun::IntegrityKey key;
    bool lite = false;
  };

  /// A request that was answered before set_remote(): its triggered check is still due (RFC 8445 7.3).
  struct EarlyRequest {
    Path path;
    std::uint32_t priority = 0;
    bool use_candidate = false;
  };

  // generation.cpp
  void pair_with_locals(const Candidate& remote);
  void add_pair(const LocalEntry& local, const Candidate& remote);

  // generation_requests.cpp
  [[nodiscard]] bool settle_role_conflict(const stun::MessageView& request);
  [[nodiscard]] bool keep_early(const EarlyRequest& early);
  void learn_from_request(TimePoint now, const EarlyRequest& request);
  [[nodiscard]] Pair* add_pair_for(const EarlyRequest& request);
  [[nodiscard]] bool make_room_for_triggered();
  void trigger_check(TimePoint now, Pair& pair);

  // generation_checks.cpp
  [[nodiscard]] bool checks_may_run() const;
  [[nodiscard]] bool has_check_to_send() const;
  void send_next_check(TimePoint now);
  void start_check(TimePoint now, Pair& pair, bool nominates);
  [[nodiscard]] Bytes build_check(const stun::TransactionId& id, const Pair& pair, bool nominates);
  [[nodiscard]] Duration check_rto() const;
  void repeat_checks(TimePoint now);
  void lose_check(TimePoint now, Pair& pair, const Check& check);
  void handle_check_answer(TimePoint now, Pair& pair, const stun::TransactionId& id, const stun::MessageView& answer);
  void handle_success(TimePoint now, Pair& pair, const Check& check, const Address& mapped);
  void handle_error(TimePoint now, Pair& pair, const Check& check, const stun::MessageView& answer);
  void handle_consent_answer(TimePoint now, const stun::MessageView& answer);

  // generation_selection.cpp
  void switch_role(Role role);
  [[nodiscard]] bool is_fresh(TimePoint now, const Pair& pair) const;
  void note_use_candidate(TimePoint now, Pair& pair);
  [[nodiscard]] bool may_follow_nomination(TimePoint now, const Pair& pair) const;
  void nominate(TimePoint now, Pair& pair);
  void forget_nominations();
  void stop_other_checks(TimePoint now);
  void plan_nomination(TimePoint now);
  void run_nomination(TimePoint now);
  void select_best(TimePoint now);
  void select(TimePoint now, Pair& pair);
  void fail_over(TimePoint now, Pair& pair);
  void release(const Pair& pair);
  void leave_path(TimePoint now);
  void run_consent(TimePoint now);
  void send_consent_check(TimePoint now);
  void lose_path();
  void regain_path(TimePoint now);
  void conclude_failure(TimePoint now);
  void fail();
  void enter(State state);

  Shared& shared_;
  Kind kind_;
  Role role_;
  Random transaction_ids_;
  Random tie_breakers_;
  LocalKey local_;
  std::uint64_t tie_breaker_;
  std::optional<Remote> remote_;

  std::vector<Candidate> remotes_;
  bool remotes_ended_ = false;
  std::vector<EarlyRequest> early_;
  /// An authentic request of the peer's came.
  bool heard_ = false;

  CheckList list_;
  Duration pacing_;
  /// The next check may not go before this (RFC 8445 6.1.4.2: Ta).
  TimePoint next_check_at_{};
  TimePoint patience_at_ = kNever;
  /// Restart: when it has failed whatever may still come.
  TimePoint give_up_at_ = kNever;
  /// Controlling: when the best valid pair is nominated.
  TimePoint nomination_at_ = kNever;
  /// Controlling: the pair whose check with USE-CANDIDATE is under way.
  Pair* nominee_ = nullptr;
  Pair* nominated_ = nullptr;
  Pair* selected_ = nullptr;
  Consent consent_;

  State state_ = State::New;
  std::vector<News> news_;
};

}  // namespace isotube::ice
