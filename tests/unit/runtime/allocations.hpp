// How often this thread asked for memory: for tests that say that a warm path does not.
#pragma once

#include <cstddef>
#include <optional>

namespace isotube::runtime {

/// Nothing where it can't be counted: clang's sanitizers have an `operator new` of their own.
std::optional<std::size_t> allocations();

}  // namespace isotube::runtime
