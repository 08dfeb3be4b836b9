#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <stdexcept>

namespace isotube::tube {

template <typename T>
T wait_for(runtime::Runtime& runtime, boost::asio::awaitable<T> work) {
  auto future = boost::asio::co_spawn(runtime.context(), std::move(work), boost::asio::use_future);
  if (future.wait_for(kLimit) != std::future_status::ready) throw std::runtime_error("a tube's coroutine hangs");
  return future.get();
}

}  // namespace isotube::tube
