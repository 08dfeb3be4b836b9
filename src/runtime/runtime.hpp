// The worker pool that all tubes share, and what it gives them: strands, sockets, look-ups. The only folder, with those
// above it, that knows threads, sockets and clocks.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"

namespace isotube::runtime {

/// One tube's queue of turns: never two at a time, on whichever worker is free. `asio::strand<executor>`, never
/// `io_context::strand`, whose shared implementations let a stalled tube hold up strangers.
using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;

/// The machines' time: the steady clock.
[[nodiscard]] TimePoint now();
[[nodiscard]] std::int64_t unix_seconds();
[[nodiscard]] std::uint64_t unix_ms();
/// A seed from the operating system. Throws std::runtime_error if it has none to give.
[[nodiscard]] Random::Seed system_seed();

/// One io_context, run by all workers. A worker's loop catches whatever a handler throws, counts it and goes on.
/// Thread-safe but for the destructor, which stops and joins. Whatever holds a Strand, a socket or a timer of it must
/// die before it does.
class Runtime {
 public:
  /// `workers` 0 means one for each core. Workers start at once.
  explicit Runtime(std::size_t workers = 0);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  [[nodiscard]] Strand make_strand() { return boost::asio::make_strand(context_.get_executor()); }
  /// Exceptions that reached a worker's loop.
  [[nodiscard]] std::uint64_t stray_exceptions() const;
  /// Ends all workers and joins them; what is still queued is dropped with the Runtime. Not to be called by a worker.
  void stop();

 private:
  void work();

  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::atomic<std::uint64_t> stray_exceptions_ = 0;
  std::once_flag stopped_;
  std::vector<std::jthread> workers_;
};

}  // namespace isotube::runtime
