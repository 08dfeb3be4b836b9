#include "runtime/runtime.hpp"

#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <stdexcept>

namespace isotube::runtime {

TimePoint now() {
  return TimePoint(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::uint64_t unix_ms() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
}

Random::Seed system_seed() {
  Random::Seed seed{};
  std::size_t filled = 0;
  while (filled < seed.size()) {
    const ssize_t count = ::getrandom(seed.data() + filled, seed.size() - filled, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw std::runtime_error("the operating system gives no random bytes");
    filled += static_cast<std::size_t>(count);
  }
  return seed;
}

Runtime::Runtime(std::size_t workers) : work_(boost::asio::make_work_guard(context_)) {
  if (workers == 0) workers = std::max(1U, std::thread::hardware_concurrency());
  workers_.reserve(workers);
  for (std::size_t i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
}

Runtime::~Runtime() { stop(); }

std::uint64_t Runtime::stray_exceptions() const { return stray_exceptions_.load(std::memory_order_relaxed); }

void Runtime::stop() {
  context_.stop();
  // Whoever comes second waits until the first has joined.
  std::call_once(stopped_, [this] {
    for (std::jthread& worker : workers_) worker.join();
  });
}

void Runtime::work() {
  for (;;) {
    // A handler that throws leaves run(), which may be entered again; all other handlers stay queued.
    try {
      context_.run();
      return;
    } catch (const std::exception& exception) {
      stray_exceptions_.fetch_add(1, std::memory_order_relaxed);
      spdlog::error("a task threw past its tube: {}", exception.what());
    } catch (...) {
      stray_exceptions_.fetch_add(1, std::memory_order_relaxed);
      spdlog::error("a task threw something that is no exception past its tube");
    }
  }
}

}  // namespace isotube::runtime
