#include "tube/tube.hpp"

#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "tube/impl.hpp"

namespace isotube::tube {

namespace asio = boost::asio;

std::string_view to_string(State state) {
  switch (state) {
    case State::New:
      return "new";
    case State::Connecting:
      return "connecting";
    case State::Connected:
      return "connected";
    case State::Closed:
      return "closed";
  }
  return "unknown";
}

std::string make_id(Random& random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::byte, 16> bits;
  random.fill(bits);
  std::string id;
  for (const std::byte each : bits) {
    id += kDigits[std::to_integer<std::size_t>(each >> 4)];
    id += kDigits[std::to_integer<std::size_t>(each & std::byte{0x0F})];
  }
  return id;
}

Tube::Tube() = default;

std::shared_ptr<Tube> Tube::create(runtime::Runtime& runtime, Config config, Observer observer) {
  // Our constructor is private; a local class may use it.
  struct Created : Tube {};
  const auto tube = std::make_shared<Created>();
  tube->impl_ = std::make_shared<Impl>(runtime.make_strand(), std::move(config), std::move(observer));
  tube->impl_->start();
  return tube;
}

Tube::~Tube() {
  if (impl_) close(CloseReason::Normal, "the tube was let go");
}

const std::string& Tube::id() const { return impl_->config().id; }
const std::string& Tube::owner() const { return impl_->config().owner; }
const std::string& Tube::ice_generation() const { return impl_->ice_generation(); }
Snapshot Tube::snapshot() const { return impl_->snapshot(); }

asio::awaitable<std::expected<sdp::Description, SignalError>> Tube::answer(sdp::Description offer,
                                                                           Duration gather_for) {
  const std::shared_ptr<Impl> impl = impl_;
  auto work = impl->answer(std::move(offer), gather_for);
  auto result = co_await asio::co_spawn(impl->strand(), std::move(work), asio::use_awaitable);
  co_return result;
}

asio::awaitable<std::expected<sdp::Description, SignalError>> Tube::offer(Duration gather_for) {
  const std::shared_ptr<Impl> impl = impl_;
  auto work = impl->offer(gather_for);
  auto result = co_await asio::co_spawn(impl->strand(), std::move(work), asio::use_awaitable);
  co_return result;
}

asio::awaitable<std::expected<void, SignalError>> Tube::set_answer(sdp::Description answer) {
  const std::shared_ptr<Impl> impl = impl_;
  auto work = impl->set_answer(std::move(answer));
  auto result = co_await asio::co_spawn(impl->strand(), std::move(work), asio::use_awaitable);
  co_return result;
}

asio::awaitable<std::expected<void, SignalError>> Tube::add_remote(sdp::Fragment fragment) {
  const std::shared_ptr<Impl> impl = impl_;
  auto work = impl->add_remote(std::move(fragment));
  auto result = co_await asio::co_spawn(impl->strand(), std::move(work), asio::use_awaitable);
  co_return result;
}

void Tube::forward(asio::ip::tcp::socket socket, std::optional<Target> target) {
  boost::system::error_code error;
  const auto endpoint = socket.local_endpoint(error);
  if (error) return;
  // The socket may live on another executor: its readiness is to be told on our strand.
  asio::ip::tcp::socket ours(impl_->strand());
  const auto descriptor = socket.release(error);
  if (error) return;
  ours.assign(endpoint.protocol(), descriptor, error);
  if (error) {
    ::close(descriptor);
    return;
  }
  asio::post(impl_->strand(), [impl = impl_, ours = std::move(ours), target = std::move(target)]() mutable {
    impl->forward(std::move(ours), std::move(target));
  });
}

void Tube::close(CloseReason reason, std::string message) {
  asio::post(impl_->strand(), [impl = impl_, reason, message = std::move(message)]() mutable {
    impl->close(reason, std::move(message));
  });
}

void Tube::drain(Duration drain) {
  asio::post(impl_->strand(), [impl = impl_, drain] { impl->drain(drain); });
}

}  // namespace isotube::tube
