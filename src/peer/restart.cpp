// ICE restarts (RFC 8839 4.4.1.1.1, RFC 8840 9): new credentials on both sides, and everything above ICE as it was.
#include <utility>

#include "peer/stack.hpp"

namespace isotube::peer {

bool Peer::Impl::may_restart() const { return state_ != State::New && state_ != State::Closed; }

std::expected<sdp::Fragment, DescriptionError> Peer::Impl::restart_offer(TimePoint now) {
  if (!may_restart()) return std::unexpected(DescriptionError::WrongState);
  begin_restart(now);
  restart_->answer_due = now + settings_.restart_answer_timeout;
  return local_fragment();
}

std::expected<void, DescriptionError> Peer::Impl::set_restart_answer(TimePoint now, const sdp::Fragment& answer) {
  if (!may_restart() || !restart_ || !restart_->waits_for_answer())
    return std::unexpected(DescriptionError::WrongState);
  // A peer that answers with the credentials it had did not restart: it would go on checking with our old ones.
  const bool is_new = !answer.ice.ufrag.empty() && !answer.ice.pwd.empty() && answer.ice != signalled_.remote;
  if (!is_new) return std::unexpected(DescriptionError::NoCredentials);
  apply_restart(now, answer);
  return {};
}

std::expected<sdp::Fragment, DescriptionError> Peer::Impl::accept_restart(TimePoint now, const sdp::Fragment& offer) {
  if (!may_restart()) return std::unexpected(DescriptionError::WrongState);
  if (offer.ice.ufrag.empty() || offer.ice.pwd.empty()) return std::unexpected(DescriptionError::NoCredentials);
  if (restart_ && restart_->waits_for_answer() && local_type_ == sdp::Type::Offer) {
    return std::unexpected(DescriptionError::Glare);
  }
  if (offer.ice == signalled_.remote) {
    add_remote_candidates(now, offer);
  } else {
    begin_restart(now);
    apply_restart(now, offer);
  }
  return local_fragment();
}

void Peer::Impl::begin_restart(TimePoint now) {
  if (restart_) {
    signalled_ = restart_->before;
    restart_->answer_due = kNever;
  } else {
    restart_.emplace(Restart{.before = signalled_});
  }
  signalled_.local_candidates.clear();
  signalled_.gathering_done = false;
  described_ = false;
  agent_.restart(now);
  pump(now);
  described_ = true;
}

void Peer::Impl::apply_restart(TimePoint now, const sdp::Fragment& remote) {
  restart_->answer_due = kNever;
  signalled_.remote = remote.ice;
  // What does not change need not be said again.
  if (remote.ice_pacing) remote_pacing_ = remote.ice_pacing;
  remote_lite_ = remote_lite_ || remote.ice_lite;
  agent_.set_remote(now, remote.ice, remote_pacing_, remote_lite_);
  add_remote_candidates(now, remote);
}

void Peer::Impl::add_remote_candidates(TimePoint now, const sdp::Fragment& fragment) {
  const std::string& ufrag = fragment.ice.ufrag;
  for (ice::Candidate candidate : fragment.candidates) {
    if (candidate.ufrag.empty()) candidate.ufrag = ufrag;
    agent_.add_remote_candidate(now, candidate);
  }
  // The end of one generation's candidates says nothing about another's.
  const bool is_newest = ufrag.empty() || ufrag == signalled_.remote.ufrag;
  const bool newest_is_unnamed = restart_ && restart_->waits_for_answer();
  if (fragment.end_of_candidates && is_newest != newest_is_unnamed) agent_.end_of_remote_candidates(now);
  pump(now);
}

void Peer::Impl::cancel_restart(TimePoint now) {
  if (!restart_) return;
  signalled_ = std::move(restart_->before);
  restart_.reset();
  agent_.cancel_restart(now);
  pump(now);
}

void Peer::Impl::give_up_restart(RestartFailed::Cause cause) {
  if (!restart_) return;
  signalled_ = std::move(restart_->before);
  restart_.reset();
  events_.push_back(RestartFailed{cause});
}

void Peer::Impl::expire_restart(TimePoint now) {
  if (!restart_ || now < restart_->answer_due) return;
  give_up_restart(RestartFailed::Cause::NoAnswer);
  agent_.cancel_restart(now);
}

sdp::Fragment Peer::Impl::local_fragment() const {
  sdp::Fragment fragment;
  fragment.mid = mid_;
  fragment.ice = agent_.local_credentials();
  fragment.ice_pacing = settings_.ice.pacing;
  fragment.candidates = signalled_.local_candidates;
  fragment.end_of_candidates = signalled_.gathering_done;
  return fragment;
}

}  // namespace isotube::peer
