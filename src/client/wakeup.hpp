// How a coroutine sleeps until something may have changed, or a time has come.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/time.hpp"

namespace isotube::client {

/// For one waiter, that checks its conditions, waits, and checks again. All on one strand, so nothing changes between
/// a check and the wait that follows it.
class Wakeup {
 public:
  explicit Wakeup(const boost::asio::any_io_executor& strand) : timer_(strand) {}

  [[nodiscard]] boost::asio::awaitable<void> wait_for(Duration duration) {
    timer_.expires_after(duration);
    constexpr auto kTupled = boost::asio::as_tuple(boost::asio::use_awaitable);
    co_await timer_.async_wait(kTupled);
  }

  void notify() { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace isotube::client
