// Our own invariants. Bad input is never one: that is a typed error.
#pragma once

#include <stdexcept>

namespace isotube {

/// Thrown in release builds when an invariant of ours is broken. It stops at the edge of the tube's task: that tube
/// closes with reason Error and its machine is dropped whole. Debug and simulation builds abort instead.
class InvariantBroken : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Aborts or throws, by build; never returns.
[[noreturn]] void invariant_broken(const char* condition, const char* file, int line);

}  // namespace isotube

#define ISOTUBE_ASSERT(condition)                                  \
  do {                                                             \
    if (!(condition)) [[unlikely]]                                 \
      ::isotube::invariant_broken(#condition, __FILE__, __LINE__); \
  } while (false)
