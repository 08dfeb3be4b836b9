#include "tunnel/outbox.hpp"

#include <utility>

#include "base/assert.hpp"

namespace isotube::tunnel {

void Outbox::push_data(ChannelId channel, Buffer frame) {
  on_data_.push_back({channel, Content::Data, std::move(frame)});
}

void Outbox::push_control(ChannelKind kind, ChannelId channel, const frame::Control& control, std::uint64_t unix_ms) {
  const std::size_t size = frame::control_frame_size(control);
  ISOTUBE_ASSERT(size <= limit_);
  Queue& queue = kind == ChannelKind::Control ? on_control_ : on_data_;
  control_bytes_ += size;
  if (!queue.empty()) {
    Waiting& last = queue.back();
    if (last.content == Content::Control && last.channel == channel && last.message.tailroom() >= size &&
        last.message.size() + size <= limit_) {
      frame::append_control(last.message, control, unix_ms);
      return;
    }
  }
  queue.push_back({channel, Content::Control, frame::make_control(pool_, control, unix_ms)});
}

std::optional<Transmit> Outbox::pop() {
  if (auto transmit = pop_from(on_control_)) return transmit;
  return pop_from(on_data_);
}

std::optional<Transmit> Outbox::pop_from(Queue& queue) {
  if (queue.empty()) return std::nullopt;
  Waiting first = std::move(queue.front());
  queue.pop_front();
  if (first.content == Content::Control) control_bytes_ -= first.message.size();
  return Transmit{first.channel, std::move(first.message)};
}

void Outbox::drop(ChannelId channel) {
  drop_from(on_control_, channel);
  drop_from(on_data_, channel);
}

void Outbox::drop_from(Queue& queue, ChannelId channel) {
  for (const Waiting& waiting : queue) {
    if (waiting.channel == channel && waiting.content == Content::Control) control_bytes_ -= waiting.message.size();
  }
  std::erase_if(queue, [channel](const Waiting& waiting) { return waiting.channel == channel; });
}

void Outbox::clear() {
  on_control_.clear();
  on_data_.clear();
  control_bytes_ = 0;
}

}  // namespace isotube::tunnel
