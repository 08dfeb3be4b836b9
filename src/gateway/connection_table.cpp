#include "gateway/connection_table.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "gateway/source.hpp"

namespace isotube::gateway {

ConnectionTable::Place::Place(std::shared_ptr<ConnectionTable> table, std::uint64_t number)
    : table_(std::move(table)), number_(number) {}

ConnectionTable::Place::~Place() {
  if (table_) table_->leave(number_);
}

void ConnectionTable::Place::mark_busy() { table_->set_waiting_since(number_, false); }

void ConnectionTable::Place::mark_waiting() { table_->set_waiting_since(number_, true); }

std::optional<ConnectionTable::Place> ConnectionTable::admit(const IpAddress& client, std::function<void()> close) {
  const IpAddress source = source_of(client);
  std::function<void()> close_victim;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || !make_room(source, close_victim)) return std::nullopt;
    number = ++clock_;
    entries_.emplace(number, Entry{.source = source, .close = std::move(close), .waiting_since = number});
    ++by_source_[source];
    ++held_;
  }
  if (close_victim) close_victim();
  return Place(shared_from_this(), number);
}

bool ConnectionTable::make_room(const IpAddress& source, std::function<void()>& close) {
  const auto own = by_source_.find(source);
  std::optional<IpAddress> victims;
  if (own != by_source_.end() && own->second >= limits_.per_source) {
    victims = source;
  } else if (held_ >= limits_.all) {
    victims = largest_source();
  } else {
    return true;
  }
  auto victim = oldest_waiting(victims);
  if (victim == entries_.end() && victims != source) victim = oldest_waiting(std::nullopt);
  if (victim == entries_.end()) return false;
  victim->second.evicted = true;
  close = std::move(victim->second.close);
  const auto share = by_source_.find(victim->second.source);
  if (--share->second == 0) by_source_.erase(share);
  --held_;
  return true;
}

ConnectionTable::Entries::iterator ConnectionTable::oldest_waiting(const std::optional<IpAddress>& source) {
  auto oldest = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const Entry& candidate = entry->second;
    if (candidate.evicted || candidate.waiting_since == 0 || (source && candidate.source != *source)) continue;
    if (oldest == entries_.end() || candidate.waiting_since < oldest->second.waiting_since) oldest = entry;
  }
  return oldest;
}

IpAddress ConnectionTable::largest_source() const {
  const auto largest = std::ranges::max_element(by_source_, {}, [](const auto& share) { return share.second; });
  return largest == by_source_.end() ? IpAddress{} : largest->first;
}

void ConnectionTable::set_waiting_since(std::uint64_t number, bool waiting) {
  const std::lock_guard lock(mutex_);
  entries_.at(number).waiting_since = waiting ? ++clock_ : 0;
}

void ConnectionTable::leave(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(number);
  if (!entry->second.evicted) {
    const auto share = by_source_.find(entry->second.source);
    if (--share->second == 0) by_source_.erase(share);
    --held_;
  }
  entries_.erase(entry);
}

void ConnectionTable::close_all() {
  std::vector<std::function<void()>> closes;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [number, entry] : entries_) {
      if (entry.close) closes.push_back(std::exchange(entry.close, nullptr));
    }
  }
  for (const auto& close : closes) close();
}

std::size_t ConnectionTable::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace isotube::gateway
