// A tube's part in signalling: its offer or answer, and what the other side says.
#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tube/impl.hpp"

namespace isotube::tube {
namespace {

namespace asio = boost::asio;

SignalError error_of(peer::DescriptionError error) {
  switch (error) {
    case peer::DescriptionError::WrongState:
    case peer::DescriptionError::Glare:
      return SignalError::WrongState;
    case peer::DescriptionError::NoFingerprint:
    case peer::DescriptionError::NoCredentials:
    case peer::DescriptionError::BadSetup:
      return SignalError::Unusable;
  }
  return SignalError::Unusable;
}

}  // namespace

asio::awaitable<Tube::Impl::DescriptionResult> Tube::Impl::answer(sdp::Description offer, Duration gather_for) {
  const auto self = shared_from_this();
  DescriptionResult result = std::unexpected(SignalError::WrongState);
  if (finished_) co_return result;
  connection_->turn([&](TimePoint now) { result = describe_answer(now, offer); });
  if (!result) co_return result;
  co_await gathered(gather_for);
  if (finished_) co_return std::unexpected(SignalError::WrongState);
  complete(*result);
  co_return result;
}

asio::awaitable<Tube::Impl::DescriptionResult> Tube::Impl::offer(Duration gather_for) {
  const auto self = shared_from_this();
  DescriptionResult result = std::unexpected(SignalError::WrongState);
  if (finished_) co_return result;
  connection_->turn([&](TimePoint now) { result = describe_offer(now); });
  if (!result) co_return result;
  co_await gathered(gather_for);
  if (finished_) co_return std::unexpected(SignalError::WrongState);
  complete(*result);
  co_return result;
}

asio::awaitable<Tube::Impl::Done> Tube::Impl::set_answer(sdp::Description answer) {
  const auto self = shared_from_this();
  Done done = std::unexpected(SignalError::WrongState);
  if (finished_) co_return done;
  connection_->turn([&](TimePoint now) { done = accept_answer(now, answer); });
  co_return done;
}

asio::awaitable<Tube::Impl::Done> Tube::Impl::add_remote(sdp::Fragment fragment) {
  const auto self = shared_from_this();
  Done done = std::unexpected(SignalError::WrongState);
  if (finished_) co_return done;
  connection_->turn([&](TimePoint now) { done = accept_fragment(now, fragment); });
  co_return done;
}

Tube::Impl::DescriptionResult Tube::Impl::describe_answer(TimePoint now, const sdp::Description& offer) {
  if (side_ || ending()) return std::unexpected(SignalError::WrongState);
  // Checked first: an offer that can't work costs no socket.
  if (offer.fingerprints.empty() || offer.ice.ufrag.empty() || offer.ice.pwd.empty()) {
    return std::unexpected(SignalError::Unusable);
  }
  side_ = tunnel::Side::Answerer;
  if (!connection_->gather(now, config_.network)) return std::unexpected(SignalError::NoSocket);
  auto answer = connection_->peer().accept_offer(now, offer);
  if (!answer) return std::unexpected(error_of(answer.error()));
  remote_ufrag_ = offer.ice.ufrag;
  described_remote_ = true;
  make_relay(*side_);
  enter(State::Connecting);
  return std::move(*answer);
}

Tube::Impl::DescriptionResult Tube::Impl::describe_offer(TimePoint now) {
  if (side_ || ending()) return std::unexpected(SignalError::WrongState);
  side_ = tunnel::Side::Offerer;
  if (!connection_->gather(now, config_.network)) return std::unexpected(SignalError::NoSocket);
  return connection_->peer().create_offer(now);
}

Tube::Impl::Done Tube::Impl::accept_answer(TimePoint now, const sdp::Description& answer) {
  if (side_ != tunnel::Side::Offerer || described_remote_ || ending()) return std::unexpected(SignalError::WrongState);
  const auto accepted = connection_->peer().set_answer(now, answer);
  if (!accepted) return std::unexpected(error_of(accepted.error()));
  remote_ufrag_ = answer.ice.ufrag;
  described_remote_ = true;
  make_relay(*side_);
  enter(State::Connecting);
  return {};
}

Tube::Impl::Done Tube::Impl::accept_fragment(TimePoint now, const sdp::Fragment& fragment) {
  if (!described_remote_ || ending()) return std::unexpected(SignalError::WrongState);
  // Other credentials mean a restart, which is for another day (RFC 8840 4).
  if (!fragment.ice.ufrag.empty() && fragment.ice.ufrag != remote_ufrag_) return std::unexpected(SignalError::Unusable);
  for (const ice::Candidate& candidate : fragment.candidates) connection_->peer().add_remote_candidate(now, candidate);
  if (fragment.end_of_candidates) connection_->peer().end_of_remote_candidates(now);
  return {};
}

asio::awaitable<void> Tube::Impl::gathered(Duration limit) {
  if (gathering_done_ || finished_) co_return;
  gathering_.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(limit));
  boost::system::error_code ignored;
  auto token = asio::redirect_error(asio::use_awaitable, ignored);
  co_await gathering_.async_wait(token);
}

void Tube::Impl::complete(sdp::Description& description) const {
  for (const ice::Candidate& late : late_candidates_) {
    if (std::ranges::find(description.candidates, late) == description.candidates.end()) {
      description.candidates.push_back(late);
    }
  }
  description.end_of_candidates = gathering_done_;
}

}  // namespace isotube::tube
