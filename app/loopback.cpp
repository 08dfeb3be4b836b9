#include "app/loopback.hpp"

#include <atomic>
#include <boost/asio/post.hpp>
#include <cstring>
#include <functional>
#include <future>
#include <thread>
#include <utility>

#include "webrtc/peer_connection.hpp"

namespace isotube::app {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLimit{20};
constexpr std::chrono::milliseconds kWarmUp{500};
constexpr std::size_t kMostQueued = std::size_t{1} << 20;
constexpr std::size_t kRequest = 64;

std::string text_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of unknown type";
  }
}

}  // namespace

/// One peer. What it is doing changes from the measuring thread; all else happens on its strand.
class Loopback::End : public webrtc::PeerConnection::Handler, public std::enable_shared_from_this<End> {
 public:
  enum class Task : std::uint8_t { Count, Flood, Ask, Echo };

  explicit End(const runtime::Strand& strand)
      : connection_(webrtc::PeerConnection::create(strand, {}, Random(runtime::system_seed()))) {}

  /// Gathers and runs `body(now, peer)` in a turn.
  template <typename Body>
  void begin(Body body) {
    asio::post(connection_->strand(), [self = shared_from_this(), body = std::move(body)] {
      self->connection_->set_handler(self);
      self->connection_->turn([&](TimePoint now) {
        if (!self->connection_->gather(now, {.interfaces = {"lo"}})) return self->fail("no UDP socket could be had");
        body(now, self->connection_->peer());
      });
    });
  }
  template <typename Body>
  void in_turn(Body body) {
    asio::post(connection_->strand(), [self = shared_from_this(), body = std::move(body)] {
      self->connection_->turn([&](TimePoint now) { body(now, self->connection_->peer()); });
    });
  }
  void set_task(Task task, std::size_t message_size) {
    in_turn([this, task, message_size](TimePoint now, peer::Peer& /*peer*/) {
      task_ = task;
      message_size_ = message_size;
      if (task == Task::Ask) ask(now);
    });
  }
  void fail(const std::string& what) {
    if (!std::exchange(settled_, true)) opened_.set_value(std::unexpected(what));
  }
  void stop() {
    asio::post(connection_->strand(), [self = shared_from_this()] { self->connection_->stop(); });
  }

  [[nodiscard]] std::future<std::expected<void, std::string>> opened() { return opened_.get_future(); }
  [[nodiscard]] std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::vector<Microseconds> take_round_trips() {
    std::promise<std::vector<Microseconds>> taken;
    in_turn([&](TimePoint /*now*/, peer::Peer& /*peer*/) { taken.set_value(std::exchange(round_trips_, {})); });
    return taken.get_future().get();
  }

  void handle_event(TimePoint now, peer::Event event) override {
    if (const auto* opened = std::get_if<datachannel::Opened>(&event)) use(opened->channel);
    if (const auto* opened = std::get_if<datachannel::OpenedByPeer>(&event)) use(opened->channel);
    if (const auto* closed = std::get_if<peer::Closed>(&event)) fail(closed->detail);
    if (const auto* changed = std::get_if<peer::StateChanged>(&event);
        changed != nullptr && changed->state == peer::State::Connected && opens_channel_) {
      if (!connection_->peer().open_channel(now, {.label = "bench", .protocol = "bench"})) fail("no channel opens");
    }
    if (auto* message = std::get_if<datachannel::Message>(&event)) handle_message(now, std::move(message->payload));
  }
  void handle_turn(TimePoint now) override {
    if (task_ != Task::Flood) return;
    while (connection_->peer().buffered_amount(*channel_) < kMostQueued && send(now, message_size_)) continue;
  }
  [[nodiscard]] TimePoint next_timeout() const override { return kNever; }
  void handle_stopped() override {}
  void handle_failure(std::exception_ptr failure) noexcept override {
    connection_->stop();
    fail(text_of(failure));
  }

  void open_channel_when_connected() { opens_channel_ = true; }

 private:
  void use(datachannel::ChannelId channel) {
    channel_ = channel;
    if (!std::exchange(settled_, true)) opened_.set_value({});
  }
  bool send(TimePoint now, std::size_t size) {
    Buffer message = connection_->pool().acquire(0, size);
    std::memset(message.append(size).data(), 'x', size);
    return connection_->peer().send(now, *channel_, datachannel::MessageKind::Binary, std::move(message)).has_value();
  }
  void ask(TimePoint now) {
    asked_at_ = Clock::now();
    (void)send(now, kRequest);
  }
  void handle_message(TimePoint now, Buffer payload) {
    received_.fetch_add(payload.size(), std::memory_order_relaxed);
    if (task_ == Task::Echo) (void)send(now, payload.size());
    if (task_ == Task::Ask) {
      round_trips_.emplace_back(Clock::now() - asked_at_);
      ask(now);
    }
  }

  std::shared_ptr<webrtc::PeerConnection> connection_;
  std::promise<std::expected<void, std::string>> opened_;
  bool settled_ = false;
  bool opens_channel_ = false;
  std::optional<datachannel::ChannelId> channel_;
  Task task_ = Task::Count;
  std::size_t message_size_ = 0;
  std::atomic<std::uint64_t> received_ = 0;
  Clock::time_point asked_at_;
  std::vector<Microseconds> round_trips_;
};

Loopback::Loopback() = default;

Loopback::~Loopback() {
  offerer_->stop();
  answerer_->stop();
}

std::expected<std::unique_ptr<Loopback>, std::string> Loopback::open(runtime::Runtime& runtime) {
  const auto begun = Clock::now();
  std::unique_ptr<Loopback> pair(new Loopback());
  pair->offerer_ = std::make_shared<End>(runtime.make_strand());
  pair->answerer_ = std::make_shared<End>(runtime.make_strand());
  pair->offerer_->open_channel_when_connected();
  std::future<std::expected<void, std::string>> ends[] = {pair->offerer_->opened(), pair->answerer_->opened()};
  pair->offerer_->begin([offerer = pair->offerer_, answerer = pair->answerer_](TimePoint now, peer::Peer& peer) {
    answerer->begin([offerer, answerer, offer = peer.create_offer(now)](TimePoint then, peer::Peer& other) {
      auto answer = other.accept_offer(then, offer);
      if (!answer) return answerer->fail("the offer was refused");
      offerer->in_turn([offerer, answer = *std::move(answer)](TimePoint last, peer::Peer& first) {
        if (!first.set_answer(last, answer)) offerer->fail("the answer was refused");
      });
    });
  });
  for (auto& end : ends) {
    if (end.wait_for(kLimit) != std::future_status::ready) {
      return std::unexpected("no channel was open within " + std::to_string(kLimit.count()) + " s");
    }
    if (auto opened = end.get(); !opened) return std::unexpected(opened.error());
  }
  pair->opening_ = Clock::now() - begun;
  return pair;
}

Loopback::Milliseconds Loopback::opening() const { return opening_; }

std::expected<double, std::string> Loopback::throughput(std::chrono::milliseconds duration, std::size_t message_size) {
  offerer_->set_task(End::Task::Flood, message_size);
  std::this_thread::sleep_for(kWarmUp);
  const std::uint64_t before = answerer_->received();
  const auto begun = Clock::now();
  std::this_thread::sleep_for(duration);
  const std::uint64_t moved = answerer_->received() - before;
  const std::chrono::duration<double> took = Clock::now() - begun;
  offerer_->set_task(End::Task::Count, 0);
  if (moved == 0) return std::unexpected("nothing arrived");
  return static_cast<double>(moved) / took.count();
}

std::expected<std::vector<Loopback::Microseconds>, std::string> Loopback::round_trips(
    std::chrono::milliseconds duration) {
  answerer_->set_task(End::Task::Echo, 0);
  offerer_->set_task(End::Task::Ask, 0);
  std::this_thread::sleep_for(duration);
  offerer_->set_task(End::Task::Count, 0);
  answerer_->set_task(End::Task::Count, 0);
  std::vector<Microseconds> times = offerer_->take_round_trips();
  if (times.empty()) return std::unexpected("no request came back");
  return times;
}

}  // namespace isotube::app
