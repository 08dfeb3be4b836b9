// The circuits of all TURN servers of one tube.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "isolation/turn_circuit.hpp"

namespace isotube::isolation {

struct TurnProbe {
  std::string server;
  TimePoint due;

  friend bool operator==(const TurnProbe&, const TurnProbe&) = default;
};

struct ServerTransition {
  std::string server;
  TurnTransition transition;
};

/// Servers are named by what was configured ("turn:192.0.2.1:3478?transport=tcp"): one way to a server that fails says
/// nothing of another. Each counts for itself, whoever is tried beside it. A server that is not configured has no
/// circuit: at() gives nothing.
/// Not thread-safe. `now` never goes back.
class TurnCircuits {
 public:
  static constexpr std::size_t kMaxServers = 32;

  TurnCircuits(const TurnCircuitConfig& config, const Random& random);

  /// From now on these servers; those that were there before keep their circuits. What is past kMaxServers is left out.
  void configure(std::span<const std::string> servers);
  [[nodiscard]] TurnCircuit* at(std::string_view server);
  [[nodiscard]] const TurnCircuit* at(std::string_view server) const;
  [[nodiscard]] std::vector<std::string> servers() const;

  /// False when there are servers, and the circuit of each is open (or waits for its probe).
  [[nodiscard]] bool is_healthy() const;
  /// Since the tube began, with servers that are configured no more.
  [[nodiscard]] std::uint64_t turn_failure_count() const;
  /// The first probe that is due. Nothing: all circuits are closed.
  [[nodiscard]] std::optional<TurnProbe> next_probe() const;
  /// Until the first of the open circuits lets a probe through, when none is closed; zero if one would now.
  [[nodiscard]] std::optional<Duration> time_left(TimePoint now) const;

  void credentials_changed(TimePoint now);
  void reset(TimePoint now);

  /// In order for each server.
  [[nodiscard]] std::optional<ServerTransition> poll_transition();

 private:
  struct Entry {
    std::string server;
    TurnCircuit circuit;
  };

  TurnCircuitConfig config_;
  Random random_;
  std::vector<Entry> entries_;
  std::uint64_t failures_of_former_servers_ = 0;
};

}  // namespace isotube::isolation
