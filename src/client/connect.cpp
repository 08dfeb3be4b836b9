#include "client/connect.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <deque>
#include <utility>

#include "client/backoff.hpp"
#include "client/listener.hpp"
#include "client/printable.hpp"
#include "client/tube_opening.hpp"
#include "client/wakeup.hpp"

namespace isotube::client {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using tube::CloseReason;
using Outcome = std::expected<void, std::string>;

/// Connections that wait for a tube hold a descriptor each.
constexpr std::size_t kMaxWaiting = 64;
/// A tube that lived this long was a good one: its loss begins a new row of tries.
constexpr std::chrono::seconds kGoodTube{5};
/// After an accept that failed (out of descriptors, most likely): time for some to come back.
constexpr std::chrono::milliseconds kAcceptPause{200};

std::string seconds_text(Duration duration) {
  std::array<char, 32> text{};
  const double seconds = std::chrono::duration<double>(duration).count();
  const int length = std::snprintf(text.data(), text.size(), seconds < 10 ? "%.1f s" : "%.0f s", seconds);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string describe(const tube::ConnectionRecord& record) {
  std::string text = "The connection to " + printable(record.target) + " ended: ";
  text += record.message.empty() ? std::string(frame::to_string(record.reason)) : printable(record.message);
  text += " (reason " + std::to_string(static_cast<int>(record.reason)) + ", " + std::to_string(record.bytes_up) +
          " bytes up, " + std::to_string(record.bytes_down) + " down)";
  if (record.reason == CloseReason::ServerRefuse) text += "; the gateway needs --allow tcp:" + printable(record.target);
  return text;
}

}  // namespace

class Connect::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(runtime::Runtime& runtime, runtime::Strand strand, ConnectConfig config,
       std::function<void(const Report&)> report, std::unique_ptr<SignallingClient> signalling)
      : runtime_(runtime),
        config_(std::move(config)),
        report_(std::move(report)),
        signalling_(std::move(signalling)),
        strand_(std::move(strand)),
        retry_(strand_),
        expiry_(strand_),
        backoff_(Random(runtime::system_seed())) {}

  Outcome listen_all() {
    for (const Forward& forward : config_.forwards) {
      auto listener = listen(strand_, forward);
      if (!listener) return std::unexpected(std::move(listener).error());
      listening_.push_back(listener->address());
      listeners_.push_back(*std::move(listener));
    }
    return {};
  }

  [[nodiscard]] const std::vector<Address>& listening() const { return listening_; }
  [[nodiscard]] const runtime::Strand& strand() const { return strand_; }

  asio::awaitable<Outcome> run() {
    for (Listener& listener : listeners_) {
      report(Report::Kind::Listening,
             "Listening on " + listener.address().to_string() + " for " + listener.forward.target.to_string());
      for (tcp::acceptor& acceptor : listener.acceptors) {
        asio::co_spawn(strand_, accept_all(shared_from_this(), acceptor, listener.forward.target), asio::detached);
      }
    }
    asio::co_spawn(strand_, expire_waiting(shared_from_this()), asio::detached);
    Outcome outcome = co_await keep_a_tube();
    stopping_ = true;
    for (Listener& listener : listeners_) {
      for (tcp::acceptor& acceptor : listener.acceptors) {
        boost::system::error_code ignored;
        acceptor.close(ignored);
      }
    }
    waiting_.clear();
    expiry_.notify();
    report(Report::Kind::Closed, "Closed " + config_.gateway.url.to_string());
    co_return outcome;
  }

  void stop() {
    stopping_ = true;
    retry_.notify();
    if (opening_) opening_->stop();
  }

 private:
  struct Waiting {
    tcp::socket socket;
    frame::Target target;
    TimePoint deadline;
  };

  void report(Report::Kind kind, std::string text) { report_({kind, std::move(text)}); }

  asio::awaitable<Outcome> keep_a_tube() {
    unsigned tries = 0;
    bool was_connected = false;
    while (!stopping_) {
      const TubeEnd end = co_await one_tube();
      if (stopping_) break;
      // What never worked is a mistake of the user's; what did work may do so again, whatever a proxy says meanwhile.
      if (end.hopeless && (end.refused || !was_connected)) co_return std::unexpected(end.what);
      if (end.connected_for) {
        was_connected = true;
        tries = 0;
        if (*end.connected_for >= kGoodTube) backoff_.reset();
      }
      if (config_.retries && tries >= *config_.retries) {
        co_return std::unexpected("gave up after " + std::to_string(tries + 1) + " tries: " + end.what);
      }
      ++tries;
      const Duration wait = std::max(backoff_.next(), end.retry_after.value_or(Duration::zero()));
      report(Report::Kind::Lost, (end.connected_for ? "Lost the gateway: " : "Can't connect: ") + end.what +
                                     "; trying again in " + seconds_text(wait));
      co_await retry_.wait_for(wait);
    }
    co_return Outcome();
  }

  asio::awaitable<TubeEnd> one_tube() {
    TubeOpening::Callbacks callbacks{
        .connected = [this](const std::shared_ptr<tube::Tube>& tube, const std::string& text) { serve(tube, text); },
        .lost = [this] { tube_.reset(); },
        .connection_ended = [this](const tube::ConnectionRecord& record) { connection_ended(record); },
        .warning = [this](const std::string& text) { report(Report::Kind::Warning, text); }};
    opening_ = std::make_shared<TubeOpening>(runtime_, strand_, config_, *signalling_, std::move(callbacks));
    TubeEnd end = co_await opening_->run();
    opening_.reset();
    co_return end;
  }

  void serve(const std::shared_ptr<tube::Tube>& tube, const std::string& text) {
    tube_ = tube;
    report(Report::Kind::Connected, text);
    for (Waiting& each : std::exchange(waiting_, {})) tube_->forward(std::move(each.socket), std::move(each.target));
  }

  void connection_ended(const tube::ConnectionRecord& record) {
    if (record.reason != CloseReason::Normal) report(Report::Kind::ConnectionEnded, describe(record));
  }

  // Static, with the Impl handed in: the coroutine keeps it alive.
  static asio::awaitable<void> accept_all(std::shared_ptr<Impl> self, tcp::acceptor& acceptor, frame::Target target) {
    constexpr auto kTupled = asio::as_tuple(asio::use_awaitable);
    const asio::any_io_executor for_sockets = self->runtime_.context().get_executor();
    asio::steady_timer pause(self->strand_);
    while (!self->stopping_) {
      auto [error, socket] = co_await acceptor.async_accept(for_sockets, kTupled);
      if (!error) {
        self->take(std::move(socket), target);
      } else if (!self->stopping_) {
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(kTupled);
      }
    }
  }

  void take(tcp::socket socket, const frame::Target& target) {
    if (tube_) {
      tube_->forward(std::move(socket), target);
    } else if (waiting_.size() < kMaxWaiting) {
      waiting_.push_back({std::move(socket), target, runtime::now() + config_.wait_for_tube});
      expiry_.notify();
    } else {
      report(Report::Kind::ConnectionEnded, "Closed a connection to " + target.to_string() +
                                                ": there is no tube, and " + std::to_string(kMaxWaiting) +
                                                " connections wait for one");
    }
  }

  static asio::awaitable<void> expire_waiting(std::shared_ptr<Impl> self) {
    while (!self->stopping_) {
      const TimePoint now = runtime::now();
      while (!self->waiting_.empty() && self->waiting_.front().deadline <= now) {
        self->report(Report::Kind::ConnectionEnded,
                     "Closed a connection to " + self->waiting_.front().target.to_string() + ": no tube within " +
                         seconds_text(self->config_.wait_for_tube));
        self->waiting_.pop_front();
      }
      const Duration wait = self->waiting_.empty() ? std::chrono::hours(1) : self->waiting_.front().deadline - now;
      co_await self->expiry_.wait_for(wait);
    }
  }

  runtime::Runtime& runtime_;
  ConnectConfig config_;
  std::function<void(const Report&)> report_;
  std::unique_ptr<SignallingClient> signalling_;
  runtime::Strand strand_;
  Wakeup retry_;
  Wakeup expiry_;
  Backoff backoff_;
  std::vector<Address> listening_;
  std::vector<Listener> listeners_;
  /// All wait equally long, so the oldest is the first to give up.
  std::deque<Waiting> waiting_;
  std::shared_ptr<TubeOpening> opening_;
  /// Set while it carries traffic.
  std::shared_ptr<tube::Tube> tube_;
  bool stopping_ = false;
};

Connect::Connect(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connect::~Connect() = default;

std::expected<std::unique_ptr<Connect>, std::string> Connect::create(runtime::Runtime& runtime, ConnectConfig config,
                                                                     std::function<void(const Report&)> report) {
  const runtime::Strand strand = runtime.make_strand();
  auto signalling = SignallingClient::create(strand, config.gateway);
  if (!signalling) return std::unexpected(std::move(signalling).error());
  auto impl = std::make_shared<Impl>(runtime, strand, std::move(config), std::move(report), *std::move(signalling));
  if (auto done = impl->listen_all(); !done) return std::unexpected(std::move(done).error());
  return std::unique_ptr<Connect>(new Connect(std::move(impl)));
}

std::vector<Address> Connect::listening() const { return impl_->listening(); }

asio::awaitable<std::expected<void, std::string>> Connect::run() {
  auto running = impl_->run();
  co_return co_await asio::co_spawn(impl_->strand(), std::move(running), asio::use_awaitable);
}

void Connect::stop() {
  asio::post(impl_->strand(), [impl = impl_] { impl->stop(); });
}

}  // namespace isotube::client
