// What becomes of the allocation (RFC 8656 7 and 8): got, kept, lost, given back.
#include <algorithm>
#include <utility>

#include "turn/client_impl.hpp"

namespace isotube::turn {
namespace {

using stun::AttributeType;
namespace error_code = stun::error_code;

/// RFC 8656 8.1 lets servers grant at most an hour. A longer promise is not worth more.
constexpr Duration kLongestLifetime = std::chrono::hours(1);

/// RFC 8489 10 forbids only to go round in circles: beyond the configured one this many servers are asked.
constexpr std::size_t kMostAlternates = 3;

/// Row T4 of the fault matrix: a new local port, at most twice.
constexpr int kMostNewPorts = 2;

/// Until the next Refresh after one that came to nothing, while the allocation still lives.
constexpr Duration kRefreshRetry = std::chrono::seconds(5);

/// RFC 1035 2.3.4.
constexpr std::size_t kMaxDomain = 253;

bool is_domain(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  return !text.empty() && text.size() <= kMaxDomain && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_reachable(const Address& address) {
  return address.port != 0 && !address.ip.is_unspecified() && !address.ip.is_multicast();
}

}  // namespace

void Client::Impl::allocated(TimePoint now, const Transaction& transaction, const stun::MessageView& answer) {
  // Too late to be of use, but the server holds it (row T5 of the fault matrix).
  if (state_ == State::Releasing) return begin(now, {.purpose = Purpose::Release});
  state_ = State::Allocated;
  relayed_ = *answer.xor_address(AttributeType::XorRelayedAddress);
  set_lifetime(now, transaction, answer);
  events_.push_back(Allocated{relayed_, *answer.xor_address(AttributeType::XorMappedAddress)});
}

void Client::Impl::set_lifetime(TimePoint now, const Transaction& transaction, const stun::MessageView& answer) {
  // A Refresh that says no lifetime grants what was granted before.
  if (const auto seconds = answer.u32(AttributeType::Lifetime)) {
    granted_ = std::min<Duration>(std::chrono::seconds(*seconds), kLongestLifetime);
  }
  // The server counts from some moment after the request was sent.
  expires_ = transaction.sent_at + granted_;
  refresh_at_ = transaction.sent_at + refresh_after(granted_);
  if (settings_.allocation_refresh) refresh_at_ = std::min(refresh_at_, now + *settings_.allocation_refresh);
  refresh_slack_ = slack_of(refresh_at_ - now);
}

void Client::Impl::begin_refresh(TimePoint now) {
  refresh_at_ = kNever;
  begin(now, {.purpose = Purpose::Refresh});
}

void Client::Impl::verify_soon(TimePoint now) {
  if (transactions_.find(Purpose::Refresh) == nullptr) begin_refresh(now);
  transactions_.find(Purpose::Refresh)->decisive = true;
}

std::optional<Cause> Client::Impl::try_alternate(TimePoint now, const stun::MessageView& answer) {
  const auto alternate = answer.address(AttributeType::AlternateServer);
  if (!alternate || !is_reachable(*alternate)) return Cause::ErrorResponse;
  if (asked_.size() > kMostAlternates || std::ranges::find(asked_, *alternate) != asked_.end()) {
    return Cause::TooManyAlternatives;
  }
  const auto domain = answer.text(AttributeType::AlternateDomain);
  if (domain && !is_domain(*domain)) return Cause::ErrorResponse;
  // RFC 8489 10: the certificate must be for the domain that was named, or for the one that was asked.
  if (domain) server_.name = *domain;
  server_.address = *alternate;
  asked_.push_back(*alternate);
  login_.forget();
  transactions_.clear();
  close_flow();
  open_flow(now);
  return std::nullopt;
}

std::optional<Cause> Client::Impl::try_new_port(TimePoint now) {
  if (ports_given_up_ == kMostNewPorts) return Cause::PortsExhausted;
  // RFC 8656 7.4: the server knows another allocation from here, perhaps from before it or we were restarted.
  ++ports_given_up_;
  transactions_.clear();
  close_flow();
  open_flow(now);
  return std::nullopt;
}

void Client::Impl::allocate_ended(TurnError error) {
  if (state_ == State::Releasing) return finish_release();
  report(std::move(error));
  lose_allocation();
}

void Client::Impl::refresh_ended(TimePoint now, const Transaction& transaction, TurnError error) {
  const int code = error.cause == Cause::ErrorResponse ? error.code : 0;
  const bool answered = error.cause == Cause::ErrorResponse || error.cause == Cause::NonceLoop;
  report(std::move(error));
  if (is_login_refused(code)) credentials_ended_ = true;
  // Servers that were restarted know nothing of it: 437, or 400 (rows T3 and T11 of the fault matrix).
  const bool gone = code == error_code::kAllocationMismatch || code == error_code::kBadRequest;
  if (gone || (transaction.decisive && !answered) || expires_ <= now) return lose_allocation();
  refresh_slack_ = Duration::zero();
  refresh_at_ = credentials_ended_ ? expires_ : std::min(now + kRefreshRetry, expires_);
}

void Client::Impl::release_ended(TurnError error) {
  // What is gone already is as good as given back.
  if (error.code != error_code::kAllocationMismatch) report(std::move(error));
  finish_release();
}

bool Client::Impl::is_login_refused(int code) {
  return code == error_code::kUnauthenticated || code == error_code::kWrongCredentials;
}

void Client::Impl::lose_allocation() {
  transactions_.clear();
  peers_.clear();
  close_flow();
  state_ = State::Idle;
  expires_ = refresh_at_ = kNever;
  events_.push_back(AllocationLost{});
}

void Client::Impl::finish_release() {
  transactions_.clear();
  peers_.clear();
  close_flow();
  state_ = State::Released;
  release_ends_ = kNever;
  events_.push_back(Released{});
}

}  // namespace isotube::turn
