// The whole stack of one tube as one machine: ICE, DTLS, SCTP and data channels, driven by datagrams and time.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/buffer.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "datachannel/channels.hpp"
#include "dtls/session.hpp"
#include "ice/agent.hpp"
#include "peer/relay_events.hpp"
#include "peer/transmit_batch.hpp"
#include "sctp/association.hpp"
#include "sdp/description.hpp"

namespace isotube::peer {

/// Which candidates are used (RFC 8828 has the reasons for Relay).
enum class IcePolicy : std::uint8_t { All, Relay };

struct Settings {
  ice::Settings ice;
  /// With Relay no direct datagram is sent but to a TURN server, and none is heard.
  IcePolicy ice_policy = IcePolicy::All;
  turn::Settings turn;
  dtls::Settings dtls;
  sctp::Settings sctp;
  datachannel::Settings datachannel;
  /// A restart that we offered has failed if no answer came for so long.
  Duration restart_answer_timeout = std::chrono::seconds(30);
  /// Largest message that we accept and announce.
  std::size_t max_message_size = 262'144;
};

/// Legal steps: New → Connecting → Connected ⇄ Disconnected → Closed; any → Closed.
enum class State : std::uint8_t { New, Connecting, Connected, Disconnected, Closed };

/// Why a peer closed: the first cause wins.
enum class CloseReason : std::uint8_t { Local, Remote, IceFailed, DtlsFailed, SctpFailed };

struct StateChanged {
  State state;
};
struct LocalCandidate {
  ice::Candidate candidate;
};
struct GatheringDone {};
struct PathSelected {
  Path path;
  ice::CandidateType local_type;
  ice::CandidateType remote_type;
};
/// A consent check went unanswered, the first in a row: what the path goes through may be looked after.
struct ConsentUnanswered {
  Path path;
};
/// An ICE restart has a new path, which PathSelected named before. The old one is not used any more.
struct RestartDone {};
/// An ICE restart came to nothing. All is as it was before it.
struct RestartFailed {
  enum class Cause : std::uint8_t {
    NoAnswer,  ///< our offer was not answered in time
    NoPath,    ///< no path of the new generation works
  };
  Cause cause;
};
/// Sent once; nothing follows it but what flows and relays have to say until finished().
struct Closed {
  CloseReason reason;
  std::string detail;
};
using Event = std::variant<StateChanged, LocalCandidate, GatheringDone, PathSelected, datachannel::Opened,
                           datachannel::OpenedByPeer, datachannel::Message, datachannel::BufferedAmountLow,
                           datachannel::Closed, ConsentUnanswered, RestartDone, RestartFailed, OpenFlow, CloseFlow,
                           RelayAllocated, RelayLost, RelayFailed, Closed>;

enum class DescriptionError : std::uint8_t {
  WrongState,
  NoFingerprint,
  NoCredentials,
  BadSetup,
  Glare,  ///< we offered a restart too, and ours goes before the peer's
};

struct Counters {
  std::uint64_t datagrams_received = 0;
  std::uint64_t datagrams_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  /// Of no known protocol (RFC 7983), or DTLS from a path that no check validated.
  std::uint64_t datagrams_dropped = 0;
};

/// Offering: create_offer(), then set_answer(). Answering: accept_offer() gives the answer. Local addresses may be
/// added before or after; candidates found before the description is made are in it, later ones come as events.
///
/// Call order: mutate, then drain poll_event() and poll_transmit() until both are empty, then sleep until
/// next_timeout(). `now` never goes back.
/// Ownership: belongs to one tube; `pool` must outlive it. Not thread-safe; may move between threads between calls.
class Peer {
 public:
  /// `certificate` is this tube's own, see dtls::Certificate::generate().
  Peer(const Settings& settings, const Random& random, BufferPool& pool, dtls::Certificate certificate);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] sdp::Description create_offer(TimePoint now);
  [[nodiscard]] std::expected<void, DescriptionError> set_answer(TimePoint now, const sdp::Description& answer);
  [[nodiscard]] std::expected<sdp::Description, DescriptionError> accept_offer(TimePoint now,
                                                                               const sdp::Description& offer);
  void add_remote_candidate(TimePoint now, const ice::Candidate& candidate);
  void end_of_remote_candidates(TimePoint now);
  /// What a trickle fragment brings: candidates and perhaps their end, of the generation that its ufrag names. Those of
  /// an older one are dropped (row I6 of the fault matrix).
  void add_remote_candidates(TimePoint now, const sdp::Fragment& fragment);

  void add_local_address(TimePoint now, const Address& address);
  void add_public_address(TimePoint now, const Address& address, const Address& base);
  void add_stun_server(TimePoint now, const Address& server);
  void end_of_local_addresses(TimePoint now);
  /// See ice::Agent.
  void remove_local_address(TimePoint now, const Address& address);
  [[nodiscard]] const ice::Credentials& local_ice_credentials() const;

  /// A TURN server that may be used; nothing is sent to it before allocate_relay(). Nothing if there are too many (8).
  [[nodiscard]] std::optional<RelayId> add_relay(const turn::Server& server);
  /// Asks the server for a relayed address unless it has given one: ends in RelayAllocated, or in RelayFailed and
  /// RelayLost. Whoever counts failures decides when to ask again.
  void allocate_relay(TimePoint now, RelayId relay);
  /// Gives the relayed address back and forgets the server.
  void release_relay(TimePoint now, RelayId relay);
  /// Null once it is forgotten.
  [[nodiscard]] const turn::Client* relay(RelayId relay) const;
  /// The driver's answers to OpenFlow, and what came on a flow: one datagram over UDP, else a piece of the stream.
  void flow_opened(TimePoint now, FlowId flow);
  void flow_failed(TimePoint now, FlowId flow, std::string reason);
  void handle_flow_bytes(TimePoint now, FlowId flow, ByteView bytes);
  /// The flow that the selected path goes through, if it goes through a relay.
  [[nodiscard]] std::optional<FlowId> selected_flow() const;

  /// Begins an ICE restart (RFC 8445 9): new credentials, and the candidates known so far; others follow as events.
  /// DTLS, SCTP and channels go on over the old path until the new one works. Ends in RestartDone or RestartFailed. A
  /// restart that is under way is replaced. Error: WrongState before the peer is known, and when closed.
  [[nodiscard]] std::expected<sdp::Fragment, DescriptionError> restart_offer(TimePoint now);
  /// The answer to the last offer: who signals knows which answer belongs to which, and drops those of replaced ones.
  /// Error: WrongState if no offer of ours waits for it, NoCredentials if it has none or the old ones.
  [[nodiscard]] std::expected<void, DescriptionError> set_restart_answer(TimePoint now, const sdp::Fragment& answer);
  /// The answering side of a restart; gives the answer. If both sides offered one at the same time, that of the tube's
  /// offerer holds: the offerer refuses the other's (Glare), the answerer takes its own back, which then ends as the
  /// peer's does (row I5 of the fault matrix). An offer that was answered already gets the same credentials again: the
  /// peer may have lost the answer.
  [[nodiscard]] std::expected<sdp::Fragment, DescriptionError> accept_restart(TimePoint now,
                                                                              const sdp::Fragment& offer);
  /// Takes back a restart whose offer could not be signalled, or was refused. No event follows.
  void cancel_restart(TimePoint now);
  /// What is to be signalled for the newest generation: credentials, candidates so far, and whether these are all.
  [[nodiscard]] sdp::Fragment local_fragment() const;
  /// The peer's credentials of the newest generation that it has named; a fragment with another ufrag and a pwd is a
  /// restart (RFC 8840 9.2). Empty before its description came.
  [[nodiscard]] const ice::Credentials& remote_ice_credentials() const;

  /// Channels may be opened once Connected (the DTLS role fixes their ids, RFC 8832 6); RoleUnknown before.
  [[nodiscard]] std::expected<datachannel::ChannelId, datachannel::OpenError> open_channel(
      TimePoint now, const datachannel::ChannelConfig& config);
  [[nodiscard]] std::expected<void, datachannel::SendError> send(TimePoint now, datachannel::ChannelId channel,
                                                                 datachannel::MessageKind kind, Buffer&& payload);
  void close_channel(TimePoint now, datachannel::ChannelId channel);
  [[nodiscard]] std::size_t buffered_amount(datachannel::ChannelId channel) const;
  void set_buffered_amount_low_threshold(datachannel::ChannelId channel, std::size_t bytes);
  /// The smaller of what the peer announced and what we can send.
  [[nodiscard]] std::size_t max_outgoing_message() const;

  void handle_datagram(TimePoint now, const Path& path, ByteView datagram);
  void handle_timeout(TimePoint now);
  /// Fills `batch` with the next datagrams; false when there is nothing to send.
  [[nodiscard]] bool poll_transmit(TimePoint now, TransmitBatch& batch);
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;

  /// Tells the other side (SCTP abort and DTLS close_notify) and ends in Closed; then the relays are given back, which
  /// takes 3 s at most. Drive the peer on until finished().
  void close(TimePoint now);
  /// Closed, the farewell was polled, and every relay was given back or given up.
  [[nodiscard]] bool finished() const;

  [[nodiscard]] State state() const;
  [[nodiscard]] std::optional<Path> selected_path() const;
  [[nodiscard]] std::optional<Duration> round_trip() const;
  [[nodiscard]] const Counters& counters() const;
  [[nodiscard]] const ice::Counters& ice_counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isotube::peer
