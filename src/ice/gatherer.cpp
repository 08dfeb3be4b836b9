#include "ice/gatherer.hpp"

#include <algorithm>

#include "ice/local_candidates.hpp"

namespace isotube::ice {
namespace {

/// RFC 8489 6.2.1 lets Rc and Rm be chosen: a server that is silent for 7.5 s (500 ms RTO) is of no use to a tube that
/// wants to open.
constexpr int kRequests = 4;
constexpr int kLastWait = 8;

/// RFC 8445 11: Tr.
constexpr Duration kRefresh = std::chrono::seconds(15);

}  // namespace

void Gatherer::add_base(const Address& base) {
  if (std::ranges::find(bases_, base) != bases_.end()) return;
  bases_.push_back(base);
  if (!open_) return;
  for (const Address& server : servers_) add_query({base, server});
}

void Gatherer::add_server(const Address& server) {
  if (!is_usable(server) || servers_.size() >= kMostServers) return;
  if (std::ranges::find(servers_, server) != servers_.end()) return;
  servers_.push_back(server);
  if (!open_) return;
  for (const Address& base : bases_) add_query({base, server});
}

void Gatherer::add_query(const Path& path) {
  if (entries_.size() >= kMostQueries || !can_pair(path.local.ip, path.remote.ip)) return;
  Entry entry;
  entry.path = path;
  entries_.push_back(entry);
}

void Gatherer::remove_base(const Address& base) {
  std::erase(bases_, base);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.path.local == base; });
}

void Gatherer::stop() {
  close();
  entries_.clear();
}

void Gatherer::begin_again() {
  open_ = true;
  entries_.clear();
  for (const Address& base : bases_) {
    for (const Address& server : servers_) add_query({base, server});
  }
}

bool Gatherer::idle() const {
  return std::ranges::none_of(
      entries_, [](const Entry& entry) { return entry.state == State::Waiting || entry.state == State::Asking; });
}

std::optional<Gatherer::Query> Gatherer::next_query(TimePoint now) {
  for (Entry& entry : entries_) {
    if (const auto query = repeat_or_refresh(now, entry)) return query;
  }
  if (now < next_start_) return std::nullopt;
  const auto waiting = std::ranges::find(entries_, State::Waiting, &Entry::state);
  if (waiting == entries_.end()) return std::nullopt;
  waiting->state = State::Asking;
  waiting->id = stun::TransactionId::draw(random_);
  waiting->retransmission.emplace(now, rto_, kRequests, kLastWait);
  next_start_ = now + pacing_;
  return Query{waiting->path, waiting->id};
}

std::optional<Gatherer::Query> Gatherer::repeat_or_refresh(TimePoint now, Entry& entry) {
  if (entry.state == State::Asking) {
    switch (entry.retransmission->step(now)) {
      case stun::Retransmission::Step::SendAgain:
        return Query{entry.path, entry.id};
      case stun::Retransmission::Step::GiveUp:
        entry.state = State::GivenUp;
        return std::nullopt;
      case stun::Retransmission::Step::Wait:
        return std::nullopt;
    }
  }
  if (entry.state != State::Known || now < entry.refresh_at) return std::nullopt;
  // The request alone keeps the NAT's memory: its answer is looked at by nobody, and its loss is the next one's to
  // mend.
  entry.id = stun::TransactionId::draw(random_);
  entry.refresh_at = now + kRefresh;
  return Query{entry.path, entry.id};
}

TimePoint Gatherer::deadline() const {
  TimePoint deadline = kNever;
  for (const Entry& entry : entries_) {
    if (entry.state == State::Waiting) deadline = std::min(deadline, next_start_);
    if (entry.state == State::Asking) deadline = std::min(deadline, entry.retransmission->deadline());
    if (entry.state == State::Known) deadline = std::min(deadline, entry.refresh_at);
  }
  return deadline;
}

bool Gatherer::owns(const stun::TransactionId& id, const Path& path) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    return entry.state != State::Waiting && entry.id == id && entry.path == path;
  });
}

std::optional<Gatherer::Found> Gatherer::handle_answer(TimePoint now, const stun::MessageView& message) {
  const stun::TransactionId id = message.transaction_id();
  const auto entry =
      std::ranges::find_if(entries_, [&](const Entry& each) { return each.state == State::Asking && each.id == id; });
  if (entry == entries_.end()) return std::nullopt;
  entry->retransmission.reset();
  // Servers older than RFC 5389 give the plain address only.
  const auto exact = message.xor_address(stun::AttributeType::XorMappedAddress);
  const auto mapped = exact ? exact : message.address(stun::AttributeType::MappedAddress);
  if (message.message_class() != stun::Class::Success || !mapped) {
    entry->state = State::GivenUp;
    return std::nullopt;
  }
  entry->state = State::Known;
  entry->refresh_at = now + kRefresh;
  return Found{entry->path.local, *mapped, entry->path.remote.ip};
}

}  // namespace isotube::ice
