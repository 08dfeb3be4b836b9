// Carries TCP streams through one tunnel session: data, credit, half close and errors, both ways.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/resolver.hpp"
#include "tube/dial.hpp"
#include "tube/status.hpp"
#include "tube/stream.hpp"
#include "tube/tube.hpp"
#include "tunnel/session.hpp"
#include "webrtc/peer_connection.hpp"

namespace isotube::tube {

/// Everything is called within a turn of the peer connection; what its sockets report begins a turn. It polls nothing:
/// a stream is looked at when its socket, its credit or the room in the data channel changed.
///
/// Ownership: one tube's. Holds the peer connection weakly and must die before it, for its buffers lie in its pool.
class Relay : public std::enable_shared_from_this<Relay> {
 public:
  struct Settings {
    tunnel::Settings session;
    std::shared_ptr<const TargetPolicy> policy;
    Duration connect_timeout{};
  };
  struct Observer {
    std::function<void(const Stream&, CloseReason, const std::string& message)> connection_ended;
    /// The session is over: the peer connection is to be closed.
    std::function<void(TimePoint, CloseReason, const std::string& message)> tube_closed;
    /// All connections of a draining tube have ended: time to close it.
    std::function<void(TimePoint)> drained;
  };

  Relay(webrtc::PeerConnection& connection, Settings settings, tunnel::Side side, Status& status, Observer observer);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void handle_channel_open(TimePoint now, datachannel::ChannelId channel, std::string_view label);
  void handle_channel_closed(TimePoint now, datachannel::ChannelId channel);
  void handle_message(TimePoint now, datachannel::Message message);

  /// As opener. Waits for the first data channel if there is none yet.
  void forward(TimePoint now, Stream::Socket socket, std::optional<Target> target);
  void close_tube(TimePoint now, CloseReason reason, std::string_view message);
  void drain(TimePoint now, Duration limit);
  /// Ends what is left when the tube is gone: sockets are reset, records written.
  void abandon(TimePoint now, CloseReason reason, const std::string& message);

  /// Moves whatever can move.
  void handle_turn(TimePoint now);
  [[nodiscard]] TimePoint next_timeout() const;

 private:
  using StreamPointer = std::shared_ptr<Stream>;
  using Step = void (Relay::*)(TimePoint, const StreamPointer&);
  struct Waiting {
    Stream::Socket socket;
    std::optional<Target> target;
  };

  // relay.cpp: what the session says
  bool handle_session_events(TimePoint now);
  void handle(TimePoint now, tunnel::OpenRequested& event);
  void handle(TimePoint now, tunnel::ConnectionOpened& event);
  void handle(TimePoint now, tunnel::Data& event);
  void handle(TimePoint now, tunnel::Eof& event);
  void handle(TimePoint now, tunnel::Writable& event);
  void handle(TimePoint now, tunnel::ConnectionClosed& event);
  void handle(TimePoint now, tunnel::PongReceived& event);
  void handle(TimePoint now, tunnel::RestartNeeded& event);
  void handle(TimePoint now, tunnel::TubeClosed& event);
  void dialed(TimePoint now, const StreamPointer& stream, Dial::Result result);
  void open_waiting(TimePoint now);
  void open(TimePoint now, Stream::Socket socket, const std::optional<Target>& target);
  void refuse(TimePoint now, Stream::Socket socket, const std::optional<Target>& target, CloseReason reason,
              const std::string& message);
  void refuse_waiting(TimePoint now, CloseReason reason, const std::string& message);
  void check_drain(TimePoint now);
  void send_messages(TimePoint now);
  [[nodiscard]] std::size_t buffered() const;
  [[nodiscard]] StreamPointer find(frame::ConnNo conn_no) const;
  void add(const StreamPointer& stream);
  void end(StreamPointer stream, CloseReason reason, const std::string& message);

  // relay_io.cpp: what sockets say
  void start(const StreamPointer& stream);
  bool write_streams(TimePoint now);
  void write_stream(TimePoint now, const StreamPointer& stream);
  void write_broke(TimePoint now, const StreamPointer& stream, const boost::system::error_code& error);
  void want_write(const StreamPointer& stream);
  bool read_streams(TimePoint now);
  std::size_t read_stream(TimePoint now, const StreamPointer& stream);
  void read_ended(TimePoint now, const StreamPointer& stream, const Stream::Result& result);
  void queue_read(const StreamPointer& stream);
  void wait(const StreamPointer& stream, Stream::Socket::wait_type what, Step then);
  void on_readable(TimePoint now, const StreamPointer& stream);
  void on_writable(TimePoint now, const StreamPointer& stream);
  /// `buffer`, or what it holds in one that fits better.
  [[nodiscard]] Buffer fitting(Buffer buffer);
  void count_up_or_down(const Stream& stream, std::size_t read, std::size_t written);

  webrtc::PeerConnection& connection_;
  std::weak_ptr<webrtc::PeerConnection> weak_connection_;
  std::shared_ptr<const TargetPolicy> policy_;
  Duration connect_timeout_;
  std::size_t max_waiting_;
  Status& status_;
  Observer observer_;
  runtime::Resolver resolver_;
  tunnel::Session session_;
  std::set<datachannel::ChannelId> channels_;
  std::map<frame::ConnNo, StreamPointer> streams_;
  std::deque<StreamPointer> to_read_;
  std::vector<StreamPointer> to_write_;
  std::deque<Waiting> waiting_;
  std::optional<tunnel::Transmit> unsent_;
  std::optional<TimePoint> drain_until_;
  TimePoint next_drain_check_ = kNever;
  std::size_t read_in_turn_ = 0;
  bool had_channel_ = false;
  bool over_ = false;
};

}  // namespace isotube::tube
