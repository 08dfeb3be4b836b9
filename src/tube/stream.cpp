#include "tube/stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace isotube::tube {
namespace {

namespace asio = boost::asio;

/// Payloads up to this are copied together.
constexpr std::size_t kSmall = 4096;
constexpr std::size_t kJoined = 16'384;
/// Buffers so many times as large as their payload are not kept.
constexpr std::size_t kWasteful = 4;
/// How many buffers one write takes.
constexpr std::size_t kGather = 16;

bool would_block(const boost::system::error_code& error) {
  return error == asio::error::would_block || error == asio::error::try_again || error == asio::error::interrupted;
}

}  // namespace

Stream::Stream(frame::ConnNo conn_no, End end, std::string target, TimePoint now)
    : last_moved(now), conn_no_(conn_no), end_(end), target_(std::move(target)), started_(now) {}

Stream::~Stream() {
  if (!socket_ || ended_well) return;
  boost::system::error_code ignored;
  socket_->set_option(asio::socket_base::linger(true, 0), ignored);
  // Closed here: Asio's destructor takes the option back.
  socket_->close(ignored);
}

void Stream::attach(Socket socket) {
  socket_.emplace(std::move(socket));
  boost::system::error_code ignored;
  socket_->non_blocking(true, ignored);
  socket_->set_option(asio::ip::tcp::no_delay(true), ignored);
  // An idle connection whose other machine is gone must not stay for ever.
  socket_->set_option(asio::socket_base::keep_alive(true), ignored);
}

Stream::Result Stream::read(Buffer& buffer, std::size_t most) {
  const MutableByteView room = buffer.free_tail().first(std::min(most, buffer.tailroom()));
  Result result{.outcome = Outcome::Moved, .bytes = 0, .error = {}};
  result.bytes = socket_->read_some(asio::mutable_buffer(room.data(), room.size()), result.error);
  if (!result.error) {
    (void)buffer.append(result.bytes);
    bytes_read_ += result.bytes;
  } else if (would_block(result.error)) {
    result.outcome = Outcome::WouldBlock;
  } else {
    result.outcome = result.error == asio::error::eof ? Outcome::EndOfFile : Outcome::Failed;
  }
  return result;
}

void Stream::push(Buffer payload, BufferPool& pool) {
  // Budgets count what buffers pin, so a large one that holds little is copied out of and given back.
  if (payload.size() > kSmall && payload.capacity() <= kWasteful * payload.size()) {
    queue_.push_back(std::move(payload));
    return;
  }
  if (queue_.empty() || queue_.back().tailroom() < payload.size()) {
    queue_.push_back(pool.acquire(0, std::max(payload.size(), queue_.empty() ? kSmall : kJoined)));
  }
  queue_.back().append(payload.view());
}

Stream::Result Stream::write() {
  Result result{.outcome = Outcome::Moved, .bytes = 0, .error = {}};
  while (!queue_.empty()) {
    std::array<asio::const_buffer, kGather> views;
    std::size_t used = 0;
    for (const Buffer& each : queue_) {
      if (used == views.size()) break;
      views[used++] = asio::const_buffer(each.view().data(), each.size());
    }
    std::size_t written = socket_->write_some(std::span(views).first(used), result.error);
    if (result.error) {
      result.outcome = would_block(result.error) ? Outcome::WouldBlock : Outcome::Failed;
      return result;
    }
    result.bytes += written;
    bytes_written_ += written;
    while (written > 0) {
      Buffer& first = queue_.front();
      const std::size_t part = std::min(written, first.size());
      first.remove_prefix(part);
      written -= part;
      if (first.empty()) queue_.pop_front();
    }
  }
  if (!eof_queued_) return result;
  socket_->shutdown(Socket::shutdown_send, result.error);
  result.outcome = result.error ? Outcome::Failed : Outcome::EndOfFile;
  return result;
}

std::size_t Stream::drop_queue() {
  std::size_t dropped = 0;
  for (const Buffer& each : queue_) dropped += each.size();
  queue_.clear();
  return dropped;
}

}  // namespace isotube::tube
