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
    if (is_usable(stream)) resets_wanted_.push_back(stream);
  }
}

bool Association::Impl::is_usable(StreamId stream) const {
  const bool exists = static_cast<std::uint16_t>(stream) < outgoing_streams_;
  return exists && !is_resetting(stream) && !refused_.contains(stream);
}

void Association::Impl::refuse(std::vector<StreamId> streams) {
  refused_.insert(streams.begin(), streams.end());
  events_.push_back(OutgoingResetRefused{std::move(streams)});
}

/// Asks for what is wanted and whose data has all been sent: the peer waits for the last TSN before it resets.
void Association::Impl::send_reset_when_due(TimePoint now) {
  if (resets_wanted_.empty() || reset_in_progress_ || state_ != State::Established) return;
  if (!peer_extensions_.stream_reset) return refuse(std::exchange(resets_wanted_, {}));
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
  peer_answered_in_progress_ = 0;
  start(Timer::Reconfig, now + round_trip_.rto());
}

void Association::Impl::on_reconfig(TimePoint now, ByteView value) {
  const auto parameters = parse_reconfig(value);
  if (!parameters) {
    ++counters_.packets_dropped;
    return;
  }
  for (const ReconfigParameter& each : *parameters) {
    if (const auto* request = std::get_if<OutgoingResetRequest>(&each)) {
      on_outgoing_reset(*request);
    } else if (const auto* response = std::get_if<ReconfigResponse>(&each)) {
      on_reconfig_response(now, *response);
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
  const auto answer = [this, &request](std::uint32_t result) {
    control(make_reconfig_response({request.request, result}));
  };
  if (request.request == expected_request_ - 1) return answer(last_result_);
  if (request.request != expected_request_) return answer(reconfig_result::kBadSequenceNumber);
  ++expected_request_;
  const auto exists = [this](StreamId stream) { return static_cast<std::uint16_t>(stream) < settings_.streams; };
  if (!std::ranges::all_of(request.streams, exists)) {
    last_result_ = reconfig_result::kDenied;
    return answer(last_result_);
  }
  // A peer whose request had to wait for data may ask again under a new number. When it is done already, it is not done
  // twice: the streams may be in use again.
  const bool asks_again = waited_reset_ && !deferred_reset_ && waited_reset_->last_tsn == request.last_tsn &&
                          waited_reset_->streams == request.streams;
  if (asks_again) {
    last_result_ = reconfig_result::kPerformed;
    return answer(last_result_);
  }
  // While it still waits, it is one request with the new number and the streams of both.
  OutgoingResetRequest merged = request;
  if (deferred_reset_ && !merged.streams.empty()) {
    for (const StreamId stream : deferred_reset_->streams) {
      if (std::ranges::find(merged.streams, stream) == merged.streams.end()) merged.streams.push_back(stream);
    }
    if (deferred_reset_->streams.empty()) merged.streams.clear();
  }
  deferred_reset_ = std::move(merged);
  perform_deferred_reset();
  waited_reset_ = deferred_reset_;
  if (!deferred_reset_) return;
  last_result_ = reconfig_result::kInProgress;
  answer(last_result_);
}

/// RFC 6525 5.2.2 E: not before everything that was sent before the reset has come.
void Association::Impl::perform_deferred_reset() {
  if (!deferred_reset_ || received_->unwrap(deferred_reset_->last_tsn) > received_->cumulative()) return;
  OutgoingResetRequest request = *std::exchange(deferred_reset_, std::nullopt);
  reassembly_->reset(request.streams);
  last_result_ = reconfig_result::kPerformed;
  control(make_reconfig_response({request.request, last_result_}));
  std::vector<StreamId>& streams = request.streams;
  if (streams.empty()) {
    // RFC 6525 4.1: no list means all.
    for (std::uint16_t i = 0; i < settings_.streams; ++i) streams.push_back(StreamId{i});
  }
  events_.push_back(IncomingStreamsReset{std::move(streams)});
}

void Association::Impl::on_reconfig_response(TimePoint now, const ReconfigResponse& response) {
  if (!reset_in_progress_ || response.response != reset_in_progress_->request) return;
  unanswered_ = 0;
  if (response.result == reconfig_result::kInProgress) {
    ++peer_answered_in_progress_;
    return start(Timer::Reconfig, now + round_trip_.rto());
  }
  stop(Timer::Reconfig);
  OutgoingResetRequest request = *std::exchange(reset_in_progress_, std::nullopt);
  const bool done = response.result == reconfig_result::kPerformed || response.result == reconfig_result::kNothingToDo;
  if (!done) return refuse(std::move(request.streams));
  for (const StreamId stream : request.streams) queue_.restart_numbers(stream);
  events_.push_back(OutgoingStreamsReset{std::move(request.streams)});
}

void Association::Impl::on_reconfig_timer(TimePoint now) {
  constexpr int kPatience = 3;
  if (!reset_in_progress_ || give_up_after(settings_.max_retransmissions)) return;
  if (peer_answered_in_progress_ == 0) {
    round_trip_.back_off();
  } else if (peer_answered_in_progress_ >= kPatience) {
    // Most peers answer the old number again when they are done. Some give it the same answer for ever and look at a
    // new number only.
    reset_in_progress_->request = next_request_++;
    peer_answered_in_progress_ = 0;
  }
  control(make_outgoing_reset(*reset_in_progress_));
  start(Timer::Reconfig, now + round_trip_.rto());
}

}  // namespace isotube::sctp
