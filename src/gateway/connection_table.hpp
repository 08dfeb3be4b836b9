// The HTTP connections that are open, and which one goes when there are too many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/address.hpp"

namespace isotube::gateway {

/// Lets new clients in at the expense of those that make us wait: over a bound, the connection that has kept its
/// source's share longest without completing a request is closed. So a flood of slow clients takes no place that
/// another needs. Thread-safe.
class ConnectionTable : public std::enable_shared_from_this<ConnectionTable> {
 public:
  struct Limits {
    std::size_t all = 0;
    std::size_t per_source = 0;
  };

  /// A place in the table, given back when it dies.
  class Place {
   public:
    Place(std::shared_ptr<ConnectionTable> table, std::uint64_t number);
    Place(Place&&) noexcept = default;
    Place& operator=(Place&&) = delete;
    ~Place();

    /// A request is being answered: the connection stays.
    void mark_busy();
    /// The client has the next word: the connection may be closed for another.
    void mark_waiting();

   private:
    std::shared_ptr<ConnectionTable> table_;
    std::uint64_t number_;
  };

  explicit ConnectionTable(Limits limits) : limits_(limits) {}

  /// `close` is called from any thread, at most once, and must not wait. Nothing if every connection is busy, or after
  /// close_all().
  [[nodiscard]] std::optional<Place> admit(const IpAddress& client, std::function<void()> close);
  void close_all();
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    IpAddress source;
    std::function<void()> close;
    std::uint64_t waiting_since = 0;  ///< a count of events; 0 while busy
    bool evicted = false;
  };
  using Entries = std::map<std::uint64_t, Entry>;

  [[nodiscard]] Entries::iterator oldest_waiting(const std::optional<IpAddress>& source);
  [[nodiscard]] IpAddress largest_source() const;
  [[nodiscard]] bool make_room(const IpAddress& source, std::function<void()>& close);
  void set_waiting_since(std::uint64_t number, bool waiting);
  void leave(std::uint64_t number);

  const Limits limits_;
  mutable std::mutex mutex_;
  Entries entries_;
  /// Of entries that were not evicted.
  std::map<IpAddress, std::size_t> by_source_;
  std::size_t held_ = 0;
  std::uint64_t clock_ = 0;
  bool closed_ = false;
};

}  // namespace isotube::gateway
