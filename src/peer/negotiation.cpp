// Offers and answers of one tube: which role each layer takes, and what the peer can do.
#include "base/assert.hpp"
#include "peer/stack.hpp"

namespace isotube::peer {

using sdp::Setup;

sdp::Description Peer::Impl::create_offer(TimePoint now) {
  ISOTUBE_ASSERT(state_ == State::New && !local_type_);
  local_type_ = sdp::Type::Offer;
  agent_.set_role(ice::Role::Controlling);
  pump(now);
  described_ = true;
  const sdp::Description offer;
  mid_ = offer.mid;
  return described(offer);
}

std::expected<void, DescriptionError> Peer::Impl::set_answer(TimePoint now, const sdp::Description& answer) {
  if (state_ != State::New || local_type_ != sdp::Type::Offer) return std::unexpected(DescriptionError::WrongState);
  if (const auto error = check(answer)) return std::unexpected(*error);
  // RFC 8842 5.3: an answer chooses; "actpass" is for offers only.
  if (answer.setup == Setup::ActPass) return std::unexpected(DescriptionError::BadSetup);
  apply_remote(now, answer, answer.setup == Setup::Active ? dtls::Role::Server : dtls::Role::Client);
  return {};
}

std::expected<sdp::Description, DescriptionError> Peer::Impl::accept_offer(TimePoint now,
                                                                           const sdp::Description& offer) {
  if (state_ != State::New || local_type_) return std::unexpected(DescriptionError::WrongState);
  if (const auto error = check(offer)) return std::unexpected(*error);
  local_type_ = sdp::Type::Answer;
  // RFC 8445 6.1.1: the offerer controls, unless it is lite and we are not.
  agent_.set_role(offer.ice_lite ? ice::Role::Controlling : ice::Role::Controlled);
  // RFC 8842 5.3: to an "actpass" offer the answerer should be active; its ClientHello needs no round trip to wait for.
  const sdp::Description answer = sdp::answer_to(offer);
  mid_ = answer.mid;
  apply_remote(now, offer, answer.setup == Setup::Active ? dtls::Role::Client : dtls::Role::Server);
  described_ = true;
  return described(answer);
}

std::optional<DescriptionError> Peer::Impl::check(const sdp::Description& remote) const {
  if (remote.fingerprints.empty()) return DescriptionError::NoFingerprint;
  if (remote.ice.ufrag.empty() || remote.ice.pwd.empty()) return DescriptionError::NoCredentials;
  return std::nullopt;
}

void Peer::Impl::apply_remote(TimePoint now, const sdp::Description& remote, dtls::Role role) {
  remote_sctp_port_ = remote.sctp_port;
  // RFC 8841 6.1: 65,536 if the attribute is missing; 0 means that any size goes.
  peer_max_message_ = static_cast<std::size_t>(remote.max_message_size.value_or(65'536));
  dtls_.emplace(role, certificate_, remote.fingerprints, settings_.dtls);
  signalled_.remote = remote.ice;
  remote_pacing_ = remote.ice_pacing;
  remote_lite_ = remote.ice_lite;
  enter(State::Connecting);
  agent_.set_remote(now, remote.ice, remote.ice_pacing, remote.ice_lite);
  for (const ice::Candidate& candidate : remote.candidates) agent_.add_remote_candidate(now, candidate);
  if (remote.end_of_candidates) agent_.end_of_remote_candidates(now);
  pump(now);
}

sdp::Description Peer::Impl::described(sdp::Description description) const {
  description.session_id = session_id_;
  description.session_version = 1;
  description.ice = agent_.local_credentials();
  description.ice_pacing = settings_.ice.pacing;
  description.fingerprints = {certificate_.fingerprint()};
  description.sctp_port = settings_.sctp.local_port;
  description.max_message_size = settings_.max_message_size;
  description.candidates = signalled_.local_candidates;
  description.end_of_candidates = signalled_.gathering_done;
  return description;
}

std::size_t Peer::Impl::max_outgoing_message() const {
  if (peer_max_message_ == 0) return settings_.max_message_size;
  return std::min(peer_max_message_, settings_.max_message_size);
}

}  // namespace isotube::peer
