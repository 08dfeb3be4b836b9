#include "turn/peers.hpp"

#include <algorithm>
#include <utility>

namespace isotube::turn {
namespace {

/// RFC 8656 9.
constexpr Duration kPermissionLifetime = std::chrono::minutes(5);
/// RFC 8656 12.
constexpr Duration kChannelLifetime = std::chrono::minutes(10);
/// RFC 8656 12: five minutes more pass before a number or a peer may be bound otherwise.
constexpr Duration kChannelRest = kChannelLifetime + std::chrono::minutes(5);

/// Between attempts: doubled each time, so that a server that can't is not pressed.
constexpr Duration kFirstRetry = std::chrono::seconds(5);
constexpr Duration kLastRetry = std::chrono::minutes(1);

constexpr Duration kMostSlack = std::chrono::seconds(5);

Duration retry_after(int failures) {
  return std::min(kLastRetry, kFirstRetry * (std::int64_t{1} << std::min(failures - 1, 8)));
}

bool wants_to_ask(const Upkeep& upkeep, TimePoint now, Timing timing) {
  const Duration slack = timing == Timing::WithSlack ? upkeep.slack : Duration::zero();
  return !upkeep.asking && upkeep.due - slack <= now;
}

}  // namespace

Duration refresh_after(Duration lifetime) {
  constexpr Duration kMargin = std::chrono::minutes(1);
  return lifetime < 2 * kMargin ? lifetime / 2 : lifetime - kMargin;
}

Duration slack_of(Duration interval) { return std::clamp<Duration>(interval / 3, Duration::zero(), kMostSlack); }

const Peer* Peers::find(const Address& address) const {
  const auto found = peers_.find(address);
  return found == peers_.end() ? nullptr : &found->second;
}

const Peer* Peers::use(const Address& address) {
  const auto found = peers_.find(address);
  if (found == peers_.end()) return nullptr;
  found->second.used = ++uses_;
  return &found->second;
}

std::optional<Address> Peers::peer_of(ChannelNumber channel) const {
  const auto found = channels_.find(channel);
  if (found == channels_.end()) return std::nullopt;
  return found->second;
}

bool Peers::permits(const IpAddress& ip) const {
  const auto found = permissions_.find(ip);
  return found != permissions_.end() && found->second.refused == 0;
}

Peers::Added Peers::add(TimePoint now, const Address& address) {
  Added added;
  if (peers_.size() >= settings_.max_peers) evict_oldest(now, added);
  Permission& permission = permissions_[address.ip];
  if (permission.peers++ == 0) permission.upkeep.due = now;
  Peer peer;
  peer.used = ++uses_;
  peer.refused = added.refused = permission.refused;
  if (peer.refused == 0) {
    peer.channel = choose_channel(now, address);
    peer.channel_upkeep.due = now;
  }
  if (peer.channel) channels_.emplace(*peer.channel, address);
  peers_.emplace(address, peer);
  find_deadlines();
  return added;
}

void Peers::evict_oldest(TimePoint now, Added& added) {
  const auto oldest = std::ranges::min_element(peers_, {}, [](const auto& each) { return each.second.used; });
  const Address address = oldest->first;
  if (const auto channel = oldest->second.channel) {
    channels_.erase(*channel);
    retired_[*channel] = {address, now + kChannelRest};
    retired_of_[address] = *channel;
  }
  peers_.erase(oldest);
  added.evicted = address;
  const auto permission = permissions_.find(address.ip);
  if (--permission->second.peers == 0) {
    permissions_.erase(permission);
    added.evicted_permission = true;
  }
}

std::optional<ChannelNumber> Peers::choose_channel(TimePoint now, const Address& address) {
  if (const auto before = retired_of_.find(address); before != retired_of_.end()) {
    const ChannelNumber channel = before->second;
    retired_.erase(channel);
    retired_of_.erase(before);
    return channel;
  }
  // A few steps find a free number, or the numbers are too scarce to search for one at each new peer.
  for (int steps = 0; steps < 64; ++steps) {
    const auto channel = static_cast<ChannelNumber>(next_channel_);
    next_channel_ = next_channel_ == kLastChannel ? kFirstChannel : static_cast<std::uint16_t>(next_channel_ + 1);
    if (channels_.contains(channel)) continue;
    const auto retired = retired_.find(channel);
    if (retired == retired_.end()) return channel;
    if (retired->second.until <= now) {
      retired_of_.erase(retired->second.peer);
      retired_.erase(retired);
      return channel;
    }
  }
  return std::nullopt;
}

std::optional<Question> Peers::next_due(TimePoint now, Timing timing) {
  if (timing == Timing::WhenDue && due_ > now) return std::nullopt;
  std::optional<Question> question;
  for (auto& [ip, permission] : permissions_) {
    if (permission.refused != 0 || !wants_to_ask(permission.upkeep, now, timing)) continue;
    permission.upkeep.asking = true;
    question = Question{.purpose = Purpose::Permission, .peer = first_of(ip)};
    break;
  }
  for (auto each = peers_.begin(); !question && each != peers_.end(); ++each) {
    Peer& peer = each->second;
    if (peer.refused != 0 || !peer.channel || !wants_to_ask(peer.channel_upkeep, now, timing)) continue;
    peer.channel_upkeep.asking = true;
    question = Question{.purpose = Purpose::Channel, .peer = each->first, .channel = *peer.channel};
  }
  find_deadlines();
  return question;
}

Address Peers::first_of(const IpAddress& ip) const { return peers_.lower_bound(Address{ip, 0})->first; }

void Peers::expire(TimePoint now) {
  if (expiry_ > now) return;
  for (auto& [address, peer] : peers_) {
    if (peer.channel_upkeep.expires <= now) peer.channel_upkeep.held = false;
  }
  find_deadlines();
}

const Upkeep* Peers::upkeep_of(const Question& question) const {
  if (question.purpose == Purpose::Permission) {
    const auto found = permissions_.find(question.peer.ip);
    return found == permissions_.end() ? nullptr : &found->second.upkeep;
  }
  const auto found = peers_.find(question.peer);
  return found == peers_.end() ? nullptr : &found->second.channel_upkeep;
}

Upkeep* Peers::upkeep_of(const Question& question) {
  return const_cast<Upkeep*>(std::as_const(*this).upkeep_of(question));
}

void Peers::granted(TimePoint now, const Question& question, TimePoint sent_at) {
  Upkeep* upkeep = upkeep_of(question);
  if (upkeep == nullptr) return;
  const bool permission = question.purpose == Purpose::Permission;
  const Duration lifetime = permission ? kPermissionLifetime : kChannelLifetime;
  const auto& interval = permission ? settings_.permission_refresh : settings_.channel_refresh;
  upkeep->asking = false;
  upkeep->failures = 0;
  upkeep->held = true;
  upkeep->expires = sent_at + lifetime;
  upkeep->due = sent_at + refresh_after(lifetime);
  if (interval) upkeep->due = std::min(upkeep->due, now + *interval);
  upkeep->slack = slack_of(upkeep->due - now);
  find_deadlines();
}

void Peers::failed(TimePoint now, const Question& question) {
  Upkeep* upkeep = upkeep_of(question);
  if (upkeep == nullptr) return;
  upkeep->asking = false;
  upkeep->due = now + retry_after(++upkeep->failures);
  upkeep->slack = Duration::zero();
  find_deadlines();
}

std::vector<Address> Peers::refused(const Question& question, int code) {
  std::vector<Address> addresses;
  auto peer = peers_.find(question.peer);
  if (question.purpose == Purpose::Permission) {
    const auto permission = permissions_.find(question.peer.ip);
    if (permission == permissions_.end()) return addresses;
    permission->second.refused = code;
    peer = peers_.lower_bound(Address{question.peer.ip, 0});
  }
  for (; peer != peers_.end() && peer->first.ip == question.peer.ip; ++peer) {
    if (peer->second.refused == 0) addresses.push_back(peer->first);
    if (peer->second.refused == 0) peer->second.refused = code;
    if (question.purpose == Purpose::Channel) break;
  }
  find_deadlines();
  return addresses;
}

bool Peers::was_granted(const Question& question) const {
  const Upkeep* upkeep = upkeep_of(question);
  return upkeep != nullptr && upkeep->expires != TimePoint{};
}

bool Peers::may_be_granted(const Question& question) const {
  const Upkeep* upkeep = upkeep_of(question);
  return upkeep != nullptr && (was_granted(question) || upkeep->failures > 0);
}

void Peers::clear() { *this = Peers(settings_); }

void Peers::find_deadlines() {
  due_ = expiry_ = kNever;
  for (const auto& [ip, permission] : permissions_) {
    if (permission.refused == 0 && !permission.upkeep.asking) due_ = std::min(due_, permission.upkeep.due);
  }
  for (const auto& [address, peer] : peers_) {
    if (peer.refused != 0 || !peer.channel) continue;
    if (!peer.channel_upkeep.asking) due_ = std::min(due_, peer.channel_upkeep.due);
    if (peer.channel_upkeep.held) expiry_ = std::min(expiry_, peer.channel_upkeep.expires);
  }
}

}  // namespace isotube::turn
