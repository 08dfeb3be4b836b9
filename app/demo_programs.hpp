// The two programs between which the demo's tube lies: the target listens, the user's program connects.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "app/transfer.hpp"
#include "base/address.hpp"
#include "runtime/runtime.hpp"

namespace isotube::app {

enum class Direction : std::uint8_t { Up, Down };
[[nodiscard]] std::string to_string(Direction direction);

struct Transfer {
  Direction direction = Direction::Up;
  End sent;
  End got;
  double seconds = 0;

  [[nodiscard]] bool matches() const { return sent.bytes == got.bytes && sent.sha256 == got.sha256; }
  [[nodiscard]] double megabytes_per_second() const { return static_cast<double>(got.bytes) / 1e6 / seconds; }
};

/// Have workers of their own, as other programs would.
class DemoPrograms {
 public:
  DemoPrograms();
  ~DemoPrograms();
  DemoPrograms(const DemoPrograms&) = delete;
  DemoPrograms& operator=(const DemoPrograms&) = delete;

  /// Where the target listens.
  [[nodiscard]] Address target() const;

  /// Moves `bytes` through the port `local` and waits for it; `show` hears several times a second how much arrived.
  /// Fails when either end does, and when nothing arrived for 20 s: then this object is good for nothing more.
  [[nodiscard]] std::expected<Transfer, std::string> run(Direction direction, const Address& local, std::uint64_t bytes,
                                                         const std::function<void(std::uint64_t)>& show);

 private:
  using Outcome = std::expected<End, std::string>;

  [[nodiscard]] boost::asio::awaitable<Outcome> target_side(Direction direction, std::uint64_t bytes);
  [[nodiscard]] boost::asio::awaitable<Outcome> user_side(Direction direction, Address local, std::uint64_t bytes);

  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<std::uint64_t> got_ = 0;
  runtime::Runtime runtime_;
  boost::asio::ip::tcp::acceptor acceptor_;
};

}  // namespace isotube::app
