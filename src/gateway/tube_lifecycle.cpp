// TubeService's part that follows tubes from their making to their end.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/audit.hpp"
#include "gateway/tube_service.hpp"

namespace isotube::gateway {
namespace asio = boost::asio;

namespace {

/// A drained tube says goodbye for at most one second (docs/protocol.md); the rest is for a busy machine.
constexpr std::chrono::seconds kGoodbye(3);
constexpr std::string_view kStopping = "the gateway is shutting down";

}  // namespace

TubeService::TubeService(runtime::Runtime& runtime, const Config& config, std::shared_ptr<const LiveRules> rules,
                         Logs logs)
    : runtime_(runtime),
      network_(config.network),
      peer_(config.peer),
      ice_links_(config.ice_links),
      ice_secret_(config.ice_secret),
      max_tubes_(config.admission.tubes),
      rules_(std::move(rules)),
      logs_(std::move(logs)),
      admission_(config.admission),
      drain_strand_(runtime.make_strand()),
      emptied_(drain_strand_),
      random_(runtime::system_seed()) {}

std::optional<Problem> TubeService::unready() const {
  if (draining_) return Problem{ProblemKind::Draining, std::string(kStopping)};
  if (admission_.full()) return Problem{ProblemKind::Overloaded, "too many tubes are being created; try again"};
  if (registry_.size() >= max_tubes_) return Problem{ProblemKind::Overloaded, "too many tubes are open; try again"};
  return std::nullopt;
}

std::string TubeService::draw_id() {
  const std::lock_guard lock(mutex_);
  return tube::make_id(random_);
}

std::shared_ptr<tube::Tube> TubeService::make_tube(const Caller& caller, CreateQuery query,
                                                   std::shared_ptr<const tube::TargetPolicy> policy,
                                                   const std::string& remote_ufrag) {
  const std::string id = draw_id();
  tube::Config config{.id = id,
                      .owner = caller.name,
                      .network = network_for(id),
                      .peer = peer_,
                      .fixed_target = std::move(query.target),
                      .policy = std::move(policy)};
  auto made = tube::Tube::create(runtime_, std::move(config), observe(id));
  {
    const std::lock_guard lock(mutex_);
    remote_ufrags_.emplace(id, remote_ufrag);
  }
  registry_.add(made);
  logs_.events->info("tube {} of {} created", id, log_quoted(caller.name));
  // A tube that closed before it was added has told so already; a drain that began meanwhile has not seen it.
  if (made->snapshot().state == tube::State::Closed) forget(id);
  if (draining_) made->close(tube::CloseReason::TunnelClosed, std::string(kStopping));
  return made;
}

tube::Observer TubeService::observe(const std::string& id) {
  tube::Observer observer;
  observer.state_changed = [log = logs_.events, id](tube::State state) {
    log->info("tube {} is {}", id, tube::to_string(state));
  };
  observer.connection_ended = [log = logs_.audit](const tube::ConnectionRecord& record) {
    log->info(audit_line(record));
  };
  observer.relay_failed = [log = logs_.events, id](const turn::TurnError& error) {
    log->warn("tube {}: {}", id, turn::to_string(error));
  };
  observer.closed = [weak = weak_from_this(), id](tube::CloseReason reason, const std::string& message) {
    if (const auto self = weak.lock()) self->tube_closed(id, reason, message);
  };
  return observer;
}

void TubeService::tube_closed(const std::string& id, tube::CloseReason reason, const std::string& message) {
  logs_.events->info("tube {} closed: {} {}", id, frame::to_string(reason), log_quoted(message));
  forget(id);
}

void TubeService::forget(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    remote_ufrags_.erase(id);
  }
  registry_.remove(id);
  asio::post(drain_strand_, [self = shared_from_this()] { self->emptied_.cancel(); });
}

std::shared_ptr<tube::Tube> TubeService::find(const Caller& caller, const std::string& id) const {
  auto tube = registry_.find(id);
  if (tube && caller.role != Role::Admin && tube->owner() != caller.name) return nullptr;
  return tube;
}

std::optional<std::string> TubeService::remote_ufrag(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = remote_ufrags_.find(id);
  if (found == remote_ufrags_.end()) return std::nullopt;
  return found->second;
}

asio::awaitable<void> TubeService::drain(std::chrono::milliseconds time) {
  draining_ = true;
  const auto tubes = registry_.list();
  logs_.events->info("draining: {} tubes have {} ms to finish", tubes.size(), time.count());
  for (const auto& tube : tubes) tube->drain(time);
  auto waiting = wait_until_empty(std::chrono::steady_clock::now() + time + kGoodbye);
  co_await asio::co_spawn(drain_strand_, std::move(waiting), asio::use_awaitable);
  close_all();
}

asio::awaitable<void> TubeService::wait_until_empty(std::chrono::steady_clock::time_point deadline) {
  boost::system::error_code ignored;
  auto token = asio::redirect_error(asio::use_awaitable, ignored);
  while (registry_.size() != 0 && std::chrono::steady_clock::now() < deadline) {
    // Two drains may wait at once: setting the time anew would wake the other.
    if (emptied_.expiry() <= std::chrono::steady_clock::now()) emptied_.expires_at(deadline);
    co_await emptied_.async_wait(token);
  }
}

void TubeService::close_all() {
  draining_ = true;
  for (const auto& tube : registry_.list()) tube->close(tube::CloseReason::TunnelClosed, std::string(kStopping));
}

}  // namespace isotube::gateway
