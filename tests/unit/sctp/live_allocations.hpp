// What the program's `new` has given out and not got back: for tests that say that memory stays flat.
#pragma once

#include <cstddef>

namespace isotube {

std::size_t live_allocations();

}  // namespace isotube
