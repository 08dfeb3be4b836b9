#include "ice/agent.hpp"

#include <algorithm>
#include <utility>

#include "ice/agent_impl.hpp"
#include "stun/builder.hpp"

namespace isotube::ice {
Agent::Agent(Settings settings, Role role, Random random) : impl_(std::make_unique<Impl>(settings, role, random)) {}
Agent::~Agent() = default;
Agent::Agent(Agent&&) noexcept = default;
Agent& Agent::operator=(Agent&&) noexcept = default;

const Credentials& Agent::local_credentials() const { return impl_->local_credentials(); }
Role Agent::role() const { return impl_->role(); }
void Agent::set_role(Role role) { impl_->set_role(role); }
void Agent::add_local_address(TimePoint now, const Address& address) { impl_->add_local_address(now, address); }
void Agent::add_public_address(TimePoint now, const Address& address, const Address& base) {
  impl_->add_public_address(now, address, base);
}
void Agent::add_stun_server(TimePoint now, const Address& server) { impl_->add_stun_server(now, server); }
void Agent::end_of_local_addresses(TimePoint now) { impl_->end_of_local_addresses(now); }
void Agent::add_relayed_address(TimePoint now, const Address& relayed, const Address& mapped,
                                const IpAddress& server_ip) {
  impl_->add_relayed_address(now, relayed, mapped, server_ip);
}
void Agent::remove_local_address(TimePoint now, const Address& address) { impl_->remove_local_address(now, address); }
void Agent::fail_path(TimePoint now, const Path& path) { impl_->fail_path(now, path); }
void Agent::restart(TimePoint now) { impl_->restart(now); }
void Agent::cancel_restart(TimePoint now) { impl_->cancel_restart(now); }
bool Agent::is_restarting() const { return impl_->is_restarting(); }
void Agent::set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite) {
  impl_->set_remote(now, credentials, pacing, lite);
}
void Agent::add_remote_candidate(TimePoint now, const Candidate& candidate) {
  impl_->add_remote_candidate(now, candidate);
}
void Agent::end_of_remote_candidates(TimePoint now) { impl_->end_of_remote_candidates(now); }
void Agent::handle_datagram(TimePoint now, const Path& path, ByteView datagram) {
  impl_->handle_datagram(now, path, datagram);
}
void Agent::handle_timeout(TimePoint now) { impl_->handle_timeout(now); }
std::optional<Transmit> Agent::poll_transmit() { return impl_->poll_transmit(); }
std::optional<Event> Agent::poll_event() { return impl_->poll_event(); }
TimePoint Agent::next_timeout() const { return impl_->next_timeout(); }
State Agent::state() const { return impl_->state(); }
std::optional<Path> Agent::selected_path() const { return impl_->selected_path(); }
bool Agent::is_validated(const Path& path) const { return impl_->is_validated(path); }
std::optional<Duration> Agent::round_trip() const { return impl_->round_trip(); }
const Counters& Agent::counters() const { return impl_->counters(); }

Agent::Impl::Impl(const Settings& settings, Role role, const Random& random)
    : random_(random),
      shared_{.settings = settings, .locals = {}, .counters = {}, .transmits = {}},
      gatherer_(std::max(settings.pacing, kLeastPacing), settings.check_rto_min, random.fork("gathering")),
      current_(std::make_unique<Generation>(shared_, Generation::Kind::First, role, random)) {
  shared_.locals.set_ufrag(current_->credentials().ufrag);
}

Agent::Impl::Signal Agent::Impl::signal_of_addresses() const {
  // RFC 8838 13: once a generation's candidates have ended, none may follow.
  return locals_ended_ ? Signal::WithTheNextRestart : Signal::Now;
}

void Agent::Impl::add_local_address(TimePoint now, const Address& address) {
  if (const LocalEntry* entry = shared_.locals.add_host(address)) {
    take_local(entry, signal_of_addresses());
    gatherer_.add_base(address);
  }
  wake(now);
}

void Agent::Impl::add_public_address(TimePoint now, const Address& address, const Address& base) {
  take_local(shared_.locals.add_reflexive(address, base, std::nullopt), signal_of_addresses());
  wake(now);
}

void Agent::Impl::add_relayed_address(TimePoint now, const Address& relayed, const Address& mapped,
                                      const IpAddress& server_ip) {
  // Allocations take their time, and end while tubes live: the peer takes a late candidate, or sees it as
  // peer-reflexive.
  take_local(shared_.locals.add_relayed(relayed, mapped, server_ip), Signal::Now);
  wake(now);
}

void Agent::Impl::add_stun_server(TimePoint now, const Address& server) {
  gatherer_.add_server(server);
  wake(now);
}

void Agent::Impl::end_of_local_addresses(TimePoint now) {
  locals_ended_ = true;
  gatherer_.close();
  report_gathering();
  wake(now);
}

void Agent::Impl::take_local(const LocalEntry* entry, Signal signal) {
  if (entry == nullptr) return;
  if (signal == Signal::Now) emit(LocalCandidate{entry->candidate});
  current_->add_local(*entry);
  if (pending_) pending_->add_local(*entry);
}

void Agent::Impl::remove_local_address(TimePoint now, const Address& address) {
  shared_.locals.remove_base(address);
  gatherer_.remove_base(address);
  if (retired_) std::erase_if(retired_->paths, [&](const Path& path) { return path.local == address; });
  current_->remove_local(now, address);
  if (pending_) pending_->remove_local(now, address);
  collect(now);
  wake(now);
}

void Agent::Impl::fail_path(TimePoint now, const Path& path) {
  current_->fail_path(now, path);
  if (pending_) pending_->fail_path(now, path);
  collect(now);
  wake(now);
}

void Agent::Impl::set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite) {
  newest().set_remote(now, credentials, pacing, lite);
  collect(now);
  wake(now);
}

void Agent::Impl::add_remote_candidate(TimePoint now, const Candidate& candidate) {
  const bool usable =
      candidate.host_name.empty() && candidate.protocol == TransportProtocol::Udp && is_usable(candidate.address);
  Generation* generation = usable ? generation_of(candidate) : nullptr;
  if (generation == nullptr) {
    ++shared_.counters.candidates_dropped;
    return;
  }
  generation->add_remote_candidate(candidate);
  wake(now);
}

void Agent::Impl::end_of_remote_candidates(TimePoint now) {
  newest().end_of_remote_candidates();
  wake(now);
}

void Agent::Impl::wake(TimePoint now) { deadline_ = state_ == State::Failed ? kNever : now; }

void Agent::Impl::settle(TimePoint now) {
  if (state_ != State::Failed) {
    ask_servers(now);
    shared_.locals_complete = locals_ended_ && gatherer_.idle();
    current_->settle(now);
    if (pending_) pending_->settle(now);
    collect(now);
    report_gathering();
    if (retired_ && now >= retired_->until) retired_.reset();
  }
  deadline_ = compute_deadline(now);
}

TimePoint Agent::Impl::compute_deadline(TimePoint now) const {
  if (state_ == State::Failed) return kNever;
  TimePoint deadline = std::min(gatherer_.deadline(), current_->deadline(now));
  if (pending_) deadline = std::min(deadline, pending_->deadline(now));
  if (retired_) deadline = std::min(deadline, retired_->until);
  return deadline;
}

void Agent::Impl::ask_servers(TimePoint now) {
  while (const auto query = gatherer_.next_query(now)) {
    shared_.transmit(query->path, stun::MessageBuilder(stun::Class::Request, stun::Method::Binding, query->id).take());
  }
}

void Agent::Impl::report_gathering() {
  if (!locals_ended_ || gathering_reported_ || !gatherer_.idle()) return;
  gathering_reported_ = true;
  emit(GatheringDone{});
}

std::optional<Transmit> Agent::Impl::poll_transmit() {
  if (shared_.transmits.empty()) return std::nullopt;
  Transmit next = std::move(shared_.transmits.front());
  shared_.transmits.pop_front();
  return next;
}

std::optional<Event> Agent::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event next = std::move(events_.front());
  events_.pop_front();
  return next;
}

bool Agent::Impl::is_validated(const Path& path) const {
  if (current_->is_validated(path) || (pending_ && pending_->is_validated(path))) return true;
  return retired_ && std::ranges::find(retired_->paths, path) != retired_->paths.end();
}

void Agent::Impl::enter(State state) {
  if (state == state_) return;
  state_ = state;
  if (state == State::Failed) gatherer_.stop();
  emit(StateChanged{state});
}

}  // namespace isotube::ice
