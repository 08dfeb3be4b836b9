// Whether a tube's data moves, whatever its path's state says.
#pragma once

#include <cstdint>

#include "base/time.hpp"

namespace isotube::isolation {

/// What the tube knows at one moment. Counts are since it began.
struct Progress {
  bool data_queued = false;
  /// The association's receive window and the tube protocol's credit both let more go.
  bool may_send = false;
  std::uint64_t bytes_acknowledged = 0;
  /// Answers to probes of a closed window or of exhausted credit: signs of life of a peer that just cannot take more.
  std::uint64_t probes_answered = 0;
};

enum class ProgressVerdict : std::uint8_t { Fine, Stuck };

/// Data that is queued, may be sent, and of which no byte is acknowledged for 10 s is a failure, and again for each
/// further 10 s. Data that may not be sent is backpressure as long as the peer answers the probes; then silence of 10 s
/// is a failure too.
/// A look that comes much later than it was asked for saw a pause of the whole process, in which no acknowledgement
/// could be read: that time convicts nobody.
/// Not thread-safe. `now` never goes back.
class ProgressWatchdog {
 public:
  explicit ProgressWatchdog(Duration limit = std::chrono::seconds(10)) : limit_(limit) {}

  /// To be called whenever something changed, and at next_timeout(). Stuck: a failure to be reported.
  [[nodiscard]] ProgressVerdict look(TimePoint now, const Progress& progress);
  [[nodiscard]] TimePoint next_timeout() const;

 private:
  static constexpr Duration kLook = std::chrono::seconds(1);
  static constexpr Duration kLate = std::chrono::seconds(1);

  Duration limit_;
  Progress last_;
  TimePoint since_;
  TimePoint looked_;
};

}  // namespace isotube::isolation
