// Messages that wait for the driver, in order; small control frames share one.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "tunnel/session.hpp"

namespace isotube::tunnel {

enum class ChannelKind : std::uint8_t { Data, Control };

/// What goes out on `control` goes first: that is what the channel is for. Behind it the order of pushing holds over
/// all data channels.
class Outbox {
 public:
  /// `limit` is the longest message that the peer takes.
  Outbox(BufferPool& pool, std::size_t limit) : pool_(pool), limit_(limit) {}

  void push_data(ChannelId channel, Buffer frame);
  /// Joins the message before it if that waits on the same channel, holds control frames alone and has room. The frame
  /// must not exceed the limit.
  void push_control(ChannelKind kind, ChannelId channel, const frame::Control& control, std::uint64_t unix_ms);
  [[nodiscard]] std::optional<Transmit> pop();
  /// Forgets what waits for `channel`.
  void drop(ChannelId channel);
  void clear();
  /// Bytes of control frames that wait.
  [[nodiscard]] std::size_t control_bytes() const { return control_bytes_; }

 private:
  enum class Content : std::uint8_t { Data, Control };
  struct Waiting {
    ChannelId channel;
    Content content;
    Buffer message;
  };
  using Queue = std::deque<Waiting>;

  [[nodiscard]] std::optional<Transmit> pop_from(Queue& queue);
  void drop_from(Queue& queue, ChannelId channel);

  BufferPool& pool_;
  std::size_t limit_;
  std::size_t control_bytes_ = 0;
  Queue on_control_;
  Queue on_data_;
};

}  // namespace isotube::tunnel
