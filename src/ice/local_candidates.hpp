// Our own candidates: foundations, priorities, and which of them are redundant (RFC 8445 5.1).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.hpp"
#include "ice/candidate.hpp"

namespace isotube::ice {

struct LocalEntry {
  Candidate candidate;
  /// The address that datagrams for this candidate leave from.
  Address base;
  std::uint16_t preference = 0;
};

/// Grows only; the order is that of finding. An entry that is redundant, unusable, or one too many is not taken.
class LocalCandidates {
 public:
  /// More interfaces than this bring no better path, only more checks.
  static constexpr std::size_t kMost = 64;

  explicit LocalCandidates(std::string ufrag) : ufrag_(std::move(ufrag)) {}

  /// The new candidate, or nothing. The pointer is valid until the next one is added.
  const LocalEntry* add_host(const Address& address);
  /// `server` is the STUN server that told us, if one did.
  const LocalEntry* add_reflexive(const Address& address, const Address& base, const std::optional<IpAddress>& server);

  [[nodiscard]] const std::vector<LocalEntry>& entries() const { return entries_; }
  /// The candidate of highest priority whose base is `base`.
  [[nodiscard]] const LocalEntry* best_of_base(const Address& base) const;
  [[nodiscard]] const LocalEntry* find(const Address& address) const;

 private:
  struct FoundationKey {
    CandidateType type;
    IpAddress base;
    std::optional<IpAddress> server;
    friend bool operator==(const FoundationKey&, const FoundationKey&) = default;
  };

  const LocalEntry* add(CandidateType type, const Address& address, const Address& base,
                        const std::optional<IpAddress>& server);
  [[nodiscard]] std::uint16_t preference_for(CandidateType type, const Address& base);
  [[nodiscard]] std::string foundation_of(const FoundationKey& key);

  std::string ufrag_;
  std::vector<LocalEntry> entries_;
  /// In the order of finding: what ranks them.
  std::vector<Address> bases_;
  std::vector<FoundationKey> foundations_;
};

/// Whether datagrams can be sent to `address` at all.
[[nodiscard]] bool is_usable(const Address& address);

/// Whether a candidate of ours at `local` may be paired with the peer's at `remote` (RFC 8445 6.1.2.2).
[[nodiscard]] bool can_pair(const IpAddress& local, const IpAddress& remote);

}  // namespace isotube::ice
