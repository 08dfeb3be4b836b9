#include "app/log.hpp"

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <memory>
#include <string_view>

namespace isotube::app {
namespace {

std::string_view level_name(spdlog::level::level_enum level) {
  const auto name = spdlog::level::to_string_view(level);
  return {name.data(), name.size()};
}

/// "12:30:05 warning: text", the level only where it says something, and in its colour on a terminal.
class TextFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(message.time);
    fmt::format_to(std::back_inserter(out), "{:%H:%M:%S} ", fmt::localtime(seconds));
    message.color_range_start = out.size();
    if (message.level != spdlog::level::info) {
      fmt::format_to(std::back_inserter(out), "{}: ", level_name(message.level));
    }
    message.color_range_end = out.size();
    out.append(message.payload.begin(), message.payload.end());
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<TextFormatter>(); }
};

/// One JSON object a line.
class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(message.time);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count() % 1000;
    const std::string_view payload(message.payload.data(), message.payload.size());
    fmt::format_to(std::back_inserter(out), R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","text":{}}})",
                   fmt::gmtime(seconds), ms, level_name(message.level),
                   boost::json::serialize(boost::json::string(payload)));
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

spdlog::sink_ptr make_sink(LogFormat format) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  if (format == LogFormat::Json) {
    sink->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    sink->set_formatter(std::make_unique<TextFormatter>());
  }
  return sink;
}

}  // namespace

Log::Log(const std::string& level, LogFormat format) : log_("isotube", make_sink(format)) {
  log_.logger()->set_level(spdlog::level::from_str(level));
  log_.logger()->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(log_.logger());
}

Log::~Log() { spdlog::set_default_logger(nullptr); }

}  // namespace isotube::app
