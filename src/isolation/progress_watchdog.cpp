#include "isolation/progress_watchdog.hpp"

#include <algorithm>

namespace isotube::isolation {

ProgressVerdict ProgressWatchdog::look(TimePoint now, const Progress& progress) {
  const bool moved = progress.bytes_acknowledged != last_.bytes_acknowledged ||
                     (!progress.may_send && progress.probes_answered != last_.probes_answered);
  // A wait of another kind begins when data is queued, and when the window opens or closes.
  const bool other = progress.data_queued != last_.data_queued || progress.may_send != last_.may_send;
  const Duration paused = last_.data_queued ? now - looked_ - kLook - kLate : Duration(0);
  last_ = progress;
  looked_ = now;
  if (!progress.data_queued || moved || other) {
    since_ = now;
    return ProgressVerdict::Fine;
  }
  if (paused > Duration(0)) since_ += paused + kLate;
  if (now - since_ < limit_) return ProgressVerdict::Fine;
  since_ = now;
  return ProgressVerdict::Stuck;
}

TimePoint ProgressWatchdog::next_timeout() const {
  if (!last_.data_queued) return kNever;
  return std::min(since_ + limit_, looked_ + kLook);
}

}  // namespace isotube::isolation
