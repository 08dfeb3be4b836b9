// Whom a datagram is for.
#include <algorithm>
#include <array>

#include "ice/agent_impl.hpp"
#include "stun/builder.hpp"

namespace isotube::ice {

using stun::AttributeType;

void Agent::Impl::handle_datagram(TimePoint now, const Path& path, ByteView datagram) {
  // An agent that gave up answers nothing: its peer has to find out too (RFC 7675 5.1).
  if (state_ == State::Failed) return;
  const auto message = stun::MessageView::parse(datagram);
  if (!message || (message->has_fingerprint() && !message->fingerprint_is_right())) {
    ++shared_.counters.answers_dropped;
    return;
  }
  const bool is_request = message->message_class() == stun::Class::Request;
  if (message->method() != stun::Method::Binding) {
    ++(is_request ? shared_.counters.requests_refused : shared_.counters.answers_dropped);
    return;
  }
  // RFC 8445 11: an indication is a keepalive, done when it has arrived.
  if (message->message_class() == stun::Class::Indication) return;
  if (is_request) {
    handle_request(now, path, *message);
  } else {
    handle_answer(now, path, *message);
  }
  settle(now);
}

void Agent::Impl::handle_request(TimePoint now, const Path& path, const stun::MessageView& request) {
  const auto username = request.text(AttributeType::Username);
  // RFC 8489 9.1.3.
  if (!username || (!request.integrity_sha1() && !request.integrity_sha256())) {
    return refuse(now, path, request, stun::error_code::kBadRequest);
  }
  for (Generation* generation : std::array<Generation*, 2>{pending_.get(), current_.get()}) {
    if (generation == nullptr || !generation->local_key().is_named_by(*username)) continue;
    if (!generation->local_key().signed_right(request)) break;
    return generation->handle_request(now, path, request);
  }
  if (retired_ && retired_->key.is_named_by(*username) && retired_->key.signed_right(request)) {
    return answer_as_retired(path, request);
  }
  refuse(now, path, request, stun::error_code::kUnauthenticated);
}

void Agent::Impl::answer_as_retired(const Path& path, const stun::MessageView& request) {
  const auto unknown = not_understood(request);
  if (!unknown.empty()) {
    ++shared_.counters.requests_refused;
    return shared_.transmit(path, retired_->key.error(request, stun::error_code::kUnknownAttribute, unknown));
  }
  ++shared_.counters.checks_received;
  shared_.transmit(path, retired_->key.success(path.remote, request));
}

void Agent::Impl::refuse(TimePoint now, const Path& path, const stun::MessageView& request, int code) {
  ++shared_.counters.requests_refused;
  if (!refusals_.take(now)) return;
  // No integrity: there is no key that both sides know (RFC 8489 9.1.3).
  Bytes response = stun::MessageBuilder(stun::Class::Error, stun::Method::Binding, request.transaction_id())
                       .error(code, {})
                       .fingerprint()
                       .take();
  // Nobody gets more bytes out of us than he sent.
  if (response.size() <= request.bytes().size()) shared_.transmit(path, std::move(response));
}

void Agent::Impl::handle_answer(TimePoint now, const Path& path, const stun::MessageView& answer) {
  if (gatherer_.owns(answer.transaction_id(), path)) {
    if (const auto found = gatherer_.handle_answer(now, answer)) {
      take_local(shared_.locals.add_reflexive(found->mapped, found->base, found->server), Signal::Now);
    }
    return;
  }
  if (current_->handle_answer(now, path, answer)) return;
  if (pending_ && pending_->handle_answer(now, path, answer)) return;
  ++shared_.counters.answers_dropped;
}

}  // namespace isotube::ice
