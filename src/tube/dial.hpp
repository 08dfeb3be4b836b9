// Connecting to a target: its name looked up once, its addresses tried in order.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/resolver.hpp"
#include "tube/tube.hpp"

namespace isotube::tube {

/// One attempt to reach a target that the policy allows by name. What resolved is asked of the policy too, and exactly
/// that is connected to, so that a name can't point elsewhere in between (rebinding).
///
/// Used on the tube's strand only. Its owner holds it; destroyed, it gives up without a word and closes its socket.
class Dial : public std::enable_shared_from_this<Dial> {
 public:
  struct Failure {
    CloseReason reason = CloseReason::ConnectionFailed;
    std::string message;
  };
  using Result = std::expected<boost::asio::ip::tcp::socket, Failure>;
  /// Called once on the strand, never from within start().
  using Handler = std::function<void(Result)>;

  Dial(runtime::Strand strand, std::shared_ptr<const TargetPolicy> policy, Target target, Duration limit);
  ~Dial();
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  void start(runtime::Resolver& resolver, Handler handler);

 private:
  /// Runs `step` unless this is gone or done; what it throws is this connection's failure alone.
  template <typename Step>
  void take_step(Step step);
  void resolved(const runtime::ResolveResult& result);
  void try_next();
  void connected(const boost::system::error_code& error);
  void remember(const boost::system::error_code& error);
  void finish(Result result);
  void finish_failed(CloseReason reason, std::string message);

  runtime::Strand strand_;
  std::shared_ptr<const TargetPolicy> policy_;
  Target target_;
  Duration limit_;
  Handler handler_;
  runtime::Resolver::Lookup lookup_;
  std::vector<IpAddress> addresses_;
  std::size_t next_ = 0;
  TimePoint deadline_{};
  boost::asio::steady_timer attempt_;
  std::optional<boost::asio::ip::tcp::socket> socket_;
  /// Counts attempts, so that an answer to an earlier one is not taken for this one's.
  std::size_t current_ = 0;
  std::optional<boost::system::error_code> error_;
  bool done_ = false;
};

}  // namespace isotube::tube
