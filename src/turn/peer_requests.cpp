// What becomes of permissions and channels (RFC 8656 10 and 12). One peer's refusal is nobody else's.
#include <utility>

#include "turn/client_impl.hpp"

namespace isotube::turn {
namespace {

namespace error_code = stun::error_code;

/// Relays refuse private addresses as a matter of course, and a hostile peer could offer them at will (row T9 of the
/// fault matrix): that says nothing about the relay.
bool concerns_peer_only(const TurnError& error) {
  return error.cause == Cause::ErrorResponse &&
         (error.code == error_code::kBadRequest || error.code == error_code::kForbidden ||
          error.code == error_code::kPeerAddressFamilyMismatch);
}

}  // namespace

const Peer* Client::Impl::use_peer(TimePoint now, const Address& peer) {
  const Peers::Added added = peers_.add(now, peer);
  if (added.evicted) {
    transactions_.forget_channel(*added.evicted);
    if (added.evicted_permission) transactions_.forget_permission(added.evicted->ip);
  }
  if (added.refused != 0) {
    ++counters_.peers_refused;
    events_.push_back(PeerRefused{peer, added.refused});
  }
  begin_due(now);
  return peers_.find(peer);
}

void Client::Impl::begin_due(TimePoint now, Timing timing) {
  while (!credentials_ended_ && transactions_.has_room_for_peers()) {
    const auto question = peers_.next_due(now, timing);
    if (!question) return;
    begin(now, *question);
  }
}

void Client::Impl::peer_request_ended(TimePoint now, const Question& question, TurnError error) {
  if (concerns_peer_only(error)) return peer_refused(now, question, std::move(error));
  const Cause cause = error.cause;
  const int code = cause == Cause::ErrorResponse ? error.code : 0;
  report(std::move(error));
  if (code == error_code::kAllocationMismatch) return lose_allocation();
  peers_.failed(now, question);
  if (is_login_refused(code)) {
    credentials_ended_ = true;
    if (transactions_.find(Purpose::Refresh) == nullptr) refresh_at_ = expires_;
    refresh_slack_ = Duration::zero();
  }
  // A server that says nothing for so long may be gone altogether.
  if (cause == Cause::Timeout || cause == Cause::IntegrityViolated || cause == Cause::UnexpectedResponse) {
    verify_soon(now);
  }
}

void Client::Impl::peer_refused(TimePoint now, const Question& question, TurnError error) {
  const int code = error.code;
  const bool bad_request = code == error_code::kBadRequest;
  const bool was_granted = peers_.was_granted(question);
  error.peer = question.peer;
  report(std::move(error));
  if (bad_request && question.purpose == Purpose::Channel && peers_.may_be_granted(question)) {
    // Row T10 of the fault matrix: the number stays, for the server may well have it bound.
    peers_.failed(now, question);
  } else {
    refuse(question, code);
  }
  // Row T11: what was granted before is refused by a server that was restarted.
  if (bad_request && was_granted) verify_soon(now);
}

void Client::Impl::refuse(const Question& question, int code) {
  for (const Address& peer : peers_.refused(question, code)) {
    transactions_.forget_channel(peer);
    ++counters_.peers_refused;
    events_.push_back(PeerRefused{peer, code});
  }
}

}  // namespace isotube::turn
