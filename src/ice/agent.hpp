// The ICE agent of one tube (RFC 8445, full agent, one component), as a machine.
//
// This folder finds a working path between two peers and watches it: gathering over STUN, trickled candidates
// (RFC 8838), connectivity checks, nomination, consent (RFC 7675). It uses stun/ and base/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "ice/candidate.hpp"

namespace isotube::ice {

enum class Role : std::uint8_t { Controlling, Controlled };

/// ice-ufrag and ice-pwd (RFC 8839 5.4).
struct Credentials {
  std::string ufrag;
  std::string pwd;

  friend bool operator==(const Credentials&, const Credentials&) = default;
};

struct Settings {
  /// What we offer as `a=ice-pacing` (RFC 8839 5.5). Ta is the larger of both sides' offers, 50 ms if the peer gave
  /// none. Pacing is per tube: RFC 8445's 5 ms over all agents of a host would couple tubes.
  Duration pacing = std::chrono::milliseconds(5);
  /// Lowest RTO of a check (RFC 8445 14.3).
  Duration check_rto_min = std::chrono::milliseconds(500);
  /// No failure is concluded before this has passed since checks could start (RFC 8863).
  Duration patience = std::chrono::milliseconds(39'500);
  /// Mean time between consent checks; each is drawn from 0.8 to 1.2 of it (RFC 7675 5.1).
  Duration consent_interval = std::chrono::seconds(5);
  /// Without a valid answer for this long the path is lost (RFC 7675 5.1).
  Duration consent_expiry = std::chrono::seconds(30);
  /// Pairs checked at most (RFC 8445 6.1.2.5).
  std::size_t max_pairs = 100;
  /// Candidates accepted from the peer at most; more are dropped and counted.
  std::size_t max_remote_candidates = 64;
  /// How long the controlling side waits for a better pair once one is valid, before it nominates.
  Duration nomination_delay = std::chrono::milliseconds(0);
};

/// How far the agent is. Legal steps: New → Checking → Connected ⇄ Disconnected → Failed; Checking → Failed;
/// Failed is final until a restart.
enum class State : std::uint8_t { New, Checking, Connected, Disconnected, Failed };

struct StateChanged {
  State state;
};
/// A local candidate to be signalled.
struct LocalCandidate {
  Candidate candidate;
};
/// All local candidates were found; sent once.
struct GatheringDone {};
/// The path that data takes from now on: the nominated pair, or before nomination the best valid one.
struct PathSelected {
  Path path;
  CandidateType local_type;
  CandidateType remote_type;
};

using Event = std::variant<StateChanged, LocalCandidate, GatheringDone, PathSelected>;

/// One STUN message to send: from `path.local` (our wildcard socket of that family) to `path.remote`.
struct Transmit {
  Path path;
  Bytes datagram;
};

struct Counters {
  std::uint64_t checks_sent = 0;
  std::uint64_t checks_received = 0;
  std::uint64_t answers_dropped = 0;   ///< unknown transaction, bad integrity, wrong source; and what is no STUN
  std::uint64_t requests_refused = 0;  ///< bad integrity or credentials, or over the bound
  std::uint64_t candidates_dropped = 0;
};

/// Call order: mutate (handle_* or a command), then drain poll_transmit() and poll_event() until both are empty, then
/// sleep until next_timeout() (after a command that is `now`: what it begins is sent from there). `now` never goes
/// back. Ownership: belongs to one tube. Not thread-safe; may move between threads between calls.
///
///   ice::Agent agent(ice::Settings{}, ice::Role::Controlling, random.fork("ice"));
///   agent.add_local_address(now, {*IpAddress::parse("192.0.2.1"), 50000});
///   agent.end_of_local_addresses(now);
///   agent.set_remote(now, {"ufrag", "pwd"}, std::nullopt, false);
///   agent.add_remote_candidate(now, candidate);
class Agent {
 public:
  Agent(Settings settings, Role role, Random random);
  ~Agent();
  Agent(Agent&&) noexcept;
  Agent& operator=(Agent&&) noexcept;

  /// Fixed at construction; changes with a restart only.
  [[nodiscard]] const Credentials& local_credentials() const;
  [[nodiscard]] Role role() const;
  /// For a description applied before checks begin; afterwards only a role conflict changes it.
  void set_role(Role role);

  /// An address of one of our interfaces, with the port of our socket: a host candidate.
  void add_local_address(TimePoint now, const Address& address);
  /// An address under which the world reaches our socket (`--public-address`): a server-reflexive candidate whose base
  /// is the host address `base`.
  void add_public_address(TimePoint now, const Address& address, const Address& base);
  /// A STUN server to ask for our reflexive address, from every host address of its family.
  void add_stun_server(TimePoint now, const Address& server);
  /// No more local addresses or servers follow (later ones are ignored); GatheringDone comes when the last server
  /// answered or was given up.
  void end_of_local_addresses(TimePoint now);

  /// The peer's credentials, pacing (`a=ice-pacing`, if given) and whether it is lite (then we control). Checks start
  /// from here. Requests that came before were answered at once; now they trigger checks (RFC 8445 7.3). Only the first
  /// call counts. Credentials longer than RFC 8839 5.4 allows end in Failed.
  void set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite);
  /// Candidates with names, of TCP or of a stale ufrag are dropped and counted.
  void add_remote_candidate(TimePoint now, const Candidate& candidate);
  void end_of_remote_candidates(TimePoint now);

  /// A datagram whose first byte says STUN (RFC 7983: 0 to 3). `path.local` is where it arrived.
  void handle_datagram(TimePoint now, const Path& path, ByteView datagram);
  void handle_timeout(TimePoint now);
  [[nodiscard]] std::optional<Transmit> poll_transmit();
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;

  [[nodiscard]] State state() const;
  /// Where data may go now; nothing while there is no valid pair or consent is gone.
  [[nodiscard]] std::optional<Path> selected_path() const;
  /// True if a check passed on `path`, ours or, once set_remote() was called, the peer's: only then is a DTLS byte from
  /// it looked at. (A peer that was answered may send its ClientHello before our own check is back. It proves nothing
  /// about the way back, but what DTLS answers goes to selected_path().)
  [[nodiscard]] bool is_validated(const Path& path) const;
  /// Smoothed round trip of the selected pair's checks, if there was one.
  [[nodiscard]] std::optional<Duration> round_trip() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::ice
