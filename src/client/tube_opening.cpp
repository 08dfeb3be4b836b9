#include "client/tube_opening.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "client/ice_resolution.hpp"
#include "client/printable.hpp"
#include "stun/time_limited_credentials.hpp"

namespace isotube::client {
namespace {

namespace asio = boost::asio;
using tube::CloseReason;

/// What DELETE and the tube's own close may take together when we leave.
constexpr std::chrono::milliseconds kLeaveLimit{1500};
/// Of time-limited TURN credentials: a day, as most TURN services have it.
constexpr std::chrono::seconds kCredentialLife = std::chrono::hours(24);

TubeEnd end_of(SignallingError error) {
  return {.what = std::move(error.what),
          .hopeless = !error.is_worth_a_retry(),
          .refused = error.status == 401 || error.status == 403,
          .connected_for = std::nullopt,
          .retry_after = error.retry_after};
}

TubeEnd end_of(std::string what) {
  TubeEnd end;
  end.what = std::move(what);
  return end;
}

std::string_view explain(tube::SignalError error) {
  switch (error) {
    case tube::SignalError::WrongState:
      return "the tube closed before it was open";
    case tube::SignalError::Unusable:
      return "the gateway's answer can't work";
    case tube::SignalError::NoSocket:
      return "no UDP socket could be had on this machine";
  }
  return "unknown";
}

std::string explain(CloseReason reason, const std::string& message) {
  if (message.empty()) return std::string(frame::to_string(reason));
  return printable(message) + " (" + std::string(frame::to_string(reason)) + ")";
}

}  // namespace

TubeOpening::TubeOpening(runtime::Runtime& runtime, const runtime::Strand& strand, const ConnectConfig& config,
                         SignallingClient& signalling, Callbacks callbacks)
    : runtime_(runtime),
      strand_(strand),
      config_(config),
      signalling_(signalling),
      callbacks_(std::move(callbacks)),
      wakeup_(strand) {}

asio::awaitable<TubeEnd> TubeOpening::run() {
  auto open_result = co_await open();
  // No co_await inside a conditional expression: g++ 12 copies its result bit by bit.
  TubeEnd end;
  if (open_result) {
    end = co_await until_ended();
  } else {
    end = std::move(open_result).error();
  }
  co_await clean_up();
  co_return end;
}

void TubeOpening::stop() {
  stopping_ = true;
  signalling_.cancel();
  wakeup_.notify();
}

asio::awaitable<tube::Network> TubeOpening::network(std::string id, std::vector<IceServer> servers) {
  if (!config_.ice_secret.empty()) {
    const std::int64_t expires_at = runtime::unix_seconds() + kCredentialLife.count();
    const stun::TimeLimitedCredentials login = stun::make_time_limited_credentials(config_.ice_secret, expires_at, id);
    for (IceServer& server : servers) {
      // Those that the gateway names come with their own.
      if (!server.username.empty()) continue;
      server.username = login.username;
      server.credential = login.password;
    }
  }
  const ResolvedIceServers resolved = co_await resolve_ice_servers(strand_, std::move(servers));
  for (const std::string& line : resolved.left_out) callbacks_.warning(line);
  tube::Network network = config_.network;
  network.stun_servers.insert(network.stun_servers.end(), resolved.stun.begin(), resolved.stun.end());
  network.turn_servers.insert(network.turn_servers.end(), resolved.turn.begin(), resolved.turn.end());
  co_return network;
}

tube::Observer TubeOpening::observe() {
  // Called on the tube's strand; what we know is kept on ours.
  const auto on_our_strand = [weak = weak_from_this(), strand = strand_](auto&& action) {
    asio::post(strand, [weak, action = std::forward<decltype(action)>(action)] {
      if (const auto self = weak.lock()) {
        action(*self);
        self->wakeup_.notify();
      }
    });
  };
  return {
      .state_changed =
          [on_our_strand](tube::State state) { on_our_strand([state](TubeOpening& self) { self.state_ = state; }); },
      .connection_ended =
          [on_our_strand](const tube::ConnectionRecord& record) {
            on_our_strand([record](TubeOpening& self) { self.callbacks_.connection_ended(record); });
          },
      .relay_failed =
          [on_our_strand](const turn::TurnError& error) {
            on_our_strand([text = turn::to_string(error)](TubeOpening& self) { self.callbacks_.warning(text); });
          },
      .closed =
          [on_our_strand](CloseReason reason, const std::string& message) {
            on_our_strand([why = explain(reason, message)](TubeOpening& self) { self.closed_ = why; });
          }};
}

TubeOpening::Step TubeOpening::open() {
  auto offered = co_await signalling_.ice_servers();
  if (!offered) co_return std::unexpected(end_of(std::move(offered).error()));
  std::vector<IceServer> servers = config_.ice_servers;
  servers.insert(servers.end(), offered->begin(), offered->end());

  Random random(runtime::system_seed());
  tube::Config config;
  config.id = tube::make_id(random);
  config.network = co_await network(config.id, std::move(servers));
  config.peer = config_.peer;
  tube_ = tube::Tube::create(runtime_, std::move(config), observe());
  if (stopping_) co_return std::unexpected(end_of("stopped"));
  if (auto done = co_await signal(); !done) co_return done;
  co_return co_await until_connected();
}

TubeOpening::Step TubeOpening::signal() {
  auto offer = co_await tube_->offer();
  if (!offer) co_return std::unexpected(end_of(std::string(explain(offer.error()))));
  auto opened = co_await signalling_.open_tube(*std::move(offer), std::nullopt);
  if (!opened) co_return std::unexpected(end_of(std::move(opened).error()));
  opened_ = *std::move(opened);
  auto accepted = co_await tube_->set_answer(opened_->answer);
  if (!accepted) co_return std::unexpected(end_of(std::string(explain(accepted.error()))));
  co_return std::expected<void, TubeEnd>();
}

TubeOpening::Step TubeOpening::until_connected() {
  while (state_ != tube::State::Connected && !closed_ && !stopping_) co_await wakeup_.wait_for(std::chrono::hours(1));
  if (state_ == tube::State::Connected && !closed_ && !stopping_) co_return std::expected<void, TubeEnd>();
  co_return std::unexpected(end_of("no way was found to the gateway's tube: " + closed_.value_or("stopped")));
}

asio::awaitable<TubeEnd> TubeOpening::until_ended() {
  const TimePoint connected_at = runtime::now();
  callbacks_.connected(tube_, describe());
  std::uint64_t bytes_seen = 0;
  while (!closed_ && !stopping_) {
    co_await wakeup_.wait_for(config_.ask_every);
    if (closed_ || stopping_) break;
    const std::uint64_t bytes_now = tube_->snapshot().bytes_down;
    bool is_lost = false;
    if (bytes_now == bytes_seen) is_lost = co_await gateway_lost_it();
    if (is_lost) {
      closed_ = "the gateway does not know the tube any more";
      tube_->close(CloseReason::ConnectionLost, *closed_);
    }
    bytes_seen = bytes_now;
  }
  callbacks_.lost();
  TubeEnd end = end_of(closed_.value_or("stopped"));
  end.connected_for = runtime::now() - connected_at;
  co_return end;
}

asio::awaitable<bool> TubeOpening::gateway_lost_it() {
  const auto known = co_await signalling_.has_tube(*opened_);
  // That the gateway can't be asked says nothing about the tube: consent decides (RFC 7675).
  co_return known && !*known && !closed_ && !stopping_;
}

asio::awaitable<void> TubeOpening::clean_up() {
  const TimePoint deadline = runtime::now() + kLeaveLimit;
  if (tube_) tube_->close(CloseReason::Normal, "the client left");
  if (opened_) (void)co_await signalling_.close_tube(*opened_, kLeaveLimit);
  while (tube_ && !closed_ && runtime::now() < deadline) co_await wakeup_.wait_for(deadline - runtime::now());
  tube_.reset();
}

std::string TubeOpening::describe() const {
  constexpr std::size_t kShownId = 8;
  const tube::Snapshot snapshot = tube_->snapshot();
  std::string text =
      "Connected to " + config_.gateway.url.to_string() + " (tube " + printable(opened_->id().substr(0, kShownId));
  if (snapshot.path_local && snapshot.path_remote) {
    text += ", " + std::string(ice::to_string(*snapshot.path_local)) + "/" +
            std::string(ice::to_string(*snapshot.path_remote));
  }
  if (snapshot.round_trip) {
    const auto tenths = std::chrono::round<std::chrono::duration<long, std::ratio<1, 10'000>>>(*snapshot.round_trip);
    text += ", " + std::to_string(tenths.count() / 10) + "." + std::to_string(tenths.count() % 10) + " ms";
  }
  return text + ")";
}

}  // namespace isotube::client
