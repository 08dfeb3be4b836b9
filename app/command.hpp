// One sub-command of isotube.
#pragma once

#include <CLI/App.hpp>
#include <expected>
#include <memory>
#include <string>

#include "app/config_file.hpp"

namespace isotube::app {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

/// Declares its options, then runs with what they were given.
class Command {
 public:
  virtual ~Command() = default;
  /// Adds the sub-command with its options to `root`. Called once, before the command line is read.
  virtual CLI::App& declare(CLI::App& root) = 0;
  /// Whether the options, from the command line and from `file`, make sense together. Errors are usage errors.
  [[nodiscard]] virtual std::expected<void, std::string> check(const ConfigFile& file) = 0;
  /// The exit code.
  [[nodiscard]] virtual int run() = 0;
};

[[nodiscard]] std::unique_ptr<Command> make_gateway_command();
[[nodiscard]] std::unique_ptr<Command> make_connect_command();
[[nodiscard]] std::unique_ptr<Command> make_status_command();
[[nodiscard]] std::unique_ptr<Command> make_demo_command();
[[nodiscard]] std::unique_ptr<Command> make_bench_command();

}  // namespace isotube::app
