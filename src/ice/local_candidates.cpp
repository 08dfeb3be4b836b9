#include "ice/local_candidates.hpp"

#include <algorithm>

namespace isotube::ice {
namespace {

/// Room for the reflexive candidates of one host address, each with a preference of its own: RFC 8445 5.1.2 wants all
/// priorities unique.
constexpr std::size_t kPreferenceStep = 64;

}  // namespace

bool is_usable(const Address& address) {
  return address.port != 0 && !address.ip.is_unspecified() && !address.ip.is_multicast();
}

bool can_pair(const IpAddress& local, const IpAddress& remote) {
  if (local.is_v4() != remote.is_v4()) return false;
  // RFC 8445 6.1.2.2 for IPv6 link-local addresses. The same for loopback: a peer elsewhere must not make us send to
  // our own services.
  if (local.is_v6() && local.is_link_local() != remote.is_link_local()) return false;
  return local.is_loopback() == remote.is_loopback();
}

const LocalEntry* LocalCandidates::add_host(const Address& address) {
  return add(CandidateType::Host, address, address, address, std::nullopt);
}

const LocalEntry* LocalCandidates::add_reflexive(const Address& address, const Address& base,
                                                 const std::optional<IpAddress>& server) {
  return add(CandidateType::ServerReflexive, address, base, base, server);
}

const LocalEntry* LocalCandidates::add_relayed(const Address& relayed, const Address& mapped, const IpAddress& server) {
  return add(CandidateType::Relayed, relayed, relayed, mapped, server);
}

bool LocalCandidates::is_welcome(const Address& address, const Address& base) const {
  if (!is_usable(address) || !is_usable(base) || address.ip.is_v4() != base.ip.is_v4()) return false;
  if (entries_.size() >= kMost) return false;
  // RFC 8445 5.1.3: same address and base. Types only get lower in priority in the order of finding, so that the new
  // one is the redundant one.
  return std::ranges::none_of(
      entries_, [&](const LocalEntry& entry) { return entry.candidate.address == address && entry.base == base; });
}

const LocalEntry* LocalCandidates::add(CandidateType type, const Address& address, const Address& base,
                                       const Address& related, const std::optional<IpAddress>& server) {
  if (!is_welcome(address, base)) return nullptr;
  LocalEntry entry;
  entry.base = base;
  entry.preference = preference_for(type, base);
  entry.candidate.foundation = foundation_of({type, base.ip, server});
  entry.candidate.priority = candidate_priority(type, entry.preference);
  entry.candidate.address = address;
  entry.candidate.type = type;
  entry.candidate.ufrag = ufrag_;
  if (type != CandidateType::Host) entry.candidate.related = related;
  entries_.push_back(std::move(entry));
  return &entries_.back();
}

void LocalCandidates::remove_base(const Address& base) {
  std::erase_if(entries_, [&](const LocalEntry& entry) { return entry.base == base; });
  std::erase_if(bases_, [&](const Base& each) { return each.address == base; });
  // A tube may outlive thousands of addresses.
  const bool ip_is_gone = std::ranges::none_of(bases_, [&](const Base& each) { return each.address.ip == base.ip; });
  if (ip_is_gone) {
    std::erase_if(foundations_, [&](const Foundation& foundation) { return foundation.key.base == base.ip; });
  }
}

void LocalCandidates::set_ufrag(const std::string& ufrag) {
  ufrag_ = ufrag;
  for (LocalEntry& entry : entries_) entry.candidate.ufrag = ufrag;
}

std::uint16_t LocalCandidates::preference_for(CandidateType type, const Address& base) {
  const auto siblings = static_cast<std::size_t>(std::ranges::count_if(
      entries_, [&](const LocalEntry& entry) { return entry.candidate.type == type && entry.base == base; }));
  // RFC 8421 4: the families take turns, IPv6 first, so that a broken one delays the other by no more than one check.
  const std::size_t rank = 2 * place_of(base) + (base.ip.is_v4() ? 1 : 0);
  return static_cast<std::uint16_t>(UINT16_MAX - rank * kPreferenceStep - std::min(siblings, kPreferenceStep - 1));
}

std::size_t LocalCandidates::place_of(const Address& base) {
  const auto known = std::ranges::find(bases_, base, &Base::address);
  if (known != bases_.end()) return known->place;
  const auto is_taken = [&](std::size_t place) {
    return std::ranges::any_of(
        bases_, [&](const Base& other) { return other.address.ip.is_v4() == base.ip.is_v4() && other.place == place; });
  };
  std::size_t place = 0;
  while (is_taken(place)) ++place;
  bases_.push_back({base, place});
  return place;
}

std::string LocalCandidates::foundation_of(const FoundationKey& key) {
  // RFC 8445 5.1.1.3: the same for the same type, base address and server. Numbers tell nothing about addresses.
  const auto found = std::ranges::find(foundations_, key, &Foundation::key);
  if (found != foundations_.end()) return std::to_string(found->number);
  foundations_.push_back({key, ++last_foundation_});
  return std::to_string(last_foundation_);
}

const LocalEntry* LocalCandidates::best_of_base(const Address& base) const {
  const LocalEntry* best = nullptr;
  for (const LocalEntry& entry : entries_) {
    if (entry.base != base) continue;
    if (best == nullptr || entry.candidate.priority > best->candidate.priority) best = &entry;
  }
  return best;
}

const LocalEntry* LocalCandidates::find(const Address& address) const {
  const auto found =
      std::ranges::find_if(entries_, [&](const LocalEntry& e) { return e.candidate.address == address; });
  return found == entries_.end() ? nullptr : &*found;
}

const LocalEntry* LocalCandidates::find_base(const Address& base) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const LocalEntry& e) { return e.candidate.address == base && e.base == base; });
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace isotube::ice
