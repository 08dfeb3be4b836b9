// The ICE agent of one tube (RFC 8445, full agent, one component), as a machine.
//
// This folder finds a working path between two peers and watches it: gathering over STUN, trickled candidates
// (RFC 8838), connectivity checks, nomination, consent (RFC 7675), restarts. It uses stun/ and base/.
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
  /// A restart that selected no path so long after set_remote() has failed, whatever candidates may still come.
  Duration restart_limit = std::chrono::seconds(60);
  /// How long the controlling side waits for a better pair once one is valid, before it nominates.
  Duration nomination_delay = std::chrono::milliseconds(0);
};

/// How far the agent is. Legal steps: New → Checking → Connected ⇄ Disconnected → Failed; Checking or Connected →
/// Failed; Failed → Checking by a restart. While a restart runs, a path whose consent expires leaves Disconnected, not
/// Failed.
enum class State : std::uint8_t { New, Checking, Connected, Disconnected, Failed };

struct StateChanged {
  State state;
};
/// A local candidate to be signalled.
struct LocalCandidate {
  Candidate candidate;
};
/// All local candidates were found; sent once for each generation. Relayed candidates may follow all the same.
struct GatheringDone {};
/// The path that data takes from now on: the nominated pair, or before nomination the best valid one.
struct PathSelected {
  Path path;
  CandidateType local_type;
  CandidateType remote_type;
};

/// A consent check on the selected path was not answered in time: the first in a row. The path is used on, but what it
/// goes through may be looked after.
struct ConsentUnanswered {
  Path path;
};
/// A restart's generation has selected a path, which PathSelected named just before, and the peer has checked with the
/// new credentials. The old generation is dropped: nothing is sent there any more.
struct RestartDone {};
/// A restart found no path. All is as it was before it: the old generation's credentials are the valid ones, and its
/// path is used if it has consent (else Failed follows).
struct RestartFailed {};

using Event = std::variant<StateChanged, LocalCandidate, GatheringDone, PathSelected, ConsentUnanswered, RestartDone,
                           RestartFailed>;

/// One STUN message to send: from `path.local` (our wildcard socket of that family, or a relayed address) to
/// `path.remote`.
struct Transmit {
  Path path;
  Bytes datagram;
};

struct Counters {
  std::uint64_t checks_sent = 0;
  std::uint64_t checks_received = 0;
  std::uint64_t answers_dropped = 0;     ///< unknown transaction, bad integrity, wrong source; and what is no STUN
  std::uint64_t requests_refused = 0;    ///< bad integrity or credentials, or over the bound
  std::uint64_t candidates_dropped = 0;  ///< of the peer's: of no use, over a bound, or of an older generation
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

  /// What is to be signalled now: those of the restart while one runs, the old ones again if it fails.
  [[nodiscard]] const Credentials& local_credentials() const;
  [[nodiscard]] Role role() const;
  /// For a description applied before set_remote(); afterwards only a role conflict changes it. A restart keeps the
  /// role (RFC 8445 9).
  void set_role(Role role);

  /// An address of one of our interfaces, with the port of our socket: a host candidate.
  void add_local_address(TimePoint now, const Address& address);
  /// An address under which the world reaches our socket (`--public-address`): a server-reflexive candidate whose base
  /// is the host address `base`.
  void add_public_address(TimePoint now, const Address& address, const Address& base);
  /// A STUN server to ask for our reflexive address, from every host address of its family.
  void add_stun_server(TimePoint now, const Address& server);
  /// No more local addresses or servers follow; GatheringDone comes when the last server answered or was given up.
  /// What is added later all the same is kept: checks may use it, and it is signalled with the next restart.
  void end_of_local_addresses(TimePoint now);
  /// An address on a relay, from the server at `server_ip`, which sees us as `mapped`: a relayed candidate that is its
  /// own base (RFC 8445 5.1.1.2). May come at any time; announced and paired at once. Datagrams of its pairs leave and
  /// arrive with it as `path.local`: who drives the agent puts them through the relay.
  void add_relayed_address(TimePoint now, const Address& relayed, const Address& mapped, const IpAddress& server_ip);
  /// That interface or relay is gone, with all candidates of that base. If the selected path was one of them it is lost
  /// at once; another valid pair takes over if there is one, else what may work is checked again.
  void remove_local_address(TimePoint now, const Address& address);
  /// The relay refuses that peer: the pair fails, and nothing else.
  void fail_path(TimePoint now, const Path& path);

  /// Begins an ICE restart (RFC 8445 9): new local_credentials(), known candidates announced again under the new ufrag,
  /// servers asked again; set_remote() with the peer's new credentials lets its checks begin. The old path is used
  /// until the new generation has selected one and heard of the peer. Ends in RestartDone or RestartFailed, or in
  /// cancel_restart(). A restart that runs already is replaced. Does nothing before the first set_remote().
  void restart(TimePoint now);
  /// Takes back a restart that runs, as if it had failed, without RestartFailed.
  void cancel_restart(TimePoint now);
  [[nodiscard]] bool is_restarting() const;

  /// The peer's credentials, pacing (`a=ice-pacing`, if given) and whether it is lite (then we control). Checks start
  /// from here. Requests that came before were answered at once; now they trigger checks (RFC 8445 7.3). Only the first
  /// call of each generation counts. Credentials longer than RFC 8839 5.4 allows end in Failed, or RestartFailed.
  void set_remote(TimePoint now, const Credentials& credentials, std::optional<Duration> pacing, bool lite);
  /// Candidates with names, of TCP or of a stale ufrag are dropped and counted. One without a ufrag is taken for the
  /// newest generation's.
  void add_remote_candidate(TimePoint now, const Candidate& candidate);
  /// Of the newest generation's.
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
  /// about the way back, but what DTLS answers goes to selected_path().) Paths of the generation before a restart stay
  /// so for a while: the peer may leave them later than we do.
  [[nodiscard]] bool is_validated(const Path& path) const;
  /// Smoothed round trip of the selected pair's checks, if there was one.
  [[nodiscard]] std::optional<Duration> round_trip() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::ice
