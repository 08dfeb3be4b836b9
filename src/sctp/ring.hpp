// A queue with access by index that keeps its storage: no allocation once it has grown to what is needed.
#pragma once

#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace isotube::sctp {

template <typename T>
class Ring {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] T& operator[](std::size_t index) { return slots_[(head_ + index) & (slots_.size() - 1)]; }
  [[nodiscard]] const T& operator[](std::size_t index) const { return slots_[(head_ + index) & (slots_.size() - 1)]; }
  [[nodiscard]] T& front() { return (*this)[0]; }
  [[nodiscard]] const T& front() const { return (*this)[0]; }
  [[nodiscard]] T& back() { return (*this)[size_ - 1]; }

  void push_back(T value) {
    if (size_ == slots_.size()) grow();
    ++size_;
    back() = std::move(value);
  }

  void pop_front() {
    ISOTUBE_ASSERT(size_ > 0);
    front() = T();
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
    // What was needed while busy is given back when it is empty, unless it is small.
    if (size_ == 0 && slots_.size() > kKeep) slots_ = std::vector<T>();
    if (size_ == 0) head_ = 0;
  }

 private:
  static constexpr std::size_t kFirst = 8;
  static constexpr std::size_t kKeep = 4096;

  void grow() {
    std::vector<T> larger(slots_.empty() ? kFirst : slots_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    slots_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace isotube::sctp
