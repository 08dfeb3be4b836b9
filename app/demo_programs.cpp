#include "app/demo_programs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <utility>

#include "runtime/socket_address.hpp"

namespace isotube::app {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr auto kTupled = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kLook{100};
constexpr std::chrono::seconds kStandstill{20};

}  // namespace

std::string to_string(Direction direction) { return direction == Direction::Up ? "up" : "down"; }

DemoPrograms::DemoPrograms()
    : runtime_(2), acceptor_(runtime_.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

DemoPrograms::~DemoPrograms() { runtime_.stop(); }

Address DemoPrograms::target() const {
  const tcp::endpoint endpoint = acceptor_.local_endpoint();
  return runtime::from_socket_address(endpoint.data()).value_or(Address());
}

std::expected<Transfer, std::string> DemoPrograms::run(Direction direction, const Address& local, std::uint64_t bytes,
                                                       const std::function<void(std::uint64_t)>& show) {
  sent_ = 0;
  got_ = 0;
  const auto started = Clock::now();
  auto target = asio::co_spawn(runtime_.make_strand(), target_side(direction, bytes), asio::use_future);
  auto user = asio::co_spawn(runtime_.make_strand(), user_side(direction, local, bytes), asio::use_future);

  std::uint64_t seen = 0;
  auto progress_at = started;
  for (;;) {
    const bool user_done = user.wait_for(kLook) == std::future_status::ready;
    const bool target_done = target.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    show(got_);
    if (user_done && target_done) break;
    if (std::exchange(seen, got_) != seen) progress_at = Clock::now();
    if (Clock::now() - progress_at > kStandstill) {
      return std::unexpected("nothing moved for " + std::to_string(kStandstill.count()) + " s after " +
                             std::to_string(seen) + " bytes");
    }
  }
  Outcome user_end = user.get();
  Outcome target_end = target.get();
  if (!user_end) return std::unexpected("the user's program: " + user_end.error());
  if (!target_end) return std::unexpected("the target: " + target_end.error());
  if (direction == Direction::Down) std::swap(user_end, target_end);
  const double seconds = std::chrono::duration<double>(target_end->finished - started).count();
  return Transfer{direction, *std::move(user_end), *std::move(target_end), seconds};
}

asio::awaitable<DemoPrograms::Outcome> DemoPrograms::target_side(Direction direction, std::uint64_t bytes) {
  auto [error, socket] = co_await acceptor_.async_accept(kTupled);
  if (error) co_return std::unexpected("accept: " + error.message());
  if (direction == Direction::Up) co_return co_await receive_bytes(socket, got_);
  co_return co_await send_bytes(socket, to_string(direction), bytes, sent_);
}

asio::awaitable<DemoPrograms::Outcome> DemoPrograms::user_side(Direction direction, Address local,
                                                               std::uint64_t bytes) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  const auto [error] = co_await socket.async_connect(runtime::to_tcp_endpoint(local), kTupled);
  if (error) co_return std::unexpected("connect: " + error.message());
  if (direction == Direction::Up) co_return co_await send_bytes(socket, to_string(direction), bytes, sent_);
  co_return co_await receive_bytes(socket, got_);
}

}  // namespace isotube::app
