// What a client is made of. client.cpp: commands, flows and time; receiving.cpp: what arrives, and whether it is to be
// believed; allocation.cpp: what becomes of the allocation; peer_requests.cpp: what becomes of permissions and
// channels.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turn/client.hpp"
#include "turn/framing.hpp"
#include "turn/login.hpp"
#include "turn/peers.hpp"
#include "turn/stream_framing.hpp"
#include "turn/transactions.hpp"

namespace isotube::turn {

class Client::Impl {
 public:
  Impl(const Settings& settings, Server server, Random random);

  void allocate(TimePoint now);
  void verify(TimePoint now);
  void release(TimePoint now);

  void flow_opened(TimePoint now, FlowId flow);
  void flow_failed(TimePoint now, FlowId flow, std::string reason);
  void handle_bytes(TimePoint now, FlowId flow, ByteView bytes);
  std::optional<Received> poll_received();

  std::size_t header_size(const Address& peer) const;
  std::size_t frame(TimePoint now, const Address& peer, MutableByteView out, std::size_t payload_size);
  std::optional<FlowId> flow() const;

  void handle_timeout(TimePoint now);
  std::optional<Transmit> poll_transmit();
  std::optional<Event> poll_event();
  TimePoint next_timeout() const;

  State state() const { return state_; }
  const Server& server() const { return server_; }
  std::optional<Address> relayed() const;
  const Counters& counters() const { return counters_; }

 private:
  struct Flow {
    FlowId id = 0;
    bool open = false;
  };

  // client.cpp
  void open_flow(TimePoint now);
  void close_flow();
  void begin(TimePoint now, const Question& question);
  void ask_again(TimePoint now, Transaction& transaction);
  void send(TimePoint now, const Bytes& message);
  void step(TimePoint now, Transaction& due);
  void step_allocated(TimePoint now);
  void keep_alive(TimePoint now);
  [[nodiscard]] bool is_stream() const { return server_.transport != Transport::Udp; }
  [[nodiscard]] TurnError error_of(stun::Method method, Cause cause) const;
  /// Says that a transaction ended for good.
  void report(TurnError error);

  // receiving.cpp
  void fail_stream();
  void handle_message(TimePoint now, ByteView message);
  void handle_channel_data(ByteView message);
  void handle_data_indication(const stun::MessageView& message);
  void handle_answer(TimePoint now, const stun::MessageView& answer);
  void handle_success(TimePoint now, Transaction& found, const stun::MessageView& answer);
  void handle_error(TimePoint now, Transaction& transaction, const stun::MessageView& answer);
  /// Why the answer can't be the server's; nothing if it can.
  [[nodiscard]] std::optional<Cause> find_fault(const Transaction& transaction, const stun::MessageView& answer);
  [[nodiscard]] bool is_usable(const Transaction& transaction, const stun::MessageView& success) const;
  void disbelieve(TimePoint now, Transaction& transaction, const stun::MessageView& answer, Cause cause);
  void handle_challenge(TimePoint now, Transaction& transaction, const stun::MessageView& answer);
  void handle_stale_nonce(TimePoint now, Transaction& transaction, const stun::MessageView& answer);
  /// True if the question can be asked again; the transaction goes on or has ended otherwise.
  [[nodiscard]] bool take_challenge(TimePoint now, Transaction& transaction, const stun::MessageView& answer);
  [[nodiscard]] TurnError refused_by(const Transaction& transaction, const stun::MessageView& answer) const;
  /// For silence, or nothing better.
  [[nodiscard]] TurnError unanswered(const Transaction& transaction) const;
  /// Ends the transaction without the answer that it wants.
  void give_up(TimePoint now, const Transaction& found, TurnError error);
  void drop_bytes(std::size_t count) { counters_.bytes_dropped += count; }

  // allocation.cpp
  void allocated(TimePoint now, const Transaction& transaction, const stun::MessageView& answer);
  void set_lifetime(TimePoint now, const Transaction& transaction, const stun::MessageView& answer);
  void allocate_ended(TurnError error);
  void refresh_ended(TimePoint now, const Transaction& transaction, TurnError error);
  void release_ended(TurnError error);
  /// Nothing if the Allocate goes on elsewhere; else what it ends for.
  [[nodiscard]] std::optional<Cause> try_alternate(TimePoint now, const stun::MessageView& answer);
  [[nodiscard]] std::optional<Cause> try_new_port(TimePoint now);
  void begin_refresh(TimePoint now);
  /// A Refresh now, whose silence is taken for loss.
  void verify_soon(TimePoint now);
  [[nodiscard]] static bool is_login_refused(int code);
  void lose_allocation();
  void finish_release();

  // peer_requests.cpp
  [[nodiscard]] const Peer* use_peer(TimePoint now, const Address& peer);
  void begin_due(TimePoint now, Timing timing = Timing::WhenDue);
  void peer_request_ended(TimePoint now, const Question& question, TurnError error);
  void peer_refused(TimePoint now, const Question& question, TurnError error);
  void refuse(const Question& question, int code);

  Settings settings_;
  /// As it was configured; server_ is where the flow leads.
  Server home_;
  Server server_;
  Login login_;
  Transactions transactions_;
  Peers peers_;
  StreamFraming stream_;
  Counters counters_;

  State state_ = State::Idle;
  std::optional<Flow> flow_;
  FlowId last_flow_ = 0;
  /// Until when the flow has to be open.
  TimePoint opening_ends_ = kNever;
  /// Local ports given up for 437 in this allocation.
  int ports_given_up_ = 0;
  /// Servers asked in this allocation.
  std::vector<Address> asked_;

  Address relayed_;
  Duration granted_{};
  TimePoint expires_ = kNever;
  TimePoint refresh_at_ = kNever;
  Duration refresh_slack_{};
  TimePoint release_ends_ = kNever;
  /// The server no longer takes user and password: what it granted runs out (row T8 of the fault matrix).
  bool credentials_ended_ = false;
  TimePoint last_sent_{};

  /// Ids of Send indications: nobody answers them, so they are counted, not drawn, which allocates nothing.
  stun::TransactionId indication_id_;
  std::uint32_t indications_ = 0;

  std::deque<Transmit> transmits_;
  std::deque<Event> events_;
  std::vector<Received> received_;
  std::size_t received_given_ = 0;
};

}  // namespace isotube::turn
