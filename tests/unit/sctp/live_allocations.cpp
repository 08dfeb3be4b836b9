#include "unit/sctp/live_allocations.hpp"

#include <cstdlib>
#include <new>

namespace isotube {

namespace {
std::size_t live = 0;  // the test program has one thread
}

std::size_t live_allocations() { return live; }

}  // namespace isotube

void* operator new(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  ++isotube::live;
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory != nullptr) --isotube::live;
  std::free(memory);
}

void operator delete(void* memory, std::size_t /*size*/) noexcept { operator delete(memory); }
