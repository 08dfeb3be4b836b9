// Our own candidates: foundations, priorities, and which of them are redundant (RFC 8445 5.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

/// In the order of finding. An entry that is redundant, unusable, or one too many is not taken.
class LocalCandidates {
 public:
  /// More interfaces than this bring no better path, only more checks.
  static constexpr std::size_t kMost = 64;

  /// The new candidate, or nothing. The pointer is valid until the next change.
  const LocalEntry* add_host(const Address& address);
  /// `server` is the STUN server that told us, if one did.
  const LocalEntry* add_reflexive(const Address& address, const Address& base, const std::optional<IpAddress>& server);
  /// Its base is itself (RFC 8445 5.1.1.2). `mapped` is where the relay at `server` sees us.
  const LocalEntry* add_relayed(const Address& relayed, const Address& mapped, const IpAddress& server);
  /// Takes out all whose base is `base`.
  void remove_base(const Address& base);
  /// All entries, and those to come, belong to the generation of that ufrag.
  void set_ufrag(const std::string& ufrag);

  [[nodiscard]] const std::vector<LocalEntry>& entries() const { return entries_; }
  /// The candidate of highest priority whose base is `base`.
  [[nodiscard]] const LocalEntry* best_of_base(const Address& base) const;
  [[nodiscard]] const LocalEntry* find(const Address& address) const;
  /// The candidate whose address is its own base.
  [[nodiscard]] const LocalEntry* find_base(const Address& base) const;

 private:
  struct FoundationKey {
    CandidateType type;
    IpAddress base;
    std::optional<IpAddress> server;
    friend bool operator==(const FoundationKey&, const FoundationKey&) = default;
  };
  struct Foundation {
    FoundationKey key;
    std::uint64_t number = 0;
  };
  /// A base and its place among those of its family.
  struct Base {
    Address address;
    std::size_t place = 0;
  };

  [[nodiscard]] bool is_welcome(const Address& address, const Address& base) const;
  const LocalEntry* add(CandidateType type, const Address& address, const Address& base, const Address& related,
                        const std::optional<IpAddress>& server);
  [[nodiscard]] std::uint16_t preference_for(CandidateType type, const Address& base);
  [[nodiscard]] std::size_t place_of(const Address& base);
  [[nodiscard]] std::string foundation_of(const FoundationKey& key);

  std::string ufrag_;
  std::vector<LocalEntry> entries_;
  std::vector<Base> bases_;
  std::vector<Foundation> foundations_;
  std::uint64_t last_foundation_ = 0;
};

/// Whether datagrams can be sent to `address` at all.
[[nodiscard]] bool is_usable(const Address& address);

/// Whether a candidate of ours at `local` may be paired with the peer's at `remote` (RFC 8445 6.1.2.2).
[[nodiscard]] bool can_pair(const IpAddress& local, const IpAddress& remote);

}  // namespace isotube::ice
