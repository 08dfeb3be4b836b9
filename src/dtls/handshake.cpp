#include <openssl/ssl.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "dtls/context.hpp"
#include "dtls/fingerprint_check.hpp"
#include "dtls/session_impl.hpp"

namespace isotube::dtls {
namespace {

/// One flight of any known stack: OpenSSL itself would keep 100 records at 17 KB each, for anybody who can write
/// datagrams.
constexpr std::size_t kMaxEarlyBytes = 16'384;
constexpr std::size_t kMaxEarlyRecords = 16;

/// OpenSSL takes a timer for expired when less than 15 ms are left, so a first timer must be well beyond that.
constexpr Duration kShortestRepeat = std::chrono::milliseconds(50);
/// RFC 6347 4.2.4.1 lets the timer grow to 60 s; within a deadline of 15 s that would be a last try at 6.
constexpr Duration kLongestRepeat = std::chrono::seconds(2);

/// Below 256 OpenSSL refuses (its DTLS minimum); a flight of handshake datagrams larger than Ethernet's is no gain.
std::size_t handshake_mtu(std::size_t wanted) { return std::clamp<std::size_t>(wanted, 256, kMaxPlaintext); }

unsigned to_microseconds(Duration duration) {
  return static_cast<unsigned>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

}  // namespace

Session::Impl::Impl(Role role, const Certificate& certificate, std::vector<Fingerprint> fingerprints, Settings settings)
    : role_(role),
      certificate_(*certificate.impl_),
      fingerprints_(std::move(fingerprints)),
      settings_(settings),
      bio_(handshake_mtu(settings.max_datagram)) {}

Session::Impl::~Impl() {
  const OpenSslCall call(nullptr, TimePoint{});
  ssl_.reset();
  context_.reset();
}

void Session::Impl::create_ssl() {
  context_ = make_context(*certificate_.certificate, *certificate_.key);
  SSL_CTX_set_cert_verify_callback(context_.get(), &Impl::on_verify, this);
  ssl_.reset(or_bad_alloc(SSL_new(context_.get())));
  SSL_set_app_data(ssl_.get(), this);
  bio_.attach(*ssl_);
  DTLS_set_link_mtu(ssl_.get(), static_cast<long>(handshake_mtu(settings_.max_datagram)));
  DTLS_set_timer_cb(ssl_.get(), &Impl::on_timer);
  if (role_ == Role::Client) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

void Session::Impl::start(TimePoint now) {
  if (state_ != State::New) return;
  state_ = State::Handshaking;
  handshake_ends_ = now + settings_.handshake_deadline;
  {
    const OpenSslCall call(settings_.surroundings, now);
    create_ssl();
  }
  continue_handshake(now);
  RecordQueue early = std::exchange(early_, {});
  for (; !early.empty(); early.pop()) {
    if (const std::optional<Record> record = RecordReader(early.front()).next()) accept(now, *record);
  }
}

void Session::Impl::accept_in_handshake(TimePoint now, const Record& record) {
  if (record.epoch == 0) {
    if (!is_plausible_plaintext(record, role_)) return drop();
    show_to_handshake(now, record.whole);
    if (state_ == State::Handshaking && is_read_epoch_open()) show_what_was_early(now);
    return;
  }
  if (record.type != ContentType::ApplicationData && is_read_epoch_open()) {
    show_to_handshake(now, record.whole);
    return;
  }
  hold_for_later(record);
}

void Session::Impl::hold_for_later(const Record& record) {
  // There is no renegotiation, hence no third epoch.
  if (record.epoch > 1) return drop();
  const bool is_data = record.epoch == 1 && record.type == ContentType::ApplicationData;
  RecordQueue& queue = is_data ? inbox_ : early_;
  if (!queue.push(record.whole, kMaxEarlyBytes, kMaxEarlyRecords)) drop();
}

void Session::Impl::show_what_was_early(TimePoint now) {
  RecordQueue early = std::exchange(early_, {});
  for (; state_ == State::Handshaking && !early.empty(); early.pop()) show_to_handshake(now, early.front());
}

void Session::Impl::show_to_handshake(TimePoint now, ByteView record) {
  bio_.offer(record);
  continue_handshake(now);
  bio_.offer({});
}

void Session::Impl::continue_handshake(TimePoint now) {
  std::optional<Setback> setback;
  {
    const OpenSslCall call(settings_.surroundings, now);
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) setback = explain(result);
    refresh_timer(now);
  }
  if (!setback) {
    become_connected();
  } else if (setback->kind != Setback::Kind::WantsMore) {
    fail_handshake(std::move(*setback));
  }
}

/// True between the peer's ChangeCipherSpec and its Finished: OpenSSL has the keys and waits for what they seal.
bool Session::Impl::is_read_epoch_open() const {
  const OSSL_HANDSHAKE_STATE step = SSL_get_state(ssl_.get());
  return step == TLS_ST_CR_CHANGE || step == TLS_ST_SR_CHANGE;
}

void Session::Impl::become_connected() {
  state_ = State::Connected;
  handshake_ends_ = kNever;
  // What still waits are repeats of a Finished that we have.
  early_ = {};
  events_.emplace_back(Connected{});
}

void Session::Impl::fail_handshake(Setback setback) {
  if (certificate_refused_) {
    return fail(Failure::FingerprintMismatch, "the peer's certificate has none of the announced fingerprints");
  }
  switch (setback.kind) {
    case Setback::Kind::TimedOut:
      return fail(Failure::HandshakeTimeout, std::move(setback.detail));
    case Setback::Kind::ClosedByPeer:
      return fail(Failure::HandshakeRefused, "the peer closed during the handshake");
    case Setback::Kind::Refused:
      return fail(Failure::HandshakeRefused, std::move(setback.detail));
    case Setback::Kind::WantsMore:
    case Setback::Kind::Broken:
      return fail(Failure::Protocol, std::move(setback.detail));
  }
}

void Session::Impl::handle_timeout(TimePoint now) {
  if (state_ == State::Handshaking && now >= handshake_ends_) {
    return fail(Failure::HandshakeTimeout, "the handshake's deadline passed");
  }
  if (!ssl_ || now < repeat_at_) return;
  std::optional<Setback> setback;
  {
    const OpenSslCall call(settings_.surroundings, now);
    const auto result = static_cast<int>(DTLSv1_handle_timeout(ssl_.get()));
    if (result > 0) ++counters_.flights_repeated;
    if (result < 0) setback = explain(result);
    refresh_timer(now);
  }
  if (setback && setback->kind != Setback::Kind::WantsMore) fail_handshake(std::move(*setback));
}

/// OpenSSL's clock and `now` tell different times, so it is asked for what is left. Stands inside an OpenSslCall.
void Session::Impl::refresh_timer(TimePoint now) {
  timeval left{};
  if (DTLSv1_get_timeout(ssl_.get(), &left) != 1) {
    repeat_at_ = kNever;
    return;
  }
  const Duration wait = std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
  // A wall clock that was set back must not put it off for ever.
  repeat_at_ = now + std::min(wait, kLongestRepeat);
}

int Session::Impl::on_verify(X509_STORE_CTX* store, void* impl) noexcept {
  Impl& us = *static_cast<Impl*>(impl);
  const X509* certificate = X509_STORE_CTX_get0_cert(store);
  if (certificate != nullptr && matches_any(*certificate, us.fingerprints_)) return 1;
  us.certificate_refused_ = true;
  // Goes out as bad_certificate (RFC 8122 6.2).
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

unsigned Session::Impl::on_timer(SSL* ssl, unsigned previous_microseconds) noexcept {
  const Impl& us = *static_cast<const Impl*>(SSL_get_app_data(ssl));
  const unsigned longest = to_microseconds(kLongestRepeat);
  if (previous_microseconds > longest / 2) return longest;
  if (previous_microseconds > 0) return previous_microseconds * 2;
  return to_microseconds(std::clamp(us.settings_.first_retransmission, kShortestRepeat, kLongestRepeat));
}

}  // namespace isotube::dtls
