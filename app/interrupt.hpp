// Ctrl-C and the like, for commands that run until they are told to stop.
#pragma once

#include <boost/asio/signal_set.hpp>
#include <functional>
#include <memory>

#include "runtime/runtime.hpp"

namespace isotube::app {

/// The first SIGINT or SIGTERM calls `stop`; a second one ends the process at once with code 1. SIGHUP calls `reload`
/// if there is one. Must die before the runtime does.
class Interrupt {
 public:
  Interrupt(runtime::Runtime& runtime, std::function<void()> stop, std::function<void()> reload = nullptr);
  ~Interrupt();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace isotube::app
