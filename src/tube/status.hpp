// What is known of a tube, written on its strand and read from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tube/tube.hpp"

namespace isotube::tube {

/// Each value stands for itself: a reader may see one a turn newer than another.
struct Status {
  static constexpr std::int64_t kUnknown = -1;

  std::atomic<State> state = State::New;
  std::atomic<std::int64_t> path_local = kUnknown;   ///< ice::CandidateType
  std::atomic<std::int64_t> path_remote = kUnknown;  ///< ice::CandidateType
  std::atomic<std::int64_t> round_trip = kUnknown;   ///< nanoseconds
  std::atomic<std::uint64_t> bytes_up = 0;
  std::atomic<std::uint64_t> bytes_down = 0;
  std::atomic<std::size_t> connections = 0;
};

}  // namespace isotube::tube
