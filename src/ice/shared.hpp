// What the generations of one agent use together.
#pragma once

#include <deque>

#include "ice/agent.hpp"
#include "ice/local_candidates.hpp"

namespace isotube::ice {

/// Below, checks are a burst.
inline constexpr Duration kLeastPacing = std::chrono::milliseconds(1);

struct Shared {
  /// More than one call can bring, by far: a driver that does not drain loses datagrams, as a network does.
  static constexpr std::size_t kMostTransmits = 512;

  void transmit(const Path& path, Bytes datagram) {
    if (transmits.size() < kMostTransmits) transmits.push_back({path, std::move(datagram)});
  }

  Settings settings;
  LocalCandidates locals;
  /// No more local candidates are to be expected.
  bool locals_complete = false;
  Counters counters;
  std::deque<Transmit> transmits;
};

}  // namespace isotube::ice
