// How often this thread asked for memory: for tests that say that a warm path does not.
#pragma once

#include <cstddef>

namespace isotube::runtime {

std::size_t allocations();

}  // namespace isotube::runtime
