// One transfer of the demo: bytes from one program to another, counted and hashed at both ends.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <string>

namespace isotube::app {

/// What one end saw.
struct End {
  std::uint64_t bytes = 0;
  std::string sha256;  ///< in hex
  std::chrono::steady_clock::time_point finished;
};

/// Sends `bytes` pseudo-random bytes of `stream` on `socket`, then half closes it. `done` counts along.
[[nodiscard]] boost::asio::awaitable<std::expected<End, std::string>> send_bytes(boost::asio::ip::tcp::socket& socket,
                                                                                 std::string stream,
                                                                                 std::uint64_t bytes,
                                                                                 std::atomic<std::uint64_t>& done);
/// Reads `socket` to its end.
[[nodiscard]] boost::asio::awaitable<std::expected<End, std::string>> receive_bytes(
    boost::asio::ip::tcp::socket& socket, std::atomic<std::uint64_t>& done);

}  // namespace isotube::app
