// The insides of a session. Its functions are in files by subject: tube.cpp (channels, Hello, the tube's end),
// receive.cpp and receive_connection.cpp (what the peer sends), commands.cpp (what the driver asks for),
// connections.cpp (a connection's steps).
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel/connection.hpp"
#include "tunnel/outbox.hpp"
#include "tunnel/session.hpp"

namespace isotube::tunnel {

class Session::Impl {
 public:
  Impl(Settings settings, Side side, BufferPool& pool);

  void handle_channel_open(TimePoint now, ChannelId channel, std::string_view label);
  void handle_channel_closed(ChannelId channel);
  void handle_message(TimePoint now, ChannelId channel, Buffer message);
  void handle_text_message(TimePoint now, ChannelId channel);
  void handle_timeout(TimePoint now);
  void set_unix_ms(std::uint64_t unix_ms) { unix_ms_ = unix_ms; }

  [[nodiscard]] std::expected<ConnNo, OpenError> open(const std::optional<Target>& target);
  void accept(ConnNo conn_no);
  [[nodiscard]] std::size_t writable(ConnNo conn_no) const;
  void write(ConnNo conn_no, Buffer payload);
  void write_eof(ConnNo conn_no);
  void consumed(ConnNo conn_no, std::size_t bytes);
  void delivered_eof(ConnNo conn_no);
  void close(ConnNo conn_no, CloseReason reason, std::string_view message);
  void ping(ConnNo conn_no, ByteView echo);
  void request_restart();
  void close_tube(TimePoint now, CloseReason reason, std::string_view message);

  [[nodiscard]] std::optional<Transmit> poll_transmit() { return outbox_.pop(); }
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const { return state_ == State::Draining ? drain_until_ : kNever; }
  [[nodiscard]] std::size_t connections() const { return live_; }
  [[nodiscard]] std::size_t numbers_in_use() const { return connections_.size(); }
  [[nodiscard]] PeerHello peer_hello() const { return peer_hello_; }
  [[nodiscard]] std::optional<ChannelId> channel_of(ConnNo conn_no) const;
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  /// Open → Draining → Closed; Open → Closed.
  enum class State : std::uint8_t { Open, Draining, Closed };

  struct Channel {
    ChannelId id;
    ChannelKind kind;
  };
  using Connections = std::map<ConnNo, Connection>;
  using Entry = Connections::iterator;
  /// An error says how the peer broke the protocol.
  using Verdict = std::expected<void, std::string_view>;

  // tube.cpp
  [[nodiscard]] const Channel* find_channel(ChannelId channel) const;
  [[nodiscard]] const Channel* first_channel(ChannelKind kind) const;
  /// Where a frame goes that may overtake data: `control` if there is one, or `channel`.
  [[nodiscard]] Channel overtaking(ChannelId channel) const;
  void send(const Channel& channel, const frame::Control& control);
  void send_close(const Channel& channel, ConnNo conn_no, CloseReason reason, std::string_view message);
  void finish_tube(CloseReason reason, std::string_view message);
  void end_all_connections(CloseReason reason, std::string_view message);
  [[nodiscard]] bool credit_counts() const;

  // receive.cpp
  [[nodiscard]] Verdict process(const Channel& channel, Buffer& message);
  [[nodiscard]] Verdict receive_control(const Channel& channel, ByteView payload);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::Hello& hello);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::Ping& ping);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::Pong& pong);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::RestartNeeded& restart);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::UnknownControl& unknown);
  void learn_of_hello(PeerHello hello, bool credit);

  // receive_connection.cpp
  [[nodiscard]] Verdict receive_data(const Channel& channel, const frame::Frame& frame, Buffer* whole);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::OpenConnection& open);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::ConnectionOpened& opened);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::SendEof& eof);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::WindowUpdate& update);
  [[nodiscard]] Verdict receive(const Channel& channel, const frame::CloseConnection& close);
  void receive_close(const Channel& channel, Entry entry, const frame::CloseConnection& close);
  void refuse(const Channel& channel, ConnNo conn_no, CloseReason reason, std::string_view message);
  /// The record of `conn_no`, or the end (counted); an error if the frame came on a channel where it may not.
  [[nodiscard]] std::expected<Entry, std::string_view> known(const Channel& channel, ConnNo conn_no);
  /// Whether what comes for it is for anybody, rather than discarded.
  [[nodiscard]] bool may_receive(Entry entry) const;
  /// Why data or SendEOF now breaks the connection's rules, if it does.
  [[nodiscard]] std::optional<std::string_view> out_of_turn(Entry entry) const;
  /// `whole` is the message, if the frame ends it: worth keeping as it is, if it is not much more than the payload.
  void deliver(ConnNo conn_no, ByteView payload, Buffer* whole);

  // connections.cpp
  Entry add_connection(ConnNo conn_no, ChannelId channel, Opener opener);
  [[nodiscard]] bool over_budget() const;
  [[nodiscard]] bool numbers_exhausted() const;
  [[nodiscard]] std::optional<ConnNo> free_number();
  [[nodiscard]] Channel data_channel_of(const Connection& connection) const;
  void grant_if_due(Entry entry);
  void finish_if_done(Entry entry);
  /// CloseConnection was sent and received: tells the driver if it does not know, and frees the number.
  void end(Entry entry, CloseReason reason, std::string_view message);
  /// Our CloseConnection goes out (unless it did) and the driver is told; the number stays in use.
  void abort(Entry entry, CloseReason reason, std::string_view message);
  void tell_end(Entry entry, CloseReason reason, std::string_view message);

  Settings settings_;
  Side side_;
  BufferPool& pool_;
  State state_ = State::Open;
  std::uint64_t unix_ms_ = 0;
  TimePoint drain_until_ = kNever;
  CloseReason tube_reason_ = CloseReason::Normal;
  std::string tube_message_;

  std::vector<Channel> channels_;  ///< in the order in which they opened
  bool hello_sent_ = false;
  bool had_control_channel_ = false;
  PeerHello peer_hello_ = PeerHello::Awaited;
  bool peer_credit_ = false;
  std::size_t pings_unanswered_ = 0;

  Connections connections_;
  std::size_t live_ = 0;
  std::uint64_t unconsumed_ = 0;  ///< of all live connections
  std::uint32_t next_number_;
  bool numbers_wrapped_ = false;

  Outbox outbox_;
  std::deque<Event> events_;
  Counters counters_;
};

}  // namespace isotube::tunnel
