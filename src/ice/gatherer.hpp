// Asking STUN servers for our reflexive addresses (RFC 8445 5.1.1.2), and keeping what NATs remember alive until
// checks take over (RFC 8445 5.1.1.4).
#pragma once

#include <optional>
#include <vector>

#include "base/address.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "stun/message.hpp"
#include "stun/retransmission.hpp"

namespace isotube::ice {

/// One query for each host address and server of the same family, paced. Every host address may be added before or
/// after every server.
class Gatherer {
 public:
  /// What a server said.
  struct Found {
    Address base;
    Address mapped;
    IpAddress server;
  };
  struct Query {
    Path path;
    stun::TransactionId id;
  };

  static constexpr std::size_t kMostServers = 8;
  static constexpr std::size_t kMostQueries = 64;

  Gatherer(Duration pacing, Duration rto, Random random) : pacing_(pacing), rto_(rto), random_(random) {}

  void add_base(const Address& base);
  void add_server(const Address& server);
  void remove_base(const Address& base);
  /// Bases and servers that are added from now on are kept for begin_again().
  void close() { open_ = false; }
  /// Drops all queries and refreshes, and closes: a path is found, or none ever will be.
  void stop();
  /// Asks all servers from all bases, as if nothing had been asked before.
  void begin_again();
  /// True when no query waits for its answer.
  [[nodiscard]] bool idle() const;

  /// The next query that is due at `now`, to be sent; nothing when none is.
  [[nodiscard]] std::optional<Query> next_query(TimePoint now);
  [[nodiscard]] TimePoint deadline() const;

  /// True if the transaction is one of ours on that path, whatever comes of it.
  [[nodiscard]] bool owns(const stun::TransactionId& id, const Path& path) const;
  /// The answer to a query that owns() knows; nothing if it is of no use.
  [[nodiscard]] std::optional<Found> handle_answer(TimePoint now, const stun::MessageView& message);

 private:
  enum class State : std::uint8_t { Waiting, Asking, Known, GivenUp };

  struct Entry {
    Path path;
    stun::TransactionId id;
    State state = State::Waiting;
    std::optional<stun::Retransmission> retransmission;
    /// When the NAT's memory has to be refreshed.
    TimePoint refresh_at = kNever;
  };

  void add_query(const Path& path);
  [[nodiscard]] std::optional<Query> repeat_or_refresh(TimePoint now, Entry& entry);

  Duration pacing_;
  Duration rto_;
  Random random_;
  std::vector<Address> bases_;
  std::vector<Address> servers_;
  std::vector<Entry> entries_;
  bool open_ = true;
  /// When the next query may begin (RFC 8445 14.2: gathering is paced too).
  TimePoint next_start_{};
};

}  // namespace isotube::ice
