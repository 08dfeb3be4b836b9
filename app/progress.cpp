#include "app/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "app/table.hpp"

namespace isotube::app {
namespace {

constexpr std::size_t kBar = 32;

bool is_terminal(const std::ostream& out) {
  if (&out == &std::cout) return isatty(STDOUT_FILENO) == 1;
  return &out == &std::cerr && isatty(STDERR_FILENO) == 1;
}

}  // namespace

Progress::Progress(std::ostream& out, std::string name, std::uint64_t total)
    : out_(out),
      name_(std::move(name)),
      total_(std::max<std::uint64_t>(total, 1)),
      started_(std::chrono::steady_clock::now()),
      terminal_(is_terminal(out)) {}

void Progress::show(std::uint64_t done) {
  if (terminal_) {
    out_ << "\r" << line(done) << std::flush;
    return;
  }
  const auto quarters = static_cast<unsigned>(std::min(done, total_) * 4 / total_);
  if (quarters <= std::exchange(quarters_shown_, std::max(quarters, quarters_shown_))) return;
  out_ << line(done) << std::endl;
}

void Progress::end() {
  if (terminal_) out_ << std::endl;
}

std::string Progress::line(std::uint64_t done) const {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - started_;
  const auto filled = static_cast<std::size_t>(std::min(done, total_) * kBar / total_);
  const double rate = static_cast<double>(done) / std::max(passed.count(), 1e-3);
  std::string text = name_ + std::string(name_.size() < 6 ? 6 - name_.size() : 0, ' ');
  if (terminal_) text += "[" + std::string(filled, '#') + std::string(kBar - filled, ' ') + "] ";
  text += bytes_text(static_cast<double>(done)) + " of " + bytes_text(static_cast<double>(total_)) + ", " +
          bytes_text(rate) + "/s";
  // What a longer line before left behind is blanked.
  return terminal_ ? text + "    " : text;
}

}  // namespace isotube::app
