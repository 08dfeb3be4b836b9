#include "app/config_file.hpp"

#include <CLI/Config.hpp>
#include <CLI/Error.hpp>
#include <algorithm>
#include <filesystem>

namespace isotube::app {
namespace {

std::string complaint(const std::string& path, const std::string& what) { return "--config " + path + ": " + what; }

std::expected<std::vector<CLI::ConfigItem>, std::string> read_items(const std::string& path) {
  if (std::error_code error; !std::filesystem::is_regular_file(path, error)) {
    return std::unexpected(complaint(path, "there is no such file"));
  }
  try {
    auto items = CLI::ConfigTOML().from_file(path);
    // CLI11 marks where a section begins and ends with items of these names.
    std::erase_if(items, [](const CLI::ConfigItem& item) { return item.name == "++" || item.name == "--"; });
    return items;
  } catch (const CLI::Error& error) {
    return std::unexpected(complaint(path, error.what()));
  }
}

bool is_for(const CLI::ConfigItem& item, const std::string& command) {
  return item.parents.empty() || (item.parents.size() == 1 && item.parents.front() == command);
}

bool is_for_another(const CLI::ConfigItem& item, const CLI::App& command) {
  if (item.parents.size() != 1 || item.parents.front() == command.get_name()) return false;
  const CLI::App* root = command.get_parent();
  const auto has_name = [&item](const CLI::App* each) { return each->get_name() == item.parents.front(); };
  return !root->get_subcommands(has_name).empty();
}

/// The option that a line of the file sets. Null where the file has no business: --config itself, --help.
CLI::Option* find_option(CLI::App& command, const std::string& name) {
  if (name == "config" || name == "help") return nullptr;
  if (CLI::Option* option = command.get_option_no_throw("--" + name)) return option;
  return command.get_option_no_throw(name);
}

void set(CLI::Option& option, const CLI::ConfigItem& item) {
  if (option.get_items_expected_max() == 0) {
    option.add_result(option.get_flag_value(item.name, CLI::ConfigTOML().to_flag(item)));
  } else {
    option.add_result(item.inputs);
  }
  option.run_callback();
}

}  // namespace

std::expected<ConfigFile, std::string> ConfigFile::apply(const std::string& path, CLI::App& command) {
  const auto items = read_items(path);
  if (!items) return std::unexpected(items.error());
  ConfigFile file;
  file.path_ = path;
  file.command_ = command.get_name();
  for (const CLI::ConfigItem& item : *items) {
    if (is_for_another(item, command)) continue;
    CLI::Option* option = is_for(item, file.command_) ? find_option(command, item.name) : nullptr;
    if (option == nullptr) {
      return std::unexpected(complaint(path, "'" + item.fullname() + "' is no setting of isotube " + file.command_));
    }
    if (option->count() > 0) continue;
    try {
      set(*option, item);
    } catch (const CLI::Error& error) {
      return std::unexpected(complaint(path, error.what()));
    }
    file.given_.push_back(item.name);
  }
  return file;
}

bool ConfigFile::gave(const std::string& name) const { return std::ranges::find(given_, name) != given_.end(); }

std::expected<std::vector<std::string>, std::string> ConfigFile::read_again(const std::string& name) const {
  const auto items = read_items(path_);
  if (!items) return std::unexpected(items.error());
  for (const CLI::ConfigItem& item : *items) {
    if (item.name == name && is_for(item, command_)) return item.inputs;
  }
  return std::vector<std::string>();
}

}  // namespace isotube::app
