#include "runtime/resolver.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <utility>

#include "runtime/resolver_query.hpp"

namespace isotube::runtime {

namespace asio = boost::asio;

std::string_view to_string(ResolveError error) {
  switch (error) {
    case ResolveError::NotFound:
      return "no such name";
    case ResolveError::TimedOut:
      return "no name server answered in time";
    case ResolveError::Cancelled:
      return "cancelled";
    case ResolveError::Failed:
      return "name servers could not answer";
  }
  return "unknown";
}

Resolver::Lookup::Lookup(std::shared_ptr<Query> query) : query_(std::move(query)) {}

Resolver::Lookup& Resolver::Lookup::operator=(Lookup&& other) noexcept {
  const Lookup previous(std::exchange(query_, std::move(other.query_)));
  return *this;
}

Resolver::Lookup::~Lookup() {
  if (query_) query_->abandon();
}

Resolver::Resolver(Strand strand) : Resolver(std::move(strand), Settings{}) {}

Resolver::Resolver(Strand strand, Settings settings)
    : slots_(std::make_shared<Slots>(std::move(strand), std::move(settings))) {}

Resolver::~Resolver() { slots_->cancel_all(); }

Resolver::Lookup Resolver::start(const std::string& name, Handler handler) {
  auto query = std::make_shared<Query>(slots_, name, std::move(handler));
  query->begin();
  return Lookup(std::move(query));
}

asio::awaitable<ResolveResult> Resolver::resolve(std::string name) {
  const auto answered = std::make_shared<asio::steady_timer>(slots_->strand(), asio::steady_timer::time_point::max());
  const auto result = std::make_shared<ResolveResult>(std::unexpected(ResolveError::Cancelled));
  const Lookup lookup = start(name, [answered, result](ResolveResult arrived) {
    *result = std::move(arrived);
    answered->cancel();
  });
  boost::system::error_code ignored;
  auto token = asio::redirect_error(asio::use_awaitable, ignored);
  co_await answered->async_wait(token);
  co_return std::move(*result);
}

Resolver::Slots::Slots(Strand strand, Settings settings) : strand_(std::move(strand)), settings_(std::move(settings)) {}

bool Resolver::Slots::take(const std::shared_ptr<Query>& query) {
  std::erase_if(queries_, [](const std::weak_ptr<Query>& each) { return each.expired(); });
  queries_.push_back(query);
  if (in_use_ < settings_.max_lookups) {
    ++in_use_;
    return true;
  }
  waiting_.push_back(query);
  return false;
}

void Resolver::Slots::give_back() noexcept {
  --in_use_;
  while (!waiting_.empty() && in_use_ < settings_.max_lookups) {
    const std::shared_ptr<Query> next = waiting_.front().lock();
    waiting_.pop_front();
    if (!next || !next->waits()) continue;
    ++in_use_;
    try {
      next->run();
    } catch (...) {
      // Out of memory: this one ends by its limit or with the slot, the others go on.
      next->abandon();
    }
  }
}

void Resolver::Slots::cancel_all() {
  waiting_.clear();
  for (const std::weak_ptr<Query>& each : std::exchange(queries_, {})) {
    if (const std::shared_ptr<Query> query = each.lock()) query->cancel();
  }
}

}  // namespace isotube::runtime
