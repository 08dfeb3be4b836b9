// Buffers that travel through all layers without a copy: room in front for headers, a pool behind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.hpp"

namespace isotube {

class BufferPool;

/// A run of bytes with free room before and behind it. Move-only; gives its storage back to its pool when it dies,
/// so it must not outlive the pool.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  [[nodiscard]] ByteView view() const { return {storage_.get() + begin_, size_}; }
  [[nodiscard]] MutableByteView mutable_view() { return {storage_.get() + begin_, size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Bytes of memory that this buffer pins, whatever it holds: what budgets count.
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t headroom() const { return begin_; }
  [[nodiscard]] std::size_t tailroom() const { return capacity_ - begin_ - size_; }

  /// Grows to the front by `count` (at most headroom()) and gives the new bytes, which hold anything.
  MutableByteView prepend(std::size_t count);
  /// Grows to the back by `count` (at most tailroom()) and gives the new bytes, which hold anything.
  MutableByteView append(std::size_t count);
  /// Appends a copy of `bytes`, at most tailroom().
  void append(ByteView bytes);
  void remove_prefix(std::size_t count);
  void remove_suffix(std::size_t count);
  /// All free room behind the contents, for a read; commit with append(count).
  [[nodiscard]] MutableByteView free_tail() { return {storage_.get() + begin_ + size_, tailroom()}; }

 private:
  friend class BufferPool;

  BufferPool* pool_ = nullptr;
  std::unique_ptr<std::byte[]> storage_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

/// Keeps freed storage by size class, so that a warm path allocates nothing. Bounded by `keep_bytes`: what comes back
/// beyond it goes to the heap. One pool belongs to one tube and is used by one thread at a time.
class BufferPool {
 public:
  struct Stats {
    std::size_t in_use_bytes = 0;
    std::size_t kept_bytes = 0;
    std::uint64_t allocations = 0;  ///< from the heap, ever
  };

  explicit BufferPool(std::size_t keep_bytes = kDefaultKeepBytes) : keep_bytes_(keep_bytes) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// An empty buffer with `headroom` bytes in front and at least `room` behind. Its bytes hold anything.
  [[nodiscard]] Buffer acquire(std::size_t headroom, std::size_t room);
  /// A buffer that holds a copy of `bytes`, with `headroom` in front.
  [[nodiscard]] Buffer copy_of(ByteView bytes, std::size_t headroom = 0);
  /// Gives all kept storage back to the heap: for a tube that went idle.
  void trim();
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  friend class Buffer;

  /// 1 MiB: a burst of four 256 KiB messages.
  static constexpr std::size_t kDefaultKeepBytes = std::size_t{1} << 20;
  /// Classes are the powers of two from 512 B to 512 KiB (the largest message is 256 KiB with room around it).
  static constexpr std::size_t kSmallestClass = 9;
  static constexpr std::size_t kClasses = 11;
  /// Of each class: 64 messages of 64 KiB are what 4 MiB in flight holds.
  static constexpr std::size_t kMostKept = 64;

  void release(std::unique_ptr<std::byte[]> storage, std::size_t capacity) noexcept;

  std::size_t keep_bytes_;
  std::array<std::vector<std::unique_ptr<std::byte[]>>, kClasses> free_;
  Stats stats_;
};

}  // namespace isotube
