// How far a transfer is: a line that moves on a terminal, a plain line for each quarter elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>

namespace isotube::app {

class Progress {
 public:
  Progress(std::ostream& out, std::string name, std::uint64_t total);

  void show(std::uint64_t done);
  /// Ends the line.
  void end();

 private:
  [[nodiscard]] std::string line(std::uint64_t done) const;

  std::ostream& out_;
  std::string name_;
  std::uint64_t total_;
  std::chrono::steady_clock::time_point started_;
  bool terminal_;
  unsigned quarters_shown_ = 0;
};

}  // namespace isotube::app
