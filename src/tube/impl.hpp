// The insides of a tube: its peer connection, its relay, and its steps from New to Closed.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tube/relay.hpp"
#include "tube/status.hpp"
#include "tube/tube.hpp"
#include "webrtc/peer_connection.hpp"

namespace isotube::tube {

/// Everything but what is marked otherwise runs on the strand. It lives until it is closed: an anchor in the io_context
/// holds it, so that a tube whose owner let it go still says goodbye.
class Tube::Impl : public webrtc::PeerConnection::Handler, public std::enable_shared_from_this<Impl> {
 public:
  using DescriptionResult = std::expected<sdp::Description, SignalError>;
  using Done = std::expected<void, SignalError>;

  /// From any thread, as is what is const.
  Impl(runtime::Strand strand, Config config, Observer observer);
  void start();

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const runtime::Strand& strand() const { return strand_; }
  [[nodiscard]] const std::string& ice_generation() const { return ice_generation_; }
  [[nodiscard]] Snapshot snapshot() const;

  [[nodiscard]] boost::asio::awaitable<DescriptionResult> answer(sdp::Description offer, Duration gather_for);
  [[nodiscard]] boost::asio::awaitable<DescriptionResult> offer(Duration gather_for);
  [[nodiscard]] boost::asio::awaitable<Done> set_answer(sdp::Description answer);
  [[nodiscard]] boost::asio::awaitable<Done> add_remote(sdp::Fragment fragment);

  void forward(boost::asio::ip::tcp::socket socket, std::optional<Target> target);
  void close(CloseReason reason, std::string message);
  void drain(Duration limit);

 private:
  struct End {
    CloseReason reason;
    std::string message;
  };

  void handle_event(TimePoint now, peer::Event event) override;
  void handle_turn(TimePoint now) override;
  [[nodiscard]] TimePoint next_timeout() const override;
  void handle_stopped() override;
  void handle_failure(std::exception_ptr failure) noexcept override;

  void handle(TimePoint now, peer::StateChanged& event);
  void handle(TimePoint now, peer::LocalCandidate& event);
  void handle(TimePoint now, peer::GatheringDone& event);
  void handle(TimePoint now, peer::PathSelected& event);
  void handle(TimePoint now, peer::RelayFailed& event);
  /// The connection has attended to these.
  void handle(TimePoint, peer::OpenFlow&) {}
  void handle(TimePoint, peer::CloseFlow&) {}
  void handle(TimePoint, peer::RelayAllocated&) {}
  void handle(TimePoint, peer::RelayLost&) {}
  void handle(TimePoint, peer::ConsentUnanswered&) {}
  void handle(TimePoint, peer::RestartDone&) {}
  void handle(TimePoint, peer::RestartFailed&) {}
  void handle(TimePoint now, datachannel::Opened& event);
  void handle(TimePoint now, datachannel::OpenedByPeer& event);
  void handle(TimePoint now, datachannel::Message& event);
  void handle(TimePoint now, datachannel::BufferedAmountLow& event);
  void handle(TimePoint now, datachannel::Closed& event);
  void handle(TimePoint now, peer::Closed& event);

  [[nodiscard]] DescriptionResult describe_answer(TimePoint now, const sdp::Description& offer);
  [[nodiscard]] DescriptionResult describe_offer(TimePoint now);
  [[nodiscard]] Done accept_answer(TimePoint now, const sdp::Description& answer);
  [[nodiscard]] Done accept_fragment(TimePoint now, const sdp::Fragment& fragment);
  [[nodiscard]] boost::asio::awaitable<void> gathered(Duration limit);
  void complete(sdp::Description& description) const;
  void make_relay(tunnel::Side side);
  void open_own_channel(TimePoint now);
  void channel_opened(TimePoint now, datachannel::ChannelId channel, std::string_view label);

  [[nodiscard]] bool ending() const { return own_end_ || session_end_ || peer_end_; }
  [[nodiscard]] End cause() const;
  void enter(State state);
  void begin_close(TimePoint now, CloseReason reason, std::string message);
  void finish(CloseReason reason, const std::string& message) noexcept;
  void record(const Stream& stream, CloseReason reason, const std::string& message);

  const Config config_;
  runtime::Strand strand_;
  const TimePoint created_;
  Status status_;
  Observer observer_;
  /// Before all that holds buffers of its pool.
  std::shared_ptr<webrtc::PeerConnection> connection_;
  std::string ice_generation_;
  std::string channel_label_;
  std::shared_ptr<Relay> relay_;
  boost::asio::steady_timer anchor_;
  boost::asio::steady_timer gathering_;
  std::vector<ice::Candidate> late_candidates_;
  std::optional<datachannel::ChannelId> own_channel_;
  std::string remote_ufrag_;
  std::optional<tunnel::Side> side_;
  /// Why we close it; why the session says it is over; what became of the peer connection.
  std::optional<End> own_end_;
  std::optional<End> session_end_;
  std::optional<End> peer_end_;
  bool gathering_done_ = false;
  bool described_remote_ = false;
  bool failed_ = false;
  bool finished_ = false;
};

}  // namespace isotube::tube
