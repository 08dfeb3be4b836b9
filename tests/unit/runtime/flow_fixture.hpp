// Flows on one thread, and what is heard of them.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/flow.hpp"
#include "unit/runtime/kernel.hpp"

namespace isotube::runtime {

struct Heard {
  std::optional<Address> opened;
  std::optional<std::string> failed;
  Bytes bytes;
  std::vector<std::size_t> piece_sizes;
  int calls = 0;  ///< of `received`
  int writable = 0;
  bool closed = false;

  [[nodiscard]] bool over() const { return failed || closed; }
};

class FlowFixture : public testing::Test {
 protected:
  void SetUp() override { kernel::reset(); }
  void TearDown() override { kernel::reset(); }

  static Flow::Callbacks write_down(Heard& heard) {
    return {.opened = [&heard](const Address& local) { heard.opened = local; },
            .failed = [&heard](const std::string& reason) { heard.failed = reason; },
            .received =
                [&heard](std::span<const ByteView> pieces) {
                  ++heard.calls;
                  for (const ByteView piece : pieces) {
                    heard.piece_sizes.push_back(piece.size());
                    heard.bytes.insert(heard.bytes.end(), piece.begin(), piece.end());
                  }
                },
            .writable = [&heard] { ++heard.writable; },
            .closed = [&heard] { heard.closed = true; }};
  }

  [[nodiscard]] Flow open(const Flow::Server& server, Heard& heard, const TlsTrust& trust = {}) const {
    return Flow::open(strand_, server, trust, write_down(heard));
  }

  /// Runs what there is to run until `done()`, or for 10 s.
  template <typename Done>
  void run_until(Done done) {
    // The wait's handler runs after us when it is cancelled.
    const auto late = std::make_shared<bool>(false);
    boost::asio::steady_timer limit(strand_, std::chrono::seconds(10));
    limit.async_wait([late](const boost::system::error_code& error) { *late = !error; });
    while (!done() && !*late) context_.run_one();
    EXPECT_FALSE(*late) << "waited in vain";
  }
  void run_what_is_ready() { context_.poll(); }

  static Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 251);
    return bytes;
  }

  /// Sends all of `bytes` in frames of 1,000, stopping where the flow says Blocked.
  void send_all(Flow& flow, const Heard& heard, ByteView bytes) {
    while (!bytes.empty() && !heard.over()) {
      if (flow.blocked()) run_until([&] { return !flow.blocked() || heard.over(); });
      const std::size_t count = std::min<std::size_t>(1000, bytes.size());
      flow.send(bytes.first(count), count);
      bytes = bytes.subspan(count);
    }
  }

  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ =
      boost::asio::make_work_guard(context_);
  Strand strand_ = boost::asio::make_strand(context_.get_executor());
};

}  // namespace isotube::runtime
