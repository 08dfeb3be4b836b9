// Where the command's lines go: to standard error, in a queue of its own that no tube can be stopped by.
#pragma once

#include <cstdint>
#include <string>

#include "gateway/audit.hpp"

namespace isotube::app {

enum class LogFormat : std::uint8_t { Text, Json };

/// The logger that everybody in this process uses, while it lives. Ends with what is queued written.
class Log {
 public:
  /// `level` is one of kLogLevels.
  Log(const std::string& level, LogFormat format);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

 private:
  gateway::BoundedLog log_;
};

inline constexpr const char* kLogLevels[] = {"trace", "debug", "info", "warning", "error", "off"};

}  // namespace isotube::app
