// Keeps what was sent in one direction, and holds what arrives against it: every byte once, and in order where order
// was asked for.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string_view>

#include "sctp/association.hpp"

namespace isotube::sctp {

class Ledger {
 public:
  void sent(std::uint16_t stream, bool ordered, ByteView bytes) {
    ++open_;
    if (ordered) {
      ordered_[stream].push_back(digest(bytes));
    } else {
      ++unordered_[stream][digest(bytes)];
    }
  }

  void received(StreamId stream, bool ordered, ByteView bytes) {
    const auto number = static_cast<std::uint16_t>(stream);
    return ordered ? received_ordered(number, digest(bytes)) : received_unordered(number, digest(bytes));
  }

  /// Messages may be missing (they were allowed to be given up), but what arrives is still in order and arrives once.
  void allow_missing(std::uint16_t stream) { may_miss_[stream] = true; }

  [[nodiscard]] bool all_arrived() const { return open_ == 0; }
  [[nodiscard]] std::size_t arrived() const { return arrived_; }
  [[nodiscard]] std::size_t open() const { return open_; }

 private:
  static std::size_t digest(ByteView bytes) { return std::hash<std::string_view>{}(as_text(bytes)); }

  void received_ordered(std::uint16_t stream, std::size_t digest) {
    std::deque<std::size_t>& waiting = ordered_[stream];
    while (may_miss_.contains(stream) && !waiting.empty() && waiting.front() != digest) {
      waiting.pop_front();
      --open_;
    }
    ASSERT_FALSE(waiting.empty()) << "stream " << stream << ": more arrived than was sent, or out of order";
    ASSERT_EQ(waiting.front(), digest) << "stream " << stream << ": not the message that is next";
    waiting.pop_front();
    --open_;
    ++arrived_;
  }

  void received_unordered(std::uint16_t stream, std::size_t digest) {
    auto& waiting = unordered_[stream];
    const auto found = waiting.find(digest);
    ASSERT_NE(found, waiting.end()) << "stream " << stream << ": a message that was not sent, or came twice";
    if (--found->second == 0) waiting.erase(found);
    --open_;
    ++arrived_;
  }

  std::map<std::uint16_t, std::deque<std::size_t>> ordered_;
  std::map<std::uint16_t, std::map<std::size_t, int>> unordered_;
  std::map<std::uint16_t, bool> may_miss_;
  std::size_t open_ = 0;
  std::size_t arrived_ = 0;
};

}  // namespace isotube::sctp
