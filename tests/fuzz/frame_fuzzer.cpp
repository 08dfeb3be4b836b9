// USES frame
//
// One data channel message from anywhere: frames and control messages are read, and what was read is written again.
// Input: two bytes of the receiver's limit, then the message.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "frame/frame.hpp"
#include "frame/utf8.hpp"

namespace isotube::frame {
namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

bool equal(ByteView left, ByteView right) { return std::ranges::equal(left, right); }

/// What parse_control() understood survives a second coding unchanged.
void check_control(BufferPool& pool, ByteView payload) {
  const auto control = parse_control(payload);
  if (!control) return;
  check(control_frame_size(*control) <= payload.size() + kOverhead);
  const Buffer first = make_control(pool, *control, 1);
  ByteView rest = first.view();
  const auto frame = take_frame(rest, kMaxFrame);
  check(frame.has_value() && rest.empty());
  const auto again = parse_control(frame->payload);
  check(again.has_value() && again->index() == control->index());
  const Buffer second = make_control(pool, *again, 1);
  check(equal(first.view(), second.view()));
}

/// A frame that was taken is the one that enclose() makes of its payload.
void check_frame(BufferPool& pool, const Frame& frame, ByteView taken) {
  Buffer buffer = pool.acquire(kHeaderSize, frame.payload.size() + kTrailerSize);
  buffer.append(frame.payload);
  enclose(buffer, frame.conn_no, frame.timestamp_ms);
  check(equal(buffer.view(), taken));
}

void check_text(std::string_view text) {
  if (!is_utf8(text)) return;
  for (std::size_t size = 0; size <= std::min<std::size_t>(text.size(), 8); ++size) {
    check(is_utf8(utf8_head(text, size)) && utf8_head(text, size).size() <= size);
  }
}

void run(ByteView input) {
  BufferPool pool;
  ByteReader reader(input);
  const std::size_t limit = message_limit(reader.u16());
  ByteView message = reader.rest();
  check_text(as_text(message));
  check_control(pool, message);
  while (!message.empty()) {
    const ByteView before = message;
    const auto frame = take_frame(message, limit);
    if (!frame) {
      check(message.data() == before.data() && message.size() == before.size());
      return;
    }
    const std::size_t size = before.size() - message.size();
    check(size == frame->payload.size() + kOverhead && size <= limit);
    check_frame(pool, *frame, before.first(size));
    if (frame->conn_no == kControl) check_control(pool, frame->payload);
  }
}

}  // namespace
}  // namespace isotube::frame

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  isotube::frame::run(std::as_bytes(std::span(data, size)));
  return 0;
}
