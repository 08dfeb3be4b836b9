// isotube status: the tubes of a gateway, as a table or as JSON.
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <future>
#include <iostream>
#include <utility>

#include "app/command.hpp"
#include "app/options.hpp"
#include "app/table.hpp"
#include "client/printable.hpp"
#include "client/signalling.hpp"

namespace isotube::app {
namespace {

namespace json = boost::json;

constexpr const char* kExamples = R"(
Examples:
  isotube status http://127.0.0.1:8080
  isotube status https://gate.example.com --token-file admin-token --json)";

constexpr std::size_t kShownId = 8;

/// The member at `path` ("bytes", "up"), or null.
const json::value* find(const json::value& value, std::initializer_list<const char*> path) {
  const json::value* at = &value;
  for (const char* step : path) {
    const json::object* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(step);
    if (at == nullptr) return nullptr;
  }
  return at;
}

/// A member as one cell: what is missing or null is "-".
std::string cell(const json::value& tube, std::initializer_list<const char*> path) {
  const json::value* value = find(tube, path);
  if (value == nullptr || value->is_null()) return "-";
  if (value->is_string()) return client::printable(value->as_string());
  return client::printable(json::serialize(*value));
}

std::string bytes_cell(const json::value& tube, const char* direction) {
  const json::value* value = find(tube, {"bytes", direction});
  if (value == nullptr || !value->is_number()) return "-";
  return bytes_text(value->to_number<double>());
}

std::string rtt_cell(const json::value& tube) {
  const json::value* value = find(tube, {"rtt_ms"});
  if (value == nullptr || !value->is_number()) return "-";
  return decimal_text(value->to_number<double>(), 1) + " ms";
}

void print_table(const json::array& tubes) {
  Table table({{"tube", Align::Left},
               {"state", Align::Left},
               {"path", Align::Left},
               {"up", Align::Right},
               {"down", Align::Right},
               {"rtt", Align::Right}});
  for (const json::value& tube : tubes) {
    table.add({cell(tube, {"id"}).substr(0, kShownId), cell(tube, {"state"}),
               cell(tube, {"path", "local"}) + "/" + cell(tube, {"path", "remote"}), bytes_cell(tube, "up"),
               bytes_cell(tube, "down"), rtt_cell(tube)});
  }
  std::cout << table.text();
  std::cout << tubes.size() << (tubes.size() == 1 ? " tube\n" : " tubes\n");
}

class StatusCommand : public Command {
 public:
  CLI::App& declare(CLI::App& root) override {
    CLI::App& command = *root.add_subcommand("status", "Show the tubes of a gateway");
    gateway_.declare(command);
    command.add_flag("--json", json_, "Print what the gateway says, as JSON");
    command.footer(kExamples);
    return command;
  }

  std::expected<void, std::string> check(const ConfigFile& /*file*/) override { return gateway_.check(); }

  int run() override {
    auto config = gateway_.config();
    if (!config) return fail(config.error());
    runtime::Runtime runtime(1);
    const runtime::Strand strand = runtime.make_strand();
    auto client = client::SignallingClient::create(strand, *std::move(config));
    if (!client) return fail(client.error());
    auto listing = boost::asio::co_spawn(strand, (*client)->list_tubes(), boost::asio::use_future);
    const auto tubes = listing.get();
    if (!tubes) return fail(tubes.error().what);
    if (json_) {
      std::cout << json::serialize(*tubes) << "\n";
    } else {
      print_table(*tubes);
    }
    return kDone;
  }

 private:
  static int fail(const std::string& what) {
    spdlog::error("{}", what);
    return kFailed;
  }

  GatewayAccess gateway_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_status_command() { return std::make_unique<StatusCommand>(); }

}  // namespace isotube::app
