#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace isotube {

void invariant_broken(const char* condition, const char* file, int line) {
  const std::string what = std::string(file) + ":" + std::to_string(line) + ": invariant broken: " + condition;
#ifdef NDEBUG
  throw InvariantBroken(what);
#else
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
#endif
}

}  // namespace isotube
