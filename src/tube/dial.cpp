#include "tube/dial.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "runtime/socket_address.hpp"

namespace isotube::tube {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

std::string seconds_text(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

}  // namespace

Dial::Dial(runtime::Strand strand, std::shared_ptr<const TargetPolicy> policy, Target target, Duration limit)
    : strand_(std::move(strand)),
      policy_(std::move(policy)),
      target_(std::move(target)),
      limit_(limit),
      attempt_(strand_) {}

Dial::~Dial() = default;

template <typename Step>
void Dial::take_step(Step step) {
  if (done_) return;
  try {
    step();
  } catch (const std::exception& exception) {
    finish_failed(CloseReason::Error, exception.what());
  } catch (...) {
    finish_failed(CloseReason::Error, "unknown error");
  }
}

void Dial::start(runtime::Resolver& resolver, Handler handler) {
  handler_ = std::move(handler);
  deadline_ = runtime::now() + limit_;
  lookup_ = resolver.start(target_.host, [weak = weak_from_this()](const runtime::ResolveResult& result) {
    const std::shared_ptr<Dial> self = weak.lock();
    if (self) self->take_step([&] { self->resolved(result); });
  });
}

void Dial::resolved(const runtime::ResolveResult& result) {
  if (!result) {
    return finish_failed(CloseReason::AddressResolutionFailed,
                         target_.host + " does not resolve: " + std::string(runtime::to_string(result.error())));
  }
  for (const IpAddress& address : *result) {
    if (policy_->allows_resolved(target_, address)) addresses_.push_back(address);
  }
  if (addresses_.empty()) return finish_failed(CloseReason::ServerRefuse, "not allowed by this gateway");
  try_next();
}

void Dial::try_next() {
  const TimePoint now = runtime::now();
  if (next_ == addresses_.size() || now >= deadline_) {
    if (!error_ || *error_ == asio::error::timed_out) {
      return finish_failed(CloseReason::Timeout,
                           target_.to_string() + " did not answer within " + seconds_text(limit_));
    }
    return finish_failed(CloseReason::ConnectionFailed,
                         "could not connect to " + target_.to_string() + ": " + error_->message());
  }
  // Each address gets its share of what is left, so that a silent one does not hide those behind it.
  const auto share = (deadline_ - now) / static_cast<Duration::rep>(addresses_.size() - next_);
  const tcp::endpoint endpoint = runtime::to_tcp_endpoint({addresses_[next_++], target_.port});
  current_ = next_;
  socket_.emplace(strand_);
  boost::system::error_code error;
  socket_->open(endpoint.protocol(), error);
  if (error) return connected(error);
  socket_->async_connect(endpoint, [weak = weak_from_this(), attempt = current_](auto result) {
    const std::shared_ptr<Dial> self = weak.lock();
    if (!self || attempt != self->current_ || result == asio::error::operation_aborted) return;
    self->take_step([&] { self->connected(result); });
  });
  attempt_.expires_after(share);
  attempt_.async_wait([weak = weak_from_this(), attempt = current_](auto result) {
    const std::shared_ptr<Dial> self = weak.lock();
    if (!self || attempt != self->current_ || result) return;
    self->take_step([&] { self->connected(asio::error::timed_out); });
  });
}

void Dial::connected(const boost::system::error_code& error) {
  if (error) {
    remember(error);
    socket_.reset();
    return try_next();
  }
  finish(std::move(*socket_));
}

void Dial::remember(const boost::system::error_code& error) {
  // "Refused" says more than "timed out", whichever came last.
  if (!error_ || error != asio::error::timed_out) error_ = error;
}

void Dial::finish_failed(CloseReason reason, std::string message) {
  finish(std::unexpected(Failure{reason, std::move(message)}));
}

void Dial::finish(Result result) {
  done_ = true;
  attempt_.cancel();
  socket_.reset();
  const Handler handler = std::exchange(handler_, nullptr);
  if (handler) handler(std::move(result));
}

}  // namespace isotube::tube
