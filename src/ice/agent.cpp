#include "ice/agent.hpp"

#include <algorithm>
#include <utility>

#include "ice/agent_impl.hpp"

namespace isotube::ice {
namespace {

/// RFC 8839 5.4: ice-ufrag 4*256, ice-pwd 22*256.
constexpr std::size_t kMaxCredential = 256;
/// 48 bits tell sessions apart, 144 bits can't be guessed (RFC 8445 5.3 wants 24 and 128).
constexpr std::size_t kUfragLength = 8;
constexpr std::size_t kPwdLength = 24;

/// RFC 8839 5.5: a peer that offers none.
constexpr Duration kDefaultPacing = std::chrono::milliseconds(50);
/// Below, checks are a burst; above, a peer's offer only keeps its own tube from opening (and sums of it must not
/// overflow).
constexpr Duration kLeastPacing = std::chrono::milliseconds(1);
constexpr Duration kMostPacing = std::chrono::seconds(10);

/// More than one call can bring, by far: a driver that does not drain loses datagrams, as a network does.
constexpr std::size_t kMostTransmits = 512;

std::string draw_text(Random& random, std::size_t length) {
  constexpr std::string_view kIceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text(length, '\0');
  for (char& each : text) each = kIceChars[random.below(kIceChars.size())];
  return text;
}

Credentials draw_credentials(Random random) {
  Credentials credentials;
  credentials.ufrag = draw_text(random, kUfragLength);
  credentials.pwd = draw_text(random, kPwdLength);
  return credentials;
}

}  // namespace

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
    : settings_(settings),
      role_(role),
      transaction_ids_(random.fork("transactions")),
      tie_breakers_(random.fork("tie-breaker")),
      local_(draw_credentials(random.fork("credentials"))),
      local_key_(as_byte_view(local_.pwd)),
      tie_breaker_(tie_breakers_.next_u64()),
      locals_(local_.ufrag),
      gatherer_(std::max(settings.pacing, kLeastPacing), settings.check_rto_min, random.fork("gathering")),
      pacing_(std::max(settings.pacing, kDefaultPacing)),
      consent_(settings.consent_interval, settings.consent_expiry, random.fork("consent")) {}

void Agent::Impl::set_role(Role role) {
  if (!remote_) role_ = role;
}

void Agent::Impl::add_local_address(TimePoint now, const Address& address) {
  if (locals_ended_) return;
  if (const LocalEntry* entry = locals_.add_host(address)) {
    announce(entry);
    if (selected_ == nullptr) gatherer_.add_base(address);
  }
  wake(now);
}

void Agent::Impl::add_public_address(TimePoint now, const Address& address, const Address& base) {
  if (locals_ended_) return;
  announce(locals_.add_reflexive(address, base, std::nullopt));
  wake(now);
}

void Agent::Impl::add_stun_server(TimePoint now, const Address& server) {
  if (locals_ended_) return;
  if (selected_ == nullptr) gatherer_.add_server(server);
  wake(now);
}

void Agent::Impl::end_of_local_addresses(TimePoint now) {
  locals_ended_ = true;
  report_gathering();
  wake(now);
}

void Agent::Impl::announce(const LocalEntry* entry) {
  if (entry == nullptr) return;
  emit(LocalCandidate{entry->candidate});
  pair_with_remotes(*entry);
}

void Agent::Impl::set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite) {
  if (remote_) return;
  remote_.emplace(
      Remote{credentials, credentials.ufrag + ":" + local_.ufrag, stun::IntegrityKey(as_byte_view(credentials.pwd))});
  enter(State::Checking);
  if (credentials.ufrag.size() > kMaxCredential || credentials.pwd.size() > kMaxCredential) {
    // No check can carry them.
    fail();
    return wake(now);
  }
  // RFC 8445 6.1.1: a lite peer never controls.
  if (lite) role_ = Role::Controlling;
  pacing_ = std::clamp(std::max(settings_.pacing, pacing.value_or(kDefaultPacing)), kLeastPacing, kMostPacing);
  // RFC 8863 4: from when checks could start.
  patience_at_ = now + settings_.patience;
  std::erase_if(remotes_, [&](const Candidate& candidate) {
    const bool stale = !candidate.ufrag.empty() && candidate.ufrag != credentials.ufrag;
    if (stale) ++counters_.candidates_dropped;
    return stale;
  });
  for (const Candidate& candidate : remotes_) pair_with_locals(candidate);
  const std::vector<EarlyRequest> early = std::exchange(early_, {});
  for (const EarlyRequest& request : early) learn_from_request(now, request);
  wake(now);
}

void Agent::Impl::add_remote_candidate(TimePoint now, const Candidate& candidate) {
  const bool stale = remote_ && !candidate.ufrag.empty() && candidate.ufrag != remote_->credentials.ufrag;
  const bool usable = candidate.host_name.empty() && candidate.protocol == TransportProtocol::Udp &&
                      is_usable(candidate.address) && !stale;
  if (!usable || remotes_.size() >= settings_.max_remote_candidates) {
    ++counters_.candidates_dropped;
    return;
  }
  const bool known =
      std::ranges::any_of(remotes_, [&](const Candidate& other) { return other.address == candidate.address; });
  if (known || state_ == State::Failed) return;
  remotes_.push_back(candidate);
  if (remote_) pair_with_locals(remotes_.back());
  wake(now);
}

void Agent::Impl::end_of_remote_candidates(TimePoint now) {
  remotes_ended_ = true;
  wake(now);
}

void Agent::Impl::pair_with_locals(const Candidate& remote) {
  // RFC 8838 11: what a check told of the peer before its signalling did is corrected. It stays a pair.
  for (Pair& pair : list_.pairs()) {
    if (pair.path.remote != remote.address) continue;
    pair.remote_type = remote.type;
    pair.remote_priority = remote.priority;
    pair.remote_foundation = remote.foundation;
    list_.compute_priority(pair, role_);
  }
  for (const LocalEntry& local : locals_.entries()) add_pair(local, remote);
}

void Agent::Impl::pair_with_remotes(const LocalEntry& local) {
  if (!remote_) return;
  for (const Candidate& remote : remotes_) add_pair(local, remote);
}

void Agent::Impl::add_pair(const LocalEntry& local, const Candidate& remote) {
  if (!can_pair(local.base.ip, remote.address.ip) || state_ == State::Failed) return;
  // RFC 8445 6.1.2.4: a reflexive candidate sends from its base, where the host candidate, found before, has the
  // higher priority.
  const Path path{local.base, remote.address};
  if (list_.find(path) != nullptr) return;
  Pair pair;
  pair.path = path;
  pair.local_priority = local.candidate.priority;
  pair.local_preference = local.preference;
  pair.local_foundation = local.candidate.foundation;
  pair.local_type = local.candidate.type;
  pair.remote_priority = remote.priority;
  pair.remote_foundation = remote.foundation;
  pair.remote_type = remote.type;
  list_.compute_priority(pair, role_);
  if (list_.size() >= settings_.max_pairs) {
    // RFC 8445 6.1.2.5: the lowest priority goes.
    const Pair* least = list_.least_promising();
    if (least == nullptr || least->priority >= pair.priority) {
      ++counters_.candidates_dropped;
      return;
    }
    list_.remove(*least);
  }
  list_.add(std::move(pair), role_);
}

void Agent::Impl::handle_datagram(TimePoint now, const Path& path, ByteView datagram) {
  // An agent that gave up answers nothing: its peer has to find out too (RFC 7675 5.1).
  if (state_ == State::Failed) return;
  const auto message = stun::MessageView::parse(datagram);
  if (!message || (message->has_fingerprint() && !message->fingerprint_is_right())) {
    ++counters_.answers_dropped;
    return;
  }
  const bool is_request = message->message_class() == stun::Class::Request;
  if (message->method() != stun::Method::Binding) {
    ++(is_request ? counters_.requests_refused : counters_.answers_dropped);
    return;
  }
  // RFC 8445 11: an indication is a keepalive, done when it has arrived.
  if (message->message_class() == stun::Class::Indication) return;
  if (is_request) {
    handle_request(now, path, *message);
  } else {
    handle_answer(now, path, *message);
  }
  settle(now);
}

void Agent::Impl::handle_timeout(TimePoint now) { settle(now); }

void Agent::Impl::wake(TimePoint now) { deadline_ = state_ == State::Failed ? kNever : now; }

void Agent::Impl::settle(TimePoint now) {
  if (state_ != State::Failed) {
    send_queries(now);
    repeat_checks(now);
    run_consent(now);
    run_nomination(now);
    if (now >= next_check_at_ && has_check_to_send()) send_next_check(now);
    conclude_failure(now);
    report_gathering();
  }
  deadline_ = compute_deadline(now);
}

TimePoint Agent::Impl::compute_deadline(TimePoint now) const {
  if (state_ == State::Failed) return kNever;
  TimePoint deadline = std::min(gatherer_.deadline(), consent_.deadline());
  if (nomination_at_ != kNever) deadline = std::min(deadline, std::max(nomination_at_, next_check_at_));
  if (has_check_to_send()) deadline = std::min(deadline, next_check_at_);
  for (const Pair& pair : list_.pairs()) {
    for (const Check& check : pair.checks) deadline = std::min(deadline, check.retransmission.deadline());
  }
  // Once patience is over, failure is concluded by what happens, not by time.
  if (state_ == State::Checking && now < patience_at_) deadline = std::min(deadline, patience_at_);
  return deadline;
}

void Agent::Impl::send_queries(TimePoint now) {
  while (const auto query = gatherer_.next_query(now)) {
    transmit(query->path, stun::MessageBuilder(stun::Class::Request, stun::Method::Binding, query->id).take());
  }
}

void Agent::Impl::report_gathering() {
  if (!locals_ended_ || gathering_reported_ || !gatherer_.idle()) return;
  gathering_reported_ = true;
  emit(GatheringDone{});
}

void Agent::Impl::transmit(const Path& path, Bytes datagram) {
  if (transmits_.size() < kMostTransmits) transmits_.push_back({path, std::move(datagram)});
}

std::optional<Transmit> Agent::Impl::poll_transmit() {
  if (transmits_.empty()) return std::nullopt;
  Transmit next = std::move(transmits_.front());
  transmits_.pop_front();
  return next;
}

std::optional<Event> Agent::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event next = std::move(events_.front());
  events_.pop_front();
  return next;
}

std::optional<Path> Agent::Impl::selected_path() const {
  return selected_ == nullptr ? std::nullopt : std::optional(selected_->path);
}

bool Agent::Impl::is_validated(const Path& path) const {
  if (selected_ != nullptr && selected_->path == path) return true;
  const Pair* pair = list_.find(path);
  return pair != nullptr && (pair->validated || pair->heard);
}

std::optional<Duration> Agent::Impl::round_trip() const {
  return selected_ == nullptr ? std::nullopt : selected_->round_trip;
}

}  // namespace isotube::ice
