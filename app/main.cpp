// The isotube command: argument parsing, nothing else.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "app/command.hpp"
#include "app/config_file.hpp"
#include "app/help_formatter.hpp"
#include "app/log.hpp"

namespace isotube::app {
namespace {

constexpr const char* kVersion = "isotube " ISOTUBE_VERSION;

/// What every sub-command takes.
struct CommonOptions {
  std::string config;
  std::string log_level = "info";
  std::string log_format = "text";

  void declare(CLI::App& command) {
    const std::vector<std::string> levels(std::begin(kLogLevels), std::end(kLogLevels));
    command.add_option("--config", config, "Read options from FILE (TOML, same names as the options)")
        ->type_name("FILE");
    command.add_option("--log-level", log_level, "trace, debug, info, warning, error or off (default: info)")
        ->check(CLI::IsMember(levels).description(""))
        ->type_name("LEVEL");
    command.add_option("--log-format", log_format, "text or json (default: text)")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("FORMAT");
  }
};

struct Entry {
  std::unique_ptr<Command> command;
  CLI::App* parser = nullptr;
};

int usage_error(const CLI::App* parser, const std::string& what) {
  std::cerr << "isotube: " << what << "\n";
  if (parser != nullptr) std::cerr << "isotube " << parser->get_name() << " --help shows the options.\n";
  return kUsage;
}

int run_entry(Entry& entry, const CommonOptions& common) {
  ConfigFile file;
  if (!common.config.empty()) {
    auto applied = ConfigFile::apply(common.config, *entry.parser);
    if (!applied) return usage_error(entry.parser, applied.error());
    file = *std::move(applied);
  }
  if (auto checked = entry.command->check(file); !checked) return usage_error(entry.parser, checked.error());
  const Log log(common.log_level, common.log_format == "json" ? LogFormat::Json : LogFormat::Text);
  return entry.command->run();
}

int run(int argc, char** argv) {
  CLI::App root{"Carries TCP through WebRTC data channels: one tube's failure never affects another.", "isotube"};
  root.set_version_flag("--version", kVersion);
  root.set_help_flag("-h,--help", "Show this help and exit");
  root.require_subcommand(1);
  root.formatter(std::make_shared<HelpFormatter>());
  root.footer(
      "\nisotube COMMAND --help shows a command's options, with examples.\n\n"
      "A first tunnel, in two shells:\n"
      "  isotube gateway --allow tcp:127.0.0.1:9000\n"
      "  isotube connect http://127.0.0.1:8080 -L 9001:127.0.0.1:9000");

  CommonOptions common;
  std::vector<Entry> entries;
  for (auto make :
       {make_gateway_command, make_connect_command, make_status_command, make_demo_command, make_bench_command}) {
    Entry entry{make(), nullptr};
    entry.parser = &entry.command->declare(root);
    common.declare(*entry.parser);
    entries.push_back(std::move(entry));
  }
  const CLI::App* version = root.add_subcommand("version", "Print the version");

  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version come this way too, with exit code 0.
    if (error.get_exit_code() == 0) return root.exit(error);
    const auto chosen = root.get_subcommands();
    if (!chosen.empty()) return usage_error(chosen.front(), error.what());
    const auto unread = root.remaining();
    if (unread.empty()) return usage_error(nullptr, "which command? isotube --help shows them");
    return usage_error(nullptr, "there is no '" + unread.front() + "'; isotube --help shows the commands");
  }
  if (version->parsed()) {
    std::cout << kVersion << "\n";
    return kDone;
  }
  const auto chosen = std::ranges::find_if(entries, [](const Entry& entry) { return entry.parser->parsed(); });
  return run_entry(*chosen, common);
}

}  // namespace
}  // namespace isotube::app

int main(int argc, char** argv) {
  try {
    return isotube::app::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "isotube: " << error.what() << "\n";
    return isotube::app::kFailed;
  }
}
