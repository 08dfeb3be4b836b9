// The breaker's rules once more, as plainly as they can be said: no threads, no packed words, nothing precomputed.
#pragma once

#include <algorithm>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "isolation/breaker.hpp"

namespace isotube::isolation {

class Model {
 public:
  struct Ticket {
    bool counted = false;
    /// Of which run of one state; nothing for what was let through to be observed.
    std::optional<std::uint64_t> run;
    ErrorType operation = ErrorType::Unknown;
    TimePoint started;
  };
  enum class Outcome { Success, Failure, Timeout, Dropped };

  Model(const CircuitConfig& config, const Random& random, CircuitMode mode);

  [[nodiscard]] std::expected<Ticket, CircuitRefusal> acquire(TimePoint now, ErrorType operation);
  void finish(TimePoint now, const Ticket& ticket, Outcome outcome, ErrorType type);
  void report_failure(TimePoint now, ErrorType type);
  void trip(TimePoint now, ErrorType type, const std::string& reason);
  void force_open(TimePoint now, const std::string& reason);
  void reset(TimePoint now);
  void set_mode(TimePoint now, CircuitMode mode);

  [[nodiscard]] Snapshot snapshot() const;
  [[nodiscard]] std::optional<Probe> next_probe() const;
  [[nodiscard]] const std::vector<Transition>& transitions() const { return transitions_; }

 private:
  struct Call {
    TimePoint ended;
    bool failed;
    bool slow;
  };

  [[nodiscard]] bool rules() const { return mode_ == CircuitMode::Normal || mode_ == CircuitMode::Observe; }
  void learn(TimePoint now, ErrorType operation, ErrorType type, bool failed, Duration took);
  void learn_in_window(TimePoint now, ErrorType operation, ErrorType type, bool failed, Duration took);
  void open(TimePoint now, ErrorType operation, ErrorType type, TransitionCause cause, const std::string& reason = {});
  void go(TimePoint now, CircuitState to, TransitionCause cause);
  void record(TimePoint now, CircuitState from, TransitionCause cause);
  void switch_mode(TimePoint now, CircuitMode mode, TransitionCause cause, const std::string& reason);
  void clean();

  CircuitConfig config_;
  Random random_;
  CircuitMode mode_;
  CircuitMode before_force_ = CircuitMode::Normal;
  CircuitState state_ = CircuitState::Closed;
  std::uint64_t run_ = 0;

  std::uint32_t in_a_row_ = 0;
  std::map<ErrorType, std::uint32_t> in_a_row_by_type_;
  std::deque<Call> calls_;

  double share_ = 1;
  int openings_ = 0;
  std::optional<TimePoint> until_;
  std::optional<ErrorType> opened_by_;
  ErrorType failed_operation_ = ErrorType::Unknown;
  std::string reason_;
  std::uint32_t tests_running_ = 0;
  std::uint32_t tests_succeeded_ = 0;
  TimePoint last_test_;

  Snapshot counts_;
  std::vector<Transition> transitions_;
};

}  // namespace isotube::isolation
