// What arrives on the flow, and whether it is to be believed (RFC 8489 6.3, 9.2.5).
#include <algorithm>
#include <array>
#include <utility>

#include "turn/client_impl.hpp"

namespace isotube::turn {
namespace {

using stun::AttributeType;
namespace error_code = stun::error_code;

/// Comprehension-required attributes that mean something to a TURN client (RFC 8489 18.3, RFC 8656 18).
constexpr std::array kUnderstood = {
    AttributeType::MappedAddress,
    AttributeType::Username,
    AttributeType::ErrorCode,
    AttributeType::UnknownAttributes,
    AttributeType::ChannelNumber,
    AttributeType::Lifetime,
    AttributeType::XorPeerAddress,
    AttributeType::Data,
    AttributeType::Realm,
    AttributeType::Nonce,
    AttributeType::XorRelayedAddress,
    AttributeType::RequestedAddressFamily,
    AttributeType::EvenPort,
    AttributeType::RequestedTransport,
    AttributeType::DontFragment,
    AttributeType::PasswordAlgorithm,
    AttributeType::UserHash,
    AttributeType::XorMappedAddress,
    AttributeType::ReservationToken,
};

/// The 4th stale nonce in a row ends a transaction: with a nonce life of one second and a round trip near it, three are
/// bad luck, more are a server that can't be pleased.
constexpr int kMostStale = 3;

/// The first challenge, and one for another realm (RFC 8489 9.2.5).
constexpr int kMostChallenges = 2;

/// In the order of Purpose; a Release is a Refresh.
Counters::PerMethod& counter_of(Counters& counters, Purpose purpose) {
  switch (purpose) {
    case Purpose::Allocate:
      return counters.allocate;
    case Purpose::Permission:
      return counters.create_permission;
    case Purpose::Channel:
      return counters.channel_bind;
    default:
      return counters.refresh;
  }
}

bool is_usable_relay(const Address& address, bool wants_v6) {
  return address.ip.is_v6() == wants_v6 && address.port != 0 && !address.ip.is_unspecified();
}

}  // namespace

void Client::Impl::handle_bytes(TimePoint now, FlowId flow, ByteView bytes) {
  received_.clear();
  received_given_ = 0;
  if (!flow_ || flow_->id != flow || !flow_->open) return;
  if (!is_stream()) return handle_message(now, bytes);
  stream_.push(bytes);
  // An answer may close the flow: what follows on it is not heard any more.
  const auto is_current = [&] { return flow_ && flow_->id == flow; };
  while (is_current()) {
    const auto message = stream_.next();
    if (!message) break;
    handle_message(now, *message);
  }
  if (is_current() && stream_.broken()) fail_stream();
}

void Client::Impl::fail_stream() {
  TurnError error =
      error_of(state_ == State::Allocating ? stun::Method::Allocate : stun::Method::Refresh, Cause::FlowFailed);
  error.reason = "bytes came that are no TURN message";
  report(std::move(error));
  if (state_ == State::Releasing) return finish_release();
  lose_allocation();
}

std::optional<Received> Client::Impl::poll_received() {
  if (received_given_ == received_.size()) return std::nullopt;
  return received_[received_given_++];
}

void Client::Impl::handle_message(TimePoint now, ByteView message) {
  if (is_channel_data(message)) return handle_channel_data(message);
  const auto view = stun::MessageView::parse(message);
  if (!view || (view->has_fingerprint() && !view->fingerprint_is_right())) return drop_bytes(message.size());
  switch (view->message_class()) {
    case stun::Class::Success:
    case stun::Class::Error:
      return handle_answer(now, *view);
    case stun::Class::Indication:
      if (view->method() == stun::Method::Data) return handle_data_indication(*view);
      return drop_bytes(message.size());
    case stun::Class::Request:
      return drop_bytes(message.size());
  }
}

void Client::Impl::handle_channel_data(ByteView message) {
  const auto data = read_channel_data(message);
  const auto peer = data && state_ == State::Allocated ? peers_.peer_of(data->channel) : std::nullopt;
  if (!peer) return drop_bytes(message.size());
  received_.push_back({*peer, data->payload});
}

void Client::Impl::handle_data_indication(const stun::MessageView& message) {
  const auto peer = message.xor_address(AttributeType::XorPeerAddress);
  // RFC 8656 11.6: an ICMP message that the relay got for something that we sent. ICE finds out by itself.
  if (peer && message.has(AttributeType::Icmp)) return;
  const auto payload = message.find(AttributeType::Data);
  // Permissions are for hosts (RFC 8656 9): behind some NATs a peer sends from a port that it never named.
  if (!peer || !payload || state_ != State::Allocated || !peers_.permits(peer->ip) ||
      !message.not_understood(kUnderstood).empty()) {
    return drop_bytes(message.bytes().size());
  }
  received_.push_back({*peer, *payload});
}

void Client::Impl::handle_answer(TimePoint now, const stun::MessageView& answer) {
  Transaction* transaction = transactions_.find(answer.transaction_id());
  if (transaction == nullptr) {
    ++counters_.answers_dropped;
    return;
  }
  if (const auto fault = find_fault(*transaction, answer)) return disbelieve(now, *transaction, answer, *fault);
  if (answer.message_class() == stun::Class::Success) return handle_success(now, *transaction, answer);
  handle_error(now, *transaction, answer);
}

std::optional<Cause> Client::Impl::find_fault(const Transaction& transaction, const stun::MessageView& answer) {
  if (answer.method() != method_of(transaction.question.purpose)) return Cause::UnexpectedResponse;
  const bool success = answer.message_class() == stun::Class::Success;
  const auto error = answer.error();
  if (!success && !error) return Cause::UnexpectedResponse;
  if (Login::is_downgraded(answer)) return Cause::IntegrityViolated;
  // RFC 8489 9.2.5: a challenge can't be signed, for which key would it be? All else is, if the request was.
  const bool challenge =
      !success && (error->code == error_code::kUnauthenticated || error->code == error_code::kStaleNonce);
  if (!challenge && transaction.signature && !login_.is_genuine(answer)) return Cause::IntegrityViolated;
  if (!answer.not_understood(kUnderstood).empty()) return Cause::UnexpectedResponse;
  if (success && !is_usable(transaction, answer)) return Cause::UnexpectedResponse;
  return std::nullopt;
}

bool Client::Impl::is_usable(const Transaction& transaction, const stun::MessageView& success) const {
  const auto lifetime = success.u32(AttributeType::Lifetime);
  if (transaction.question.purpose == Purpose::Refresh) {
    return lifetime ? *lifetime > 0 : !success.has(AttributeType::Lifetime);
  }
  if (transaction.question.purpose != Purpose::Allocate) return true;
  // RFC 8656 7.3.
  const auto relayed = success.xor_address(AttributeType::XorRelayedAddress);
  return relayed && is_usable_relay(*relayed, transaction.question.wants_v6) && lifetime.value_or(0) > 0 &&
         success.xor_address(AttributeType::XorMappedAddress).has_value();
}

void Client::Impl::disbelieve(TimePoint now, Transaction& transaction, const stun::MessageView& answer, Cause cause) {
  ++counters_.answers_dropped;
  // RFC 8489 9.2.5: if integrity was ever in doubt, that is what must be said.
  if (transaction.mistaken != Cause::IntegrityViolated) transaction.mistaken = cause;
  if (const auto error = answer.error()) {
    transaction.mistaken_code = error->code;
    transaction.mistaken_reason = error->reason;
  }
  if (is_stream()) give_up(now, transaction, unanswered(transaction));
}

void Client::Impl::handle_success(TimePoint now, Transaction& found, const stun::MessageView& answer) {
  const Transaction transaction = transactions_.take(found);
  Counters::PerMethod& counter = counter_of(counters_, transaction.question.purpose);
  ++counter.succeeded;
  if (transaction.stale > 0) ++counter.after_stale_nonce;
  switch (transaction.question.purpose) {
    case Purpose::Allocate:
      return allocated(now, transaction, answer);
    case Purpose::Refresh:
      return set_lifetime(now, transaction, answer);
    case Purpose::Release:
      return finish_release();
    case Purpose::Permission:
    case Purpose::Channel:
      peers_.granted(now, transaction.question, transaction.sent_at);
      return begin_due(now);
  }
}

void Client::Impl::handle_error(TimePoint now, Transaction& transaction, const stun::MessageView& answer) {
  const stun::ErrorCode refusal = *answer.error();
  const bool allocates = transaction.question.purpose == Purpose::Allocate;
  if (allocates && state_ == State::Releasing) {
    // Whatever the server wants, it gave nothing that would have to be given back.
    return finish_release();
  }
  if (refusal.code == error_code::kUnauthenticated) return handle_challenge(now, transaction, answer);
  if (refusal.code == error_code::kStaleNonce) return handle_stale_nonce(now, transaction, answer);
  TurnError error = refused_by(transaction, answer);
  auto ends_for = std::optional(Cause::ErrorResponse);
  if (allocates && refusal.code == error_code::kTryAlternate) ends_for = try_alternate(now, answer);
  if (allocates && refusal.code == error_code::kAllocationMismatch) ends_for = try_new_port(now);
  if (!ends_for) return;
  error.cause = *ends_for;
  give_up(now, transaction, std::move(error));
}

void Client::Impl::handle_challenge(TimePoint now, Transaction& transaction, const stun::MessageView& answer) {
  // RFC 8489 9.2.5: to be asked for the same realm again means that the server doesn't take these credentials.
  const auto realm = answer.text(AttributeType::Realm);
  const bool refused = transaction.signature && (!realm || *realm == transaction.signature->realm);
  if (refused || transaction.challenges >= kMostChallenges) {
    return give_up(now, transaction, refused_by(transaction, answer));
  }
  if (take_challenge(now, transaction, answer)) {
    ++transaction.challenges;
    ask_again(now, transaction);
  }
}

void Client::Impl::handle_stale_nonce(TimePoint now, Transaction& transaction, const stun::MessageView& answer) {
  // RFC 8489 9.2.5: the nonce went stale, the request did not fail. What it asks for stays the same, a channel's number
  // too (row T1 of the fault matrix).
  const auto nonce = answer.text(AttributeType::Nonce);
  const bool repeated = transaction.signature && nonce == transaction.signature->nonce;
  if (!take_challenge(now, transaction, answer)) return;
  if (repeated || ++transaction.stale > kMostStale) {
    TurnError error = refused_by(transaction, answer);
    error.cause = Cause::NonceLoop;
    return give_up(now, transaction, std::move(error));
  }
  ask_again(now, transaction);
}

bool Client::Impl::take_challenge(TimePoint now, Transaction& transaction, const stun::MessageView& answer) {
  switch (login_.take(answer)) {
    case Login::Challenge::Taken:
      return true;
    case Login::Challenge::Unusable:
      disbelieve(now, transaction, answer, Cause::UnexpectedResponse);
      return false;
    case Login::Challenge::Downgraded:
      disbelieve(now, transaction, answer, Cause::IntegrityViolated);
      return false;
    case Login::Challenge::Unanswerable:
      give_up(now, transaction, refused_by(transaction, answer));
      return false;
  }
  return false;
}

TurnError Client::Impl::refused_by(const Transaction& transaction, const stun::MessageView& answer) const {
  TurnError error = error_of(method_of(transaction.question.purpose), Cause::ErrorResponse);
  const stun::ErrorCode refusal = *answer.error();
  error.code = refusal.code;
  error.reason = refusal.reason;
  return error;
}

TurnError Client::Impl::unanswered(const Transaction& transaction) const {
  TurnError error = error_of(method_of(transaction.question.purpose), transaction.mistaken.value_or(Cause::Timeout));
  error.code = transaction.mistaken_code;
  error.reason = transaction.mistaken_reason;
  return error;
}

void Client::Impl::give_up(TimePoint now, const Transaction& found, TurnError error) {
  const Transaction transaction = transactions_.take(found);
  switch (transaction.question.purpose) {
    case Purpose::Allocate:
      return allocate_ended(std::move(error));
    case Purpose::Refresh:
      return refresh_ended(now, transaction, std::move(error));
    case Purpose::Release:
      return release_ended(std::move(error));
    case Purpose::Permission:
    case Purpose::Channel:
      peer_request_ended(now, transaction.question, std::move(error));
      if (state_ == State::Allocated) begin_due(now);
      return;
  }
}

}  // namespace isotube::turn
