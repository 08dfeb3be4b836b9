#include "dtls/session.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dtls/context.hpp"
#include "dtls/session_impl.hpp"

namespace isotube::dtls {
namespace {

/// What may wait for read(): more than the kernel hands over at once (64 datagrams of 1,500 bytes).
constexpr std::size_t kMaxInboxBytes = 131'072;
constexpr std::size_t kMaxInboxRecords = 1'024;

/// Errors that say: we and the peer have nothing in common.
constexpr std::array kNothingInCommon = {
    SSL_R_NO_SHARED_CIPHER,      SSL_R_UNSUPPORTED_PROTOCOL,           SSL_R_VERSION_TOO_LOW,
    SSL_R_WRONG_VERSION_NUMBER,  SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
    SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_WRONG_CIPHER_RETURNED,
};

std::string reason_of(unsigned long error) {
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "OpenSSL gave no reason";
}

}  // namespace

void Session::Impl::handle_datagram(TimePoint now, ByteView datagram) {
  RecordReader reader(datagram);
  while (const std::optional<Record> record = reader.next()) accept(now, *record);
  if (!reader.done()) drop();
}

void Session::Impl::accept(TimePoint now, const Record& record) {
  switch (state_) {
    case State::New:
      return hold_for_later(record);
    case State::Handshaking:
      return accept_in_handshake(now, record);
    case State::Connected:
      return accept_connected(record);
    case State::Closed:
    case State::Failed:
      return drop();
  }
}

/// Everything waits for read(), so that a close_notify does not overtake the data before it.
void Session::Impl::accept_connected(const Record& record) {
  // Plaintext has no say any more: anybody could have written it, alerts above all. Of handshake messages only a
  // client's repeated Finished is of use: it asks the server for its last flight again (RFC 6347 4.2.4).
  const bool is_useful = record.type == ContentType::ApplicationData || record.type == ContentType::Alert ||
                         (record.type == ContentType::Handshake && role_ == Role::Server);
  if (record.epoch != 1 || !is_useful || !inbox_.push(record.whole, kMaxInboxBytes, kMaxInboxRecords)) drop();
}

std::optional<std::size_t> Session::Impl::read(TimePoint now, MutableByteView out) {
  if (out.empty()) return std::nullopt;
  while (state_ == State::Connected && (!inbox_.empty() || SSL_pending(ssl_.get()) > 0)) {
    if (const std::optional<std::size_t> length = read_next(now, out)) return length;
  }
  return std::nullopt;
}

/// Shows OpenSSL one record and gives the length of what it opened, if it opened something.
std::optional<std::size_t> Session::Impl::read_next(TimePoint now, MutableByteView out) {
  const bool was_data =
      !inbox_.empty() && inbox_.front().front() == static_cast<std::byte>(ContentType::ApplicationData);
  const std::size_t waited = bio_.waiting();
  if (!inbox_.empty()) bio_.offer(inbox_.front());
  int result = 0;
  std::optional<Setback> setback;
  {
    const OpenSslCall call(settings_.surroundings, now);
    const auto room = static_cast<int>(std::min<std::size_t>(out.size(), 1U << 20));
    result = SSL_read(ssl_.get(), out.data(), room);
    if (result <= 0) setback = explain(result);
    if (!was_data) refresh_timer(now);
  }
  if (bio_.taken() && !inbox_.empty()) inbox_.pop();
  bio_.offer({});
  if (bio_.waiting() > waited) ++counters_.flights_repeated;
  if (!setback) return static_cast<std::size_t>(result);
  on_read_setback(now, std::move(*setback), was_data);
  return std::nullopt;
}

void Session::Impl::on_read_setback(TimePoint now, Setback setback, bool was_data) {
  switch (setback.kind) {
    case Setback::Kind::WantsMore:
      // The record did not decrypt, came a second time, or was empty.
      if (was_data) drop();
      return;
    case Setback::Kind::ClosedByPeer:
      return finish_closed(now);
    case Setback::Kind::TimedOut:
    case Setback::Kind::Refused:
    case Setback::Kind::Broken:
      return fail(Failure::Protocol, std::move(setback.detail));
  }
}

std::expected<std::size_t, SealError> Session::Impl::seal(TimePoint now, ByteView plaintext, MutableByteView out) {
  if (state_ != State::Connected) return std::unexpected(SealError::NotConnected);
  // OpenSSL's write buffer has the size of kMaxPlaintext, and it does not look before it writes.
  if (plaintext.size() > kMaxPlaintext || plaintext.size() + kOverhead > out.size()) {
    return std::unexpected(SealError::TooLarge);
  }
  if (plaintext.empty()) return 0;
  std::optional<Setback> setback;
  std::size_t length = 0;
  {
    const OpenSslCall call(settings_.surroundings, now);
    bio_.divert_to(out);
    const int result = SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
    length = bio_.finish_diversion();
    if (result <= 0) setback = explain(result);
  }
  if (!setback) return length;
  if (setback->kind != Setback::Kind::WantsMore) fail(Failure::Protocol, std::move(setback->detail));
  return std::unexpected(SealError::NotConnected);
}

/// Stands inside an OpenSslCall, before the error queue is emptied.
Session::Impl::Setback Session::Impl::explain(int result) const {
  const unsigned long error = ERR_peek_last_error();
  // SSL_get_error() calls everything a failure as long as the queue holds something, and a record that did not decrypt
  // may have left something there.
  ERR_clear_error();
  const bool is_ssl = ERR_GET_LIB(error) == ERR_LIB_SSL;
  const int reason = ERR_GET_REASON(error);
  if (is_ssl && reason == SSL_R_READ_TIMEOUT_EXPIRED) return {Setback::Kind::TimedOut, reason_of(error)};
  // A fatal alert from the peer; SSL_get_error() would take it for a close_notify now.
  if (is_ssl && reason >= SSL_AD_REASON_OFFSET) return {Setback::Kind::Refused, reason_of(error)};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Setback::Kind::WantsMore, {}};
    case SSL_ERROR_ZERO_RETURN:
      return {Setback::Kind::ClosedByPeer, {}};
    default:
      break;
  }
  const bool is_refusal = std::ranges::find(kNothingInCommon, reason) != kNothingInCommon.end();
  return {is_ssl && is_refusal ? Setback::Kind::Refused : Setback::Kind::Broken, reason_of(error)};
}

void Session::Impl::close(TimePoint now) {
  if (state_ == State::Closed || state_ == State::Failed) return;
  if (state_ == State::Connected) {
    const OpenSslCall call(settings_.surroundings, now);
    (void)SSL_shutdown(ssl_.get());
  }
  end(State::Closed, Closed{});
}

/// The peer said close_notify and hears ours (RFC 5246 7.2.1).
void Session::Impl::finish_closed(TimePoint now) {
  {
    const OpenSslCall call(settings_.surroundings, now);
    (void)SSL_shutdown(ssl_.get());
  }
  end(State::Closed, Closed{});
}

void Session::Impl::fail(Failure failure, std::string detail) {
  end(State::Failed, Failed{failure, std::move(detail)});
}

/// Gives back at once what OpenSSL held: nothing is read or sealed any more. Datagrams that wait still go out.
void Session::Impl::end(State state, Event event) {
  state_ = state;
  events_.push_back(std::move(event));
  handshake_ends_ = kNever;
  repeat_at_ = kNever;
  early_ = {};
  inbox_ = {};
  const OpenSslCall call(nullptr, TimePoint{});
  ssl_.reset();
  context_.reset();
}

std::optional<Event> Session::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.erase(events_.begin());
  return event;
}

TimePoint Session::Impl::next_timeout() const { return std::min(handshake_ends_, repeat_at_); }

Session::Session(Role role, const Certificate& certificate, std::vector<Fingerprint> fingerprints, Settings settings)
    : impl_(std::make_unique<Impl>(role, certificate, std::move(fingerprints), settings)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

void Session::start(TimePoint now) { impl_->start(now); }
void Session::handle_datagram(TimePoint now, ByteView datagram) { impl_->handle_datagram(now, datagram); }
void Session::handle_timeout(TimePoint now) { impl_->handle_timeout(now); }
std::optional<std::size_t> Session::read(TimePoint now, MutableByteView out) { return impl_->read(now, out); }
std::expected<std::size_t, SealError> Session::seal(TimePoint now, ByteView plaintext, MutableByteView out) {
  return impl_->seal(now, plaintext, out);
}
void Session::close(TimePoint now) { impl_->close(now); }
std::optional<Bytes> Session::poll_transmit() { return impl_->poll_transmit(); }
std::optional<Event> Session::poll_event() { return impl_->poll_event(); }
TimePoint Session::next_timeout() const { return impl_->next_timeout(); }
State Session::state() const { return impl_->state(); }
Role Session::role() const { return impl_->role(); }
const Counters& Session::counters() const { return impl_->counters(); }

}  // namespace isotube::dtls
