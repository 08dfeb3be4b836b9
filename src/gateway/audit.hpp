// What the gateway writes down: one line for each connection, and a log that never waits for its sink.
#pragma once

#include <spdlog/logger.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tube/tube.hpp"

namespace spdlog::details {
class thread_pool;  // NOLINT(readability-identifier-naming): spdlog's name
}

namespace isotube::gateway {

/// "connection who=alice tube=… target=db:5432 up=12 down=34 seconds=1.250 reason=0 (Normal)", and the message if there
/// is one. What peers chose is quoted and escaped where it could pass for something else; never a payload or a token.
[[nodiscard]] std::string audit_line(const tube::ConnectionRecord& record);

/// `text` as it is if it is made of harmless characters, otherwise in quotes, with escapes and at most 256 bytes of it.
[[nodiscard]] std::string log_quoted(std::string_view text);

/// A logger whose callers never wait: lines go through a queue of `queue` entries to a thread that writes them to
/// `sink`; when the sink is slow, the oldest lines are dropped and counted. Ends with what is queued written.
class BoundedLog {
 public:
  BoundedLog(const std::string& name, spdlog::sink_ptr sink, std::size_t queue = 8192);
  ~BoundedLog();

  [[nodiscard]] const std::shared_ptr<spdlog::logger>& logger() const { return logger_; }
  [[nodiscard]] std::size_t dropped() const;

 private:
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace isotube::gateway
