// The layers of one peer and what flows between them: private to this folder.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "peer/peer.hpp"
#include "peer/relays.hpp"

namespace isotube::peer {

class Peer::Impl {
 public:
  Impl(const Settings& settings, const Random& random, BufferPool& pool, dtls::Certificate certificate);

  // Negotiation (negotiation.cpp).
  sdp::Description create_offer(TimePoint now);
  std::expected<void, DescriptionError> set_answer(TimePoint now, const sdp::Description& answer);
  std::expected<sdp::Description, DescriptionError> accept_offer(TimePoint now, const sdp::Description& offer);

  // ICE restarts (restart.cpp).
  std::expected<sdp::Fragment, DescriptionError> restart_offer(TimePoint now);
  std::expected<void, DescriptionError> set_restart_answer(TimePoint now, const sdp::Fragment& answer);
  std::expected<sdp::Fragment, DescriptionError> accept_restart(TimePoint now, const sdp::Fragment& offer);
  void cancel_restart(TimePoint now);
  void add_remote_candidates(TimePoint now, const sdp::Fragment& fragment);
  sdp::Fragment local_fragment() const;
  const ice::Credentials& remote_ice_credentials() const { return signalled_.remote; }

  // Input (stack.cpp).
  void handle_datagram(TimePoint now, const Path& path, ByteView datagram);
  void handle_timeout(TimePoint now);
  void close(TimePoint now);
  /// Moves what one layer has for another until nothing moves: called after every change.
  void pump(TimePoint now);

  // Relays (relaying.cpp).
  Relays& relays() { return relays_; }
  void allocate_relay(TimePoint now, RelayId relay);
  void handle_flow_bytes(TimePoint now, FlowId flow, ByteView bytes);
  std::optional<FlowId> selected_flow() const;
  void end_of_local_addresses(TimePoint now);
  bool uses_direct_paths() const { return settings_.ice_policy == IcePolicy::All; }

  // Output (transmit.cpp).
  bool poll_transmit(TimePoint now, TransmitBatch& batch);
  TimePoint next_timeout() const;
  bool finished() const;

  ice::Agent& agent() { return agent_; }
  const ice::Agent& agent() const { return agent_; }
  /// Null until DTLS is up, and after the end.
  datachannel::Channels* channels() { return channels_ ? &*channels_ : nullptr; }
  const datachannel::Channels* channels() const { return channels_ ? &*channels_ : nullptr; }
  const sctp::Association* association() const { return association_ ? &*association_ : nullptr; }
  std::deque<Event>& events() { return events_; }
  State state() const { return state_; }
  const Counters& counters() const { return counters_; }
  std::size_t max_outgoing_message() const;

 private:
  /// A datagram made by DTLS, or one that did not fit into its batch.
  using Queue = std::deque<Bytes>;

  /// What was signalled of one ICE generation.
  struct Signalled {
    std::vector<ice::Candidate> local_candidates;
    bool gathering_done = false;
    ice::Credentials remote;
  };
  /// An ICE restart under way.
  struct Restart {
    /// What holds again if it fails.
    Signalled before;
    /// For an offer of ours that waits for its answer.
    TimePoint answer_due = kNever;

    [[nodiscard]] bool waits_for_answer() const { return answer_due != kNever; }
  };

  /// `description` with what this peer is: its credentials, certificate, candidates and limits.
  sdp::Description described(sdp::Description description) const;
  std::optional<DescriptionError> check(const sdp::Description& remote) const;
  void apply_remote(TimePoint now, const sdp::Description& remote, dtls::Role role);

  bool may_restart() const;
  void begin_restart(TimePoint now);
  void apply_restart(TimePoint now, const sdp::Fragment& remote);
  void give_up_restart(RestartFailed::Cause cause);
  void expire_restart(TimePoint now);

  void handle_dtls(TimePoint now, const Path& path, ByteView datagram);
  void start_dtls(TimePoint now);
  void start_sctp(TimePoint now);

  void take_datagram(TimePoint now, const Path& path, ByteView datagram);
  /// pump() without the relays: for as long as a relay's received bytes are looked at.
  void pump_stack(TimePoint now);
  bool pump_ice(TimePoint now);
  bool pump_dtls(TimePoint now);
  bool pump_sctp(TimePoint now);
  bool pump_channels();
  bool pump_relays(TimePoint now);
  void on_relay(TimePoint now, const RelayAllocated& event);
  void on_relay(TimePoint now, const RelayLost& event);
  void on_relay(TimePoint now, const Relays::PathRefused& event);
  template <typename Other>
  void on_relay(TimePoint /*now*/, const Other& event) {
    events_.push_back(event);
  }

  void on_ice_state(TimePoint now, ice::State state);
  void on_sctp_closed(TimePoint now, const sctp::Closed& closed);
  void enter(State state);
  void finish(TimePoint now, CloseReason reason, std::string detail);

  bool fill_from_relays(TransmitBatch& batch);
  bool fill_from_checks(TimePoint now, TransmitBatch& batch);
  bool fill_from_queue(TimePoint now, Queue& queue, const Path& path, TransmitBatch& batch);
  bool fill_from_sctp(TimePoint now, const Path& path, TransmitBatch& batch);
  void begin(const Path& path, TransmitBatch& batch);
  bool append(TimePoint now, ByteView datagram, TransmitBatch& batch);
  bool takes(std::size_t largest_datagram, const TransmitBatch& batch) const;
  bool commit(TimePoint now, std::size_t length, TransmitBatch& batch);
  std::size_t seal_next_packet(TimePoint now, MutableByteView out);

  Settings settings_;
  BufferPool& pool_;
  Random sctp_random_;
  std::uint64_t session_id_;
  dtls::Certificate certificate_;
  State state_ = State::New;

  ice::Agent agent_;
  Relays relays_;
  bool locals_ended_ = false;
  /// ICE was told so.
  bool gathering_ended_ = false;
  /// A relayed path whose consent went unanswered: its relay is to be asked.
  std::optional<Path> doubtful_path_;
  bool relays_released_ = false;
  std::string mid_;
  Signalled signalled_;
  std::optional<Restart> restart_;
  std::optional<Duration> remote_pacing_;
  bool remote_lite_ = false;
  /// Candidates found from now on are not in our description: they are signalled by events.
  bool described_ = false;
  std::optional<sdp::Type> local_type_;

  std::optional<dtls::Session> dtls_;
  /// DTLS datagrams that came before their path was validated: one flight, kept because the peer may see the path
  /// valid half a round trip before us, and repeating it costs a timer.
  std::vector<std::pair<Path, Bytes>> early_flight_;
  std::optional<Path> last_path_;

  std::optional<sctp::Association> association_;
  std::optional<datachannel::Channels> channels_;
  std::uint16_t remote_sctp_port_ = 0;
  std::size_t peer_max_message_ = 0;

  Queue handshake_queue_;
  Queue carried_over_;
  std::deque<Event> events_;
  Counters counters_;
};

}  // namespace isotube::peer
