// Requests that wait for their answers (RFC 8489 6.2): what was sent, when it is repeated, and what was heard so far.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "stun/message.hpp"
#include "stun/retransmission.hpp"
#include "turn/client.hpp"
#include "turn/framing.hpp"
#include "turn/login.hpp"

namespace isotube::turn {

/// What a request asks for, and so what its end means.
enum class Purpose : std::uint8_t { Allocate, Refresh, Release, Permission, Channel };

[[nodiscard]] stun::Method method_of(Purpose purpose);

/// What a request says besides credentials.
struct Question {
  Purpose purpose = Purpose::Allocate;
  /// Permission and Channel.
  Address peer;
  ChannelNumber channel{};
  /// Allocate: ask for an IPv6 relay (RFC 8656 7.1: without it, it is IPv4).
  bool wants_v6 = false;
};

/// The lifetime that is asked for (RFC 8656 3.2: the default). What a crashed tube leaves behind goes as soon.
inline constexpr std::chrono::seconds kLifetime{600};

/// One question until its end. Each new nonce makes a new request with an id of its own of it.
struct Transaction {
  Question question;
  stun::TransactionId id;
  Bytes request;
  /// When this request was sent first.
  TimePoint sent_at{};
  /// Over UDP.
  std::optional<stun::Retransmission> retransmission;
  /// Over streams.
  TimePoint give_up_at = kNever;

  /// How the request was signed; nothing: it was not.
  struct Signature {
    std::string realm;
    std::string nonce;
  };
  std::optional<Signature> signature;
  int challenges = 0;
  /// Stale nonces (438) in a row.
  int stale = 0;
  /// Silence ends it for good: the allocation is believed lost (Refresh).
  bool decisive = false;

  /// What answers were dropped for, if any were: the cause when nothing better comes.
  std::optional<Cause> mistaken;
  int mistaken_code = 0;
  std::string mistaken_reason;

  [[nodiscard]] TimePoint deadline() const { return retransmission ? retransmission->deadline() : give_up_at; }
};

/// The transactions of one flow, in the order in which they were begun. At most one each to allocate, refresh and
/// release, and kMaxOfPeers for peers.
class Transactions {
 public:
  /// Bounds what a tube asks of a server at a time, and the work for one answer.
  static constexpr std::size_t kMaxOfPeers = 32;

  Transactions(const Settings& settings, Random random) : settings_(settings), random_(random) {}

  /// `give_up_at` holds for streams only.
  Transaction& begin(TimePoint now, const Question& question, Transport transport, TimePoint give_up_at, Login& login);
  /// The same question with a new id and the newest credentials.
  void ask_again(TimePoint now, Transaction& transaction, Transport transport, Login& login);

  [[nodiscard]] Transaction* find(const stun::TransactionId& id);
  [[nodiscard]] Transaction* find(Purpose purpose);
  /// The first that is due.
  [[nodiscard]] Transaction* due(TimePoint now);
  [[nodiscard]] bool has_room_for_peers() const { return of_peers_ < kMaxOfPeers; }

  [[nodiscard]] Transaction take(const Transaction& transaction);
  void forget_permission(const IpAddress& peer);
  void forget_channel(const Address& peer);
  void clear();
  [[nodiscard]] TimePoint deadline() const;

 private:
  template <typename Condition>
  void forget_if(Condition condition);

  Settings settings_;
  Random random_;
  std::vector<Transaction> transactions_;
  std::size_t of_peers_ = 0;
};

}  // namespace isotube::turn
