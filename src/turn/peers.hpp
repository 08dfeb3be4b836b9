// Who is sent to through the relay: permissions (RFC 8656 9) and channels (RFC 8656 12), and when each is due.
//
// This file knows no message: it says what to ask for, and is told what came of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/address.hpp"
#include "base/time.hpp"
#include "turn/client.hpp"
#include "turn/framing.hpp"
#include "turn/transactions.hpp"

namespace isotube::turn {

/// One wake-up, and at most one stale nonce's round trip, for all that falls due at about the same time.
enum class Timing : std::uint8_t { WhenDue, WithSlack };

/// When something that the server keeps for us has to be asked for, or asked for again.
struct Upkeep {
  TimePoint due{};
  /// How much earlier it may go, together with something else that is due.
  Duration slack{};
  bool asking = false;
  /// The server has it, as far as we know.
  bool held = false;
  TimePoint expires{};
  /// Attempts in a row that came to nothing.
  int failures = 0;
};

struct Peer {
  Upkeep channel_upkeep;
  /// Nothing: all numbers are taken. Then Send indications do.
  std::optional<ChannelNumber> channel;
  /// The order of use.
  std::uint64_t used = 0;
  /// Code of the error that refused it; 0: not refused.
  int refused = 0;

  [[nodiscard]] bool can_use_channel() const { return channel && channel_upkeep.held; }
};

/// The addresses that are sent to in one allocation, at most Settings::max_peers. Addresses of one host share a
/// permission. A channel keeps its number for the allocation's life, whatever becomes of single requests (row T10 of
/// the fault matrix): the server may have bound it and lost only the answer.
class Peers {
 public:
  explicit Peers(const Settings& settings) : settings_(settings) {}

  [[nodiscard]] const Peer* find(const Address& address) const;
  /// The same, noted as used: who was used longest ago has to make room.
  [[nodiscard]] const Peer* use(const Address& address);
  [[nodiscard]] std::optional<Address> peer_of(ChannelNumber channel) const;
  /// True if what comes from this host is wanted: we send to some address of it.
  [[nodiscard]] bool permits(const IpAddress& ip) const;

  struct Added {
    /// Had to go; what was asked for it is of no use any more.
    std::optional<Address> evicted;
    /// The last address of its host went: its permission goes, too.
    bool evicted_permission = false;
    /// The host was refused before.
    int refused = 0;
  };
  /// `address` must not be there.
  Added add(TimePoint now, const Address& address);

  /// What is to be asked for at `now`; it counts as asked from then on.
  [[nodiscard]] std::optional<Question> next_due(TimePoint now, Timing timing);
  /// When next_due() will have something.
  [[nodiscard]] TimePoint due() const { return due_; }
  /// Channels that ran out carry nothing any more.
  void expire(TimePoint now);
  [[nodiscard]] TimePoint expiry() const { return expiry_; }

  /// What came of a question. `sent_at`: the server counts from some moment after it.
  void granted(TimePoint now, const Question& question, TimePoint sent_at);
  /// To be asked again after a while.
  void failed(TimePoint now, const Question& question);
  /// The addresses that this refuses: one, or all of a host.
  [[nodiscard]] std::vector<Address> refused(const Question& question, int code);
  /// True if the server has granted the same before.
  [[nodiscard]] bool was_granted(const Question& question) const;
  /// True if an attempt before this one ended without an answer that counts: it may have been granted.
  [[nodiscard]] bool may_be_granted(const Question& question) const;
  void clear();

 private:
  struct Permission {
    Upkeep upkeep;
    std::size_t peers = 0;
    int refused = 0;
  };
  /// A number that was in use: not for another peer before the server can have forgotten it.
  struct Retired {
    Address peer;
    TimePoint until{};
  };

  [[nodiscard]] std::optional<ChannelNumber> choose_channel(TimePoint now, const Address& address);
  void evict_oldest(TimePoint now, Added& added);
  [[nodiscard]] const Upkeep* upkeep_of(const Question& question) const;
  [[nodiscard]] Upkeep* upkeep_of(const Question& question);
  [[nodiscard]] Address first_of(const IpAddress& ip) const;
  void find_deadlines();

  Settings settings_;
  std::map<Address, Peer> peers_;
  std::map<IpAddress, Permission> permissions_;
  std::map<ChannelNumber, Address> channels_;
  std::map<ChannelNumber, Retired> retired_;
  std::map<Address, ChannelNumber> retired_of_;
  std::uint16_t next_channel_ = kFirstChannel;
  std::uint64_t uses_ = 0;
  TimePoint due_ = kNever;
  TimePoint expiry_ = kNever;
};

/// A minute before what was granted ends, or at half of it if that is less than two minutes.
[[nodiscard]] Duration refresh_after(Duration lifetime);

/// How much earlier than after `interval` a refresh may go.
[[nodiscard]] Duration slack_of(Duration interval);

}  // namespace isotube::turn
