#include "app/interrupt.hpp"

#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <utility>

#include "app/command.hpp"

namespace isotube::app {

class Interrupt::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(runtime::Runtime& runtime, std::function<void()> stop, std::function<void()> reload)
      : strand_(runtime.make_strand()), signals_(strand_), stop_(std::move(stop)), reload_(std::move(reload)) {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    if (reload_) signals_.add(SIGHUP);
  }

  void wait() {
    signals_.async_wait([self = shared_from_this()](const boost::system::error_code& error, int number) {
      if (error) return;
      self->handle(number);
      self->wait();
    });
  }

  void end() {
    std::promise<void> ended;
    boost::asio::post(strand_, [this, &ended] {
      signals_.clear();
      signals_.cancel();
      ended.set_value();
    });
    ended.get_future().wait();
  }

 private:
  void handle(int number) {
    if (number == SIGHUP) {
      reload_();
    } else if (std::exchange(stopping_, true)) {
      std::_Exit(kFailed);
    } else {
      stop_();
    }
  }

  runtime::Strand strand_;
  boost::asio::signal_set signals_;
  std::function<void()> stop_;
  std::function<void()> reload_;
  bool stopping_ = false;
};

Interrupt::Interrupt(runtime::Runtime& runtime, std::function<void()> stop, std::function<void()> reload)
    : impl_(std::make_shared<Impl>(runtime, std::move(stop), std::move(reload))) {
  impl_->wait();
}

Interrupt::~Interrupt() { impl_->end(); }

}  // namespace isotube::app
