// Resetting streams (RFC 6525), which is how data channels close (RFC 8831 6.7). One request of each side is under way
// at most; others wait.
#include <algorithm>
#include <utility>

#include "sctp/state.hpp"

namespace isotube::sctp {

bool Association::Impl::is_resetting(StreamId stream) const {
  const bool waits = std::ranges::find(resets_wanted_, stream) != resets_wanted_.end();
  return waits || (reset_in_progress_ &&
                   std::ranges::find(reset_in_progress_->streams, stream) != reset_in_progress_->streams.end());
}

void Association::Impl::reset_streams(std::span<const StreamId> streams) {
  if (finished_) return;
  for (const StreamId stream : streams) {
    if (!is_resetting(stream)) resets_wanted_.push_back(stream);
  }
}

/// Asks for what is wanted and whose data has all been sent: the peer waits for the last TSN before it resets.
void Association::Impl::send_reset_when_due(TimePoint now) {
  if (resets_wanted_.empty() || reset_in_progress_ || state_ != State::Established) return;
  if (!peer_extensions_.stream_reset) {
    events_.push_back(OutgoingResetRefused{std::exchange(resets_wanted_, {})});
    return;
  }
  OutgoingResetRequest request;
  for (const StreamId stream : resets_wanted_) {
    if (queue_.is_cut(stream)) request.streams.push_back(stream);
  }
  // A request fits into one packet.
  constexpr std::size_t kOverhead = kPacketHeaderSize + kChunkHeaderSize + 16;
  request.streams.resize(std::min(request.streams.size(), (settings_.max_packet - kOverhead) / 2));
  if (request.streams.empty()) return;
  std::erase_if(resets_wanted_,
                [&](StreamId stream) { return std::ranges::find(request.streams, stream) != request.streams.end(); });
  request.request = next_request_++;
  request.response = expected_request_ - 1;
  request.last_tsn = static_cast<std::uint32_t>(outstanding_->next_tsn() - 1);
  control(make_outgoing_reset(request));
  reset_in_progress_ = std::move(request);
  start(Timer::Reconfig, now + round_trip_.rto());
}

void Association::Impl::on_reconfig(ByteView value) {
  const auto parameters = parse_reconfig(value);
  if (!parameters) {
    ++counters_.packets_dropped;
    return;
  }
  for (const ReconfigParameter& each : *parameters) {
    if (const auto* request = std::get_if<OutgoingResetRequest>(&each)) {
      on_outgoing_reset(*request);
    } else if (const auto* response = std::get_if<ReconfigResponse>(&each)) {
      on_reconfig_response(*response);
    } else {
      // Data channels need nothing else (RFC 8831 6.7).
      const std::uint32_t number = std::get<OtherReconfigRequest>(each).request;
      if (number == expected_request_) {
        ++expected_request_;
        last_result_ = reconfig_result::kDenied;
      }
      control(make_reconfig_response({number, reconfig_result::kDenied}));
    }
  }
}

void Association::Impl::on_outgoing_reset(const OutgoingResetRequest& request) {
  // Its repeats are answered when it is done: a request that waits for data has not failed, and one answer for each
  // request keeps the peer from asking twice.
  if (deferred_reset_ && deferred_reset_->request == request.request) return;
  if (request.request == expected_request_ - 1) {
    return control(make_reconfig_response({request.request, last_result_}));
  }
  if (request.request != expected_request_ || deferred_reset_) {
    return control(make_reconfig_response({request.request, reconfig_result::kBadSequenceNumber}));
  }
  ++expected_request_;
  deferred_reset_ = request;
  perform_deferred_reset();
}

/// RFC 6525 5.2.2 E: not before everything that was sent before the reset has come.
void Association::Impl::perform_deferred_reset() {
  if (!deferred_reset_ || received_->unwrap(deferred_reset_->last_tsn) > received_->cumulative()) return;
  OutgoingResetRequest request = *std::exchange(deferred_reset_, std::nullopt);
  reassembly_->reset(request.streams);
  last_result_ = reconfig_result::kPerformed;
  control(make_reconfig_response({request.request, last_result_}));
  events_.push_back(IncomingStreamsReset{std::move(request.streams)});
}

void Association::Impl::on_reconfig_response(const ReconfigResponse& response) {
  if (!reset_in_progress_ || response.response != reset_in_progress_->request) return;
  unanswered_ = 0;
  stop(Timer::Reconfig);
  OutgoingResetRequest request = *std::exchange(reset_in_progress_, std::nullopt);
  switch (response.result) {
    case reconfig_result::kNothingToDo:
    case reconfig_result::kPerformed:
      for (const StreamId stream : request.streams) queue_.restart_numbers(stream);
      events_.push_back(OutgoingStreamsReset{std::move(request.streams)});
      return;
    case reconfig_result::kInProgress:
      // The peer waits for data of ours: asked again under a new number (a repeat would get the same answer).
      resets_wanted_.insert(resets_wanted_.begin(), request.streams.begin(), request.streams.end());
      return;
    default:
      events_.push_back(OutgoingResetRefused{std::move(request.streams)});
  }
}

}  // namespace isotube::sctp
