// The relay's way with sockets: when to read, when to write, and what their ends mean.
#include <algorithm>
#include <utility>

#include "tube/relay.hpp"

namespace isotube::tube {
namespace {

namespace asio = boost::asio;
using Outcome = Stream::Outcome;
using Reading = Stream::Reading;
using Writing = Stream::Writing;

/// Nothing is read from sockets while so much of the tube's data is unacknowledged: it waits where TCP can hold its
/// sender back.
constexpr std::size_t kHighMark = std::size_t{1} << 20;
/// What one look at the sockets may read; the rest waits for the next turn.
constexpr std::size_t kTurnBytes = std::size_t{256} << 10;
/// A buffer of 64 KiB with its frame header and trailer.
constexpr std::size_t kReadSize = 65'536 - frame::kOverhead;
/// A read that fills less than this part of its buffer is copied out of it, for budgets count what buffers pin.
constexpr std::size_t kWasteful = 4;

}  // namespace

void Relay::start(const StreamPointer& stream) { queue_read(stream); }

void Relay::want_write(const StreamPointer& stream) {
  if (!stream->attached() || stream->in_write_list || stream->writing != Writing::Idle) return;
  stream->in_write_list = true;
  to_write_.push_back(stream);
}

bool Relay::write_streams(TimePoint now) {
  if (to_write_.empty()) return false;
  for (const StreamPointer& stream : std::exchange(to_write_, {})) {
    stream->in_write_list = false;
    if (find(stream->conn_no()) == stream) write_stream(now, stream);
  }
  return true;
}

void Relay::write_stream(TimePoint now, const StreamPointer& stream) {
  const Stream::Result result = stream->write();
  if (result.bytes > 0) {
    stream->last_moved = now;
    count_up_or_down(*stream, 0, result.bytes);
    session_.consumed(now, stream->conn_no(), result.bytes);
  }
  switch (result.outcome) {
    case Outcome::Moved:
      return;
    case Outcome::WouldBlock:
      stream->writing = Writing::Waiting;
      return wait(stream, Stream::Socket::wait_write, &Relay::on_writable);
    case Outcome::EndOfFile:
      stream->writing = Writing::Shut;
      return session_.delivered_eof(now, stream->conn_no());
    case Outcome::Failed:
      return write_broke(now, stream, result.error);
  }
}

void Relay::write_broke(TimePoint now, const StreamPointer& stream, const boost::system::error_code& error) {
  stream->writing = Writing::Broken;
  stream->failure = error.message();
  session_.consumed(now, stream->conn_no(), stream->drop_queue());
  // What the target said before it went is still in the socket (an HTTP server's answer to an upload that it cuts off):
  // the connection ends when that is read.
  if (stream->reading == Reading::Ended) {
    session_.close(now, stream->conn_no(), CloseReason::ConnectionLost, "the connection broke: " + stream->failure);
  } else if (stream->reading == Reading::Waiting) {
    queue_read(stream);
  }
}

void Relay::on_writable(TimePoint, const StreamPointer& stream) {
  if (stream->writing != Writing::Waiting) return;
  stream->writing = Writing::Idle;
  want_write(stream);
}

void Relay::queue_read(const StreamPointer& stream) {
  stream->reading = Reading::Queued;
  to_read_.push_back(stream);
}

void Relay::on_readable(TimePoint, const StreamPointer& stream) {
  if (stream->reading == Reading::Waiting) queue_read(stream);
}

bool Relay::read_streams(TimePoint now) {
  bool any = false;
  // One message each in turn: a fast stream gets no more than its neighbours.
  while (!to_read_.empty() && !unsent_ && buffered() < kHighMark) {
    if (read_in_turn_ >= kTurnBytes) {
      connection_.turn_again();
      break;
    }
    any = true;
    const StreamPointer stream = std::move(to_read_.front());
    to_read_.pop_front();
    read_in_turn_ += read_stream(now, stream);
    send_messages(now);
  }
  return any;
}

std::size_t Relay::read_stream(TimePoint now, const StreamPointer& stream) {
  const std::size_t most = std::min(session_.writable(stream->conn_no()), kReadSize);
  if (most == 0) {
    stream->reading = Reading::NoCredit;
    return 0;
  }
  Buffer buffer = connection_.pool().acquire(tunnel::kHeadroom, most + frame::kTrailerSize);
  const Stream::Result result = stream->read(buffer, most);
  switch (result.outcome) {
    case Outcome::Moved:
      stream->last_moved = now;
      count_up_or_down(*stream, result.bytes, 0);
      session_.write(now, stream->conn_no(), fitting(std::move(buffer)));
      // A read that did not fill its buffer has emptied the socket.
      if (result.bytes == most) {
        queue_read(stream);
      } else {
        stream->reading = Reading::Waiting;
        wait(stream, Stream::Socket::wait_read, &Relay::on_readable);
      }
      return result.bytes;
    case Outcome::WouldBlock:
      stream->reading = Reading::Waiting;
      wait(stream, Stream::Socket::wait_read, &Relay::on_readable);
      return 0;
    case Outcome::EndOfFile:
    case Outcome::Failed:
      read_ended(now, stream, result);
      return 0;
  }
  return 0;
}

void Relay::read_ended(TimePoint now, const StreamPointer& stream, const Stream::Result& result) {
  stream->reading = Reading::Ended;
  if (stream->writing == Writing::Broken) {
    return session_.close(now, stream->conn_no(), CloseReason::ConnectionLost,
                          "the connection broke: " + stream->failure);
  }
  if (result.outcome == Outcome::Failed) {
    return session_.close(now, stream->conn_no(), CloseReason::ConnectionLost,
                          "the connection broke: " + result.error.message());
  }
  session_.write_eof(now, stream->conn_no());
}

Buffer Relay::fitting(Buffer buffer) {
  if (buffer.capacity() <= kWasteful * (buffer.size() + frame::kOverhead)) return buffer;
  Buffer small = connection_.pool().acquire(tunnel::kHeadroom, buffer.size() + frame::kTrailerSize);
  small.append(buffer.view());
  return small;
}

void Relay::wait(const StreamPointer& stream, Stream::Socket::wait_type what, Step then) {
  stream->socket().async_wait(what, [connection = weak_connection_, relay = weak_from_this(),
                                     weak = std::weak_ptr(stream), then](const boost::system::error_code& error) {
    const auto alive = connection.lock();
    // Whatever else it says, the read or write that follows says it better.
    if (error == asio::error::operation_aborted || !alive) return;
    alive->turn([&](TimePoint now) {
      const auto self = relay.lock();
      const auto still = weak.lock();
      if (self && still && self->find(still->conn_no()) == still) (self.get()->*then)(now, still);
    });
  });
}

void Relay::count_up_or_down(const Stream& stream, std::size_t read, std::size_t written) {
  const bool client = stream.end() == Stream::End::Client;
  status_.bytes_up.fetch_add(client ? read : written, std::memory_order_relaxed);
  status_.bytes_down.fetch_add(client ? written : read, std::memory_order_relaxed);
}

}  // namespace isotube::tube
