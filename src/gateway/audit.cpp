#include "gateway/audit.hpp"

#include <spdlog/async.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "frame/frame.hpp"

namespace isotube::gateway {
namespace {

constexpr std::size_t kMaxQuoted = 256;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._@-:[]").find(c) != std::string_view::npos;
}

std::string seconds(Duration duration) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f", std::chrono::duration<double>(duration).count());
  return text.data();
}

}  // namespace

std::string log_quoted(std::string_view text) {
  if (!text.empty() && text.size() <= kMaxQuoted && std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxQuoted)) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c >= ' ' && c <= '~') {
      quoted += c;
    } else {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      quoted += escape.data();
    }
  }
  quoted += text.size() > kMaxQuoted ? "\"..." : "\"";
  return quoted;
}

std::string audit_line(const tube::ConnectionRecord& record) {
  std::string line = "connection who=" + log_quoted(record.owner) + " tube=" + log_quoted(record.tube) +
                     " target=" + log_quoted(record.target) + " up=" + std::to_string(record.bytes_up) +
                     " down=" + std::to_string(record.bytes_down) + " seconds=" + seconds(record.duration) +
                     " reason=" + std::to_string(static_cast<unsigned>(record.reason)) + " (" +
                     std::string(frame::to_string(record.reason)) + ")";
  if (!record.message.empty()) line += " message=" + log_quoted(record.message);
  return line;
}

BoundedLog::BoundedLog(const std::string& name, spdlog::sink_ptr sink, std::size_t queue)
    : pool_(std::make_shared<spdlog::details::thread_pool>(queue, 1)),
      logger_(std::make_shared<spdlog::async_logger>(name, std::move(sink), pool_,
                                                     spdlog::async_overflow_policy::overrun_oldest)) {
  logger_->flush_on(spdlog::level::info);
}

BoundedLog::~BoundedLog() = default;

std::size_t BoundedLog::dropped() const { return pool_->overrun_counter(); }

}  // namespace isotube::gateway
