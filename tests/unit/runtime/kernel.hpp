// The system calls that sockets send with, made to fail on demand. The test program's own definitions come before the C
// library's.
#pragma once

#include <atomic>

namespace isotube::runtime::kernel {

/// errno that each of the next so many sends fails with.
struct Script {
  std::atomic<int> refuse_segmented = 0;  ///< 0: let it through; else this errno, for ever
  std::atomic<int> full_after = -1;       ///< datagrams that sendmmsg still takes before EAGAIN; -1: no limit
  std::atomic<bool> all_full = false;
  std::atomic<int> stream_sends = 0;           ///< counts calls of send()
  std::atomic<int> refuse_stream_sends = 0;    ///< 0: let them through; else this errno, for ever
  std::atomic<int> most_of_a_stream_send = 0;  ///< bytes that send() takes of what is given; 0: no limit
};
Script& script();
void reset();

}  // namespace isotube::runtime::kernel
