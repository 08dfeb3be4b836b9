// One TCP connection that a tube carries: its socket, what waits to be written to it, its counters.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/buffer.hpp"
#include "base/time.hpp"
#include "tube/dial.hpp"
#include "tube/tube.hpp"

namespace isotube::tube {

/// Non-blocking reads and writes; when to do them is the Relay's business. Used on the tube's strand only.
class Stream {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  /// Where bytes come from and go to, seen from the client: a forwarded connection's socket is the client's end.
  enum class End : std::uint8_t { Client, Target };

  enum class Reading : std::uint8_t {
    Off,       ///< there is no socket yet
    Waiting,   ///< for the socket to become readable
    Queued,    ///< readable, and waits for its turn
    NoCredit,  ///< the peer takes no more for now
    Ended,     ///< by end of file or an error
  };
  enum class Writing : std::uint8_t {
    Idle,
    Waiting,  ///< for the socket to become writable
    Shut,     ///< end of file was passed on
    Broken,   ///< the socket takes no more; what comes is dropped
  };

  enum class Outcome : std::uint8_t { Moved, WouldBlock, EndOfFile, Failed };
  struct Result {
    Outcome outcome;
    std::size_t bytes = 0;
    boost::system::error_code error;
  };

  Stream(frame::ConnNo conn_no, End end, std::string target, TimePoint now);
  /// Resets the connection unless it ended in good order: its other end must not take a break for an end of file.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void attach(Socket socket);
  [[nodiscard]] bool attached() const { return socket_.has_value(); }
  [[nodiscard]] Socket& socket() { return *socket_; }

  /// Reads what is there into `buffer`'s free room, `most` bytes at most.
  [[nodiscard]] Result read(Buffer& buffer, std::size_t most);
  /// Queues `payload`; small ones are joined, so that single bytes do not pin a buffer each.
  void push(Buffer payload, BufferPool& pool);
  void push_eof() { eof_queued_ = true; }
  /// Writes what the socket takes now: Moved with all of the queue, WouldBlock with a part of it. Once the queue is
  /// empty and end of file was queued, that is passed on and the outcome is EndOfFile.
  [[nodiscard]] Result write();
  /// Gives up writing and tells how many bytes were dropped.
  [[nodiscard]] std::size_t drop_queue();

  [[nodiscard]] frame::ConnNo conn_no() const { return conn_no_; }
  [[nodiscard]] End end() const { return end_; }
  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] TimePoint started() const { return started_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }

  Reading reading = Reading::Off;
  Writing writing = Writing::Idle;
  /// The session has ended it in good order: its socket is closed as it is.
  bool ended_well = false;
  /// Stands in the Relay's list of those that have something to write.
  bool in_write_list = false;
  TimePoint last_moved;
  /// Set until the target is connected.
  std::shared_ptr<Dial> dial;
  /// Why writing broke.
  std::string failure;

 private:
  frame::ConnNo conn_no_;
  End end_;
  std::string target_;
  TimePoint started_;
  std::optional<Socket> socket_;
  std::deque<Buffer> queue_;
  bool eof_queued_ = false;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace isotube::tube
