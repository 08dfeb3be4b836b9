// One look-up: its c-ares channel, driven by Asio. Included by the resolver's sources only.
#pragma once

#include <ares.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/resolver.hpp"

namespace isotube::runtime {

/// How many look-ups run at once, and who waits. Shared by a Resolver and its queries.
class Resolver::Slots {
 public:
  Slots(Strand strand, Settings settings);

  [[nodiscard]] const Strand& strand() const { return strand_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }

  /// Whether `query` may run now. If not, its run() is called when a slot is free.
  [[nodiscard]] bool take(const std::shared_ptr<Query>& query);
  /// Starts whoever waits longest.
  void give_back() noexcept;
  void cancel_all();

 private:
  Strand strand_;
  Settings settings_;
  std::size_t in_use_ = 0;
  std::deque<std::weak_ptr<Query>> waiting_;
  std::vector<std::weak_ptr<Query>> queries_;
};

/// Legal steps: New → Waiting → Running → Done; any → Done. Its Lookup owns it: pending operations hold it weakly.
class Resolver::Query : public std::enable_shared_from_this<Query> {
 public:
  Query(std::shared_ptr<Slots> slots, std::string name, Handler handler);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  void begin();
  void run();
  /// Ends it without calling its handler.
  void abandon() noexcept;
  /// Ends it with Cancelled.
  void cancel();
  [[nodiscard]] bool waits() const { return state_ == State::Waiting; }

 private:
  enum class State : std::uint8_t { New, Waiting, Running, Done };

  /// A descriptor of the channel, watched. c-ares closes it, so it is released before that.
  struct Watch {
    Watch(const Strand& strand, ares_socket_t socket);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    boost::asio::posix::stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool reading = false;
    bool writing = false;
  };

  static void on_socket(void* self, ares_socket_t socket, int readable, int writable) noexcept;
  static void on_answer(void* self, int status, int timeouts, ares_addrinfo* answer) noexcept;

  void watch(ares_socket_t socket, bool readable, bool writable);
  void take_answer(int status, const ares_addrinfo* answer);
  [[nodiscard]] bool open_channel();
  void ask(int family);
  void process(ares_socket_t readable, ares_socket_t writable);
  void settle();
  void arm_watches();
  void arm_timer();
  [[nodiscard]] ResolveResult result() const;
  void finish(ResolveResult result);
  void finish_later(ResolveResult result);
  void tear_down() noexcept;

  std::shared_ptr<Slots> slots_;
  std::string name_;
  Handler handler_;
  State state_ = State::New;
  boost::asio::steady_timer limit_;
  boost::asio::steady_timer timer_;
  std::map<ares_socket_t, std::shared_ptr<Watch>> watches_;
  std::vector<IpAddress> v4_;
  std::vector<IpAddress> v6_;
  std::optional<ResolveError> error_;
  int unanswered_ = 0;
  bool broken_ = false;
  bool hurried_ = false;
  /// Last, so that it goes first: its destruction calls back.
  std::unique_ptr<ares_channeldata, decltype(&::ares_destroy)> channel_{nullptr, &::ares_destroy};
};

}  // namespace isotube::runtime
