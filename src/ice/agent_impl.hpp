// The agent's inside: its generations, and what they have in common.
//   agent.cpp          commands, local candidates, time
//   agent_restart.cpp  one generation after another (RFC 8445 9)
//   agent_input.cpp    whom a datagram is for
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ice/agent.hpp"
#include "ice/gatherer.hpp"
#include "ice/generation.hpp"
#include "ice/refusal_budget.hpp"
#include "ice/shared.hpp"

namespace isotube::ice {

class Agent::Impl {
 public:
  Impl(const Settings& settings, Role role, const Random& random);

  void set_role(Role role) { newest().set_role(role); }
  void add_local_address(TimePoint now, const Address& address);
  void add_public_address(TimePoint now, const Address& address, const Address& base);
  void add_relayed_address(TimePoint now, const Address& relayed, const Address& mapped, const IpAddress& server_ip);
  void add_stun_server(TimePoint now, const Address& server);
  void end_of_local_addresses(TimePoint now);
  void remove_local_address(TimePoint now, const Address& address);
  void fail_path(TimePoint now, const Path& path);
  void restart(TimePoint now);
  void cancel_restart(TimePoint now);
  void set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite);
  void add_remote_candidate(TimePoint now, const Candidate& candidate);
  void end_of_remote_candidates(TimePoint now);
  void handle_datagram(TimePoint now, const Path& path, ByteView datagram);
  void handle_timeout(TimePoint now) { settle(now); }
  [[nodiscard]] std::optional<Transmit> poll_transmit();
  [[nodiscard]] std::optional<Event> poll_event();

  [[nodiscard]] TimePoint next_timeout() const { return deadline_; }
  [[nodiscard]] const Credentials& local_credentials() const { return newest().credentials(); }
  [[nodiscard]] Role role() const { return newest().role(); }
  [[nodiscard]] bool is_restarting() const { return pending_ != nullptr; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::optional<Path> selected_path() const { return current_->selected_path(); }
  [[nodiscard]] bool is_validated(const Path& path) const;
  [[nodiscard]] std::optional<Duration> round_trip() const { return current_->round_trip(); }
  [[nodiscard]] const Counters& counters() const { return shared_.counters; }

 private:
  /// What is left of a generation after a restart: the peer may leave it later than we do. Until it does, or would have
  /// lost its consent, its checks are answered.
  struct Retired {
    LocalKey key;
    std::vector<Path> paths;
    TimePoint until;
  };

  [[nodiscard]] Generation& newest() { return pending_ ? *pending_ : *current_; }
  [[nodiscard]] const Generation& newest() const { return pending_ ? *pending_ : *current_; }

  // agent.cpp
  void emit(Event event) { events_.push_back(std::move(event)); }
  void enter(State state);
  enum class Signal : std::uint8_t { Now, WithTheNextRestart };
  void take_local(const LocalEntry* entry, Signal signal);
  [[nodiscard]] Signal signal_of_addresses() const;
  void ask_servers(TimePoint now);
  void report_gathering();
  /// Does what is due and works out when to be called next: the end of every call that brings time or datagrams.
  void settle(TimePoint now);
  /// Leaves that to handle_timeout(): the end of every command. So the candidates of one description are all known
  /// before the first check goes, and the best pair is first.
  void wake(TimePoint now);
  [[nodiscard]] TimePoint compute_deadline(TimePoint now) const;

  // agent_restart.cpp
  /// Takes up what happened in the generations.
  void collect(TimePoint now);
  void collect_current();
  void promote(TimePoint now);
  void drop_pending();
  [[nodiscard]] Generation* generation_of(const Candidate& candidate);

  // agent_input.cpp
  void handle_request(TimePoint now, const Path& path, const stun::MessageView& request);
  void answer_as_retired(const Path& path, const stun::MessageView& request);
  void refuse(TimePoint now, const Path& path, const stun::MessageView& request, int code);
  void handle_answer(TimePoint now, const Path& path, const stun::MessageView& answer);

  Random random_;
  Shared shared_;
  Gatherer gatherer_;
  bool locals_ended_ = false;
  /// Whether the newest generation's GatheringDone was sent, and the current one's.
  bool gathering_reported_ = false;
  bool gathering_reported_before_ = false;
  RefusalBudget refusals_;

  /// Generations so far.
  std::uint64_t generations_ = 1;
  /// The one whose path is used. Never null.
  std::unique_ptr<Generation> current_;
  /// The one that a restart tries out.
  std::unique_ptr<Generation> pending_;
  std::optional<Retired> retired_;

  State state_ = State::New;
  TimePoint deadline_ = kNever;
  std::deque<Event> events_;
};

}  // namespace isotube::ice
