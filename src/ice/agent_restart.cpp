// One generation after another: the old path is used until the new one works (RFC 8445 9, RFC 8839 4.4.1.1.1).
#include <utility>

#include "ice/agent_impl.hpp"

namespace isotube::ice {

void Agent::Impl::restart(TimePoint now) {
  if (!current_->has_remote()) return;
  if (!pending_) gathering_reported_before_ = gathering_reported_;
  // RFC 8445 9: roles outlast a restart.
  const Role role = newest().role();
  const Random random = random_.fork("generation " + std::to_string(++generations_));
  pending_ = std::make_unique<Generation>(shared_, Generation::Kind::Restart, role, random);
  shared_.locals.set_ufrag(pending_->credentials().ufrag);
  for (const LocalEntry& entry : shared_.locals.entries()) emit(LocalCandidate{entry.candidate});
  gathering_reported_ = false;
  gatherer_.begin_again();
  if (locals_ended_) gatherer_.close();
  if (state_ == State::Failed) enter(State::Checking);
  report_gathering();
  wake(now);
}

void Agent::Impl::cancel_restart(TimePoint now) {
  if (!pending_) return;
  drop_pending();
  wake(now);
}

void Agent::Impl::drop_pending() {
  pending_.reset();
  shared_.locals.set_ufrag(current_->credentials().ufrag);
  // What a server says now is of no use to a generation that has its path or has said that it found all.
  gathering_reported_ = gathering_reported_before_;
  if (gathering_reported_ || current_->selected_path()) gatherer_.stop();
  if (current_->state() == State::Failed) enter(State::Failed);
}

void Agent::Impl::collect(TimePoint now) {
  collect_current();
  if (!pending_) return;
  (void)pending_->take_news();
  if (pending_->may_take_over()) return promote(now);
  if (pending_->state() != State::Failed) return;
  emit(RestartFailed{});
  drop_pending();
}

void Agent::Impl::collect_current() {
  for (const Generation::News& news : current_->take_news()) {
    if (const auto* changed = std::get_if<StateChanged>(&news)) {
      if (changed->state != State::Failed || !pending_) {
        enter(changed->state);
      } else if (state_ == State::Connected) {
        // Not for good as long as the restart may succeed.
        enter(State::Disconnected);
      }
    } else if (const auto* selected = std::get_if<PathSelected>(&news)) {
      emit(*selected);
      if (!pending_) gatherer_.stop();
    } else {
      emit(std::get<ConsentUnanswered>(news));
    }
  }
}

void Agent::Impl::promote(TimePoint now) {
  std::unique_ptr<Generation> old = std::exchange(current_, std::move(pending_));
  retired_.reset();
  if (old->state() != State::Failed) {
    std::vector<Path> paths = old->validated_paths();
    retired_.emplace(Retired{std::move(*old).take_key(), std::move(paths), now + shared_.settings.consent_expiry});
  }
  emit(*current_->selection());
  emit(RestartDone{});
  enter(current_->state());
  gatherer_.stop();
}

Generation* Agent::Impl::generation_of(const Candidate& candidate) {
  if (candidate.ufrag.empty() || newest().is_of_peer(candidate.ufrag)) return &newest();
  if (newest().has_remote()) return nullptr;
  // The peer has not said yet what its new generation is called: the old one is the only one that is known by name.
  return current_->is_of_peer(candidate.ufrag) ? current_.get() : &newest();
}

}  // namespace isotube::ice
