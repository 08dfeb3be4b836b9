// Options from a file: TOML with the names of the options.
#pragma once

#include <CLI/App.hpp>
#include <expected>
#include <string>
#include <vector>

namespace isotube::app {

/// The file of --config, as one command sees it. Names at the top are for whatever command is run; those in a section
/// [gateway], [connect]… for that command alone.
class ConfigFile {
 public:
  /// No file.
  ConfigFile() = default;

  /// Gives the options of `command` that the command line left out the values that the file has for them. Errors name
  /// the file and the setting.
  [[nodiscard]] static std::expected<ConfigFile, std::string> apply(const std::string& path, CLI::App& command);

  /// Whether the option `name` has its value from the file.
  [[nodiscard]] bool gave(const std::string& name) const;
  /// Reads the file again: what it says of `name` now; empty if it says nothing.
  [[nodiscard]] std::expected<std::vector<std::string>, std::string> read_again(const std::string& name) const;

 private:
  std::string path_;
  std::string command_;
  std::vector<std::string> given_;
};

}  // namespace isotube::app
