#include "base/buffer.hpp"

#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace isotube {

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      storage_(std::move(other.storage_)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer taken(std::move(other));
  std::swap(pool_, taken.pool_);
  std::swap(storage_, taken.storage_);
  std::swap(capacity_, taken.capacity_);
  std::swap(begin_, taken.begin_);
  std::swap(size_, taken.size_);
  return *this;
}

Buffer::~Buffer() {
  if (pool_ != nullptr) pool_->release(std::move(storage_), capacity_);
}

MutableByteView Buffer::prepend(std::size_t count) {
  ISOTUBE_ASSERT(count <= headroom());
  begin_ -= count;
  size_ += count;
  return mutable_view().first(count);
}

MutableByteView Buffer::append(std::size_t count) {
  ISOTUBE_ASSERT(count <= tailroom());
  size_ += count;
  return mutable_view().last(count);
}

void Buffer::append(ByteView bytes) {
  MutableByteView target = append(bytes.size());
  if (!bytes.empty()) std::memcpy(target.data(), bytes.data(), bytes.size());
}

void Buffer::remove_prefix(std::size_t count) {
  ISOTUBE_ASSERT(count <= size_);
  begin_ += count;
  size_ -= count;
}

void Buffer::remove_suffix(std::size_t count) {
  ISOTUBE_ASSERT(count <= size_);
  size_ -= count;
}

BufferPool::~BufferPool() { assert(stats_.in_use_bytes == 0 && "a buffer outlives its pool"); }

Buffer BufferPool::acquire(std::size_t headroom, std::size_t room) {
  const std::size_t wanted = std::bit_ceil(std::max(headroom + room, std::size_t{1} << kSmallestClass));
  Buffer buffer;
  const auto size_class = static_cast<std::size_t>(std::countr_zero(wanted)) - kSmallestClass;
  if (size_class < kClasses && !free_[size_class].empty()) {
    buffer.storage_ = std::move(free_[size_class].back());
    free_[size_class].pop_back();
    stats_.kept_bytes -= wanted;
  } else {
    if (size_class < kClasses && free_[size_class].capacity() == 0) free_[size_class].reserve(kMostKept);
    buffer.storage_ = std::make_unique_for_overwrite<std::byte[]>(wanted);
    ++stats_.allocations;
  }
  buffer.pool_ = this;
  buffer.capacity_ = wanted;
  buffer.begin_ = headroom;
  stats_.in_use_bytes += wanted;
  return buffer;
}

Buffer BufferPool::copy_of(ByteView bytes, std::size_t headroom) {
  Buffer buffer = acquire(headroom, bytes.size());
  buffer.append(bytes);
  return buffer;
}

void BufferPool::release(std::unique_ptr<std::byte[]> storage, std::size_t capacity) noexcept {
  stats_.in_use_bytes -= capacity;
  const auto size_class = static_cast<std::size_t>(std::countr_zero(capacity)) - kSmallestClass;
  if (size_class >= kClasses || stats_.kept_bytes + capacity > keep_bytes_) return;
#ifndef NDEBUG
  // A tube that reads past what was written must see this pattern, never another connection's payload.
  std::memset(storage.get(), 0xDB, capacity);
#endif
  std::vector<std::unique_ptr<std::byte[]>>& list = free_[size_class];
  // A buffer may die anywhere: keeping its storage must not allocate.
  if (list.size() == list.capacity()) return;
  list.push_back(std::move(storage));
  stats_.kept_bytes += capacity;
}

void BufferPool::trim() {
  for (auto& list : free_) list = std::vector<std::unique_ptr<std::byte[]>>();
  stats_.kept_bytes = 0;
}

}  // namespace isotube
