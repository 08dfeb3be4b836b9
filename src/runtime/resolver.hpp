// Name look-ups by c-ares: asynchronous, cancellable, bounded. (Asio's own resolver has one thread for all that can't
// be cancelled, so one tube's dead name server would hold up the others.)
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/time.hpp"
#include "runtime/runtime.hpp"

namespace isotube::runtime {

enum class ResolveError : std::uint8_t {
  NotFound,   ///< there is no such name, or it has no address
  TimedOut,   ///< no server answered in time
  Cancelled,  ///< the resolver went away
  Failed,     ///< servers answered that they can't, or no descriptor was left
};
[[nodiscard]] std::string_view to_string(ResolveError error);

/// Addresses in the order to try them: IPv4 first, each once, 16 at most.
using ResolveResult = std::expected<std::vector<IpAddress>, ResolveError>;

/// One tube's look-ups. Literal addresses, "localhost" and /etc/hosts are answered without a query. Each look-up has a
/// c-ares channel of its own: c-ares can cancel only a whole channel, and so resolv.conf is read afresh.
/// Ownership: one tube's, used on its strand only.
class Resolver {
 public:
  struct Settings {
    /// Of one look-up, its wait for a slot included.
    Duration limit = std::chrono::seconds(3);
    /// More than these wait, first come, first served.
    std::size_t max_lookups = 4;
    /// Name servers to ask instead of the machine's: for tests.
    std::vector<Address> servers;
  };
  /// Called once on the strand, never from within start().
  using Handler = std::function<void(ResolveResult)>;

  class Query;
  /// A look-up under way. Destroyed, it is given up: its handler is not called any more, its descriptors are closed.
  class Lookup {
   public:
    Lookup() = default;
    explicit Lookup(std::shared_ptr<Query> query);
    Lookup(Lookup&&) noexcept = default;
    Lookup& operator=(Lookup&& other) noexcept;
    ~Lookup();

   private:
    std::shared_ptr<Query> query_;
  };

  explicit Resolver(Strand strand);
  Resolver(Strand strand, Settings settings);
  /// Look-ups under way end with Cancelled.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  [[nodiscard]] Lookup start(const std::string& name, Handler handler);
  /// The same for a coroutine that runs on the strand.
  [[nodiscard]] boost::asio::awaitable<ResolveResult> resolve(std::string name);

 private:
  class Slots;
  std::shared_ptr<Slots> slots_;
};

}  // namespace isotube::runtime
