// Two peers of one process with a data channel between them, over this machine's loopback: what isotube bench measures.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"

namespace isotube::app {

/// Used from one thread that is no worker of the runtime, which must outlive it. Errors are for people.
class Loopback {
 public:
  using Milliseconds = std::chrono::duration<double, std::milli>;
  using Microseconds = std::chrono::duration<double, std::micro>;

  /// Makes both peers, signals in process, and waits until the data channel is open at both ends.
  [[nodiscard]] static std::expected<std::unique_ptr<Loopback>, std::string> open(runtime::Runtime& runtime);
  ~Loopback();
  Loopback(const Loopback&) = delete;
  Loopback& operator=(const Loopback&) = delete;

  /// From nothing to the open channel.
  [[nodiscard]] Milliseconds opening() const;
  /// Sends messages of `message_size` bytes (at least 1) one way for `duration`, after half a second of warming up;
  /// gives the bytes that arrived per second.
  [[nodiscard]] std::expected<double, std::string> throughput(std::chrono::milliseconds duration,
                                                              std::size_t message_size);
  /// The times that requests of 64 bytes took to come back, one at a time, for `duration`.
  [[nodiscard]] std::expected<std::vector<Microseconds>, std::string> round_trips(std::chrono::milliseconds duration);

 private:
  Loopback();
  class End;

  std::shared_ptr<End> offerer_;
  std::shared_ptr<End> answerer_;
  Milliseconds opening_{};
};

}  // namespace isotube::app
