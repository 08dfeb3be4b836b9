// isotube connect: opens a tube and forwards local ports through it.
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <optional>
#include <utility>

#include "app/command.hpp"
#include "app/interrupt.hpp"
#include "app/options.hpp"
#include "client/connect.hpp"

namespace isotube::app {
namespace {

constexpr const char* kExamples = R"(
Examples:
  isotube connect http://127.0.0.1:8080 -L 9001:127.0.0.1:9000
      port 9001 here leads to port 9000 of the gateway's machine
  isotube connect https://gate.example.com -L 2222:build1:22 -L 5432:db:5432 \
      --token-file token
      two forwards that share a tube: ssh -p 2222 localhost, psql -h localhost
  isotube connect https://gate.example.com -L '*:8000:[fd00::5]:80' --retry 5
      for the whole network; gives up when five tries in a row failed)";

void show(const client::Report& report) {
  using Kind = client::Report::Kind;
  switch (report.kind) {
    case Kind::Listening:
    case Kind::Connected:
    case Kind::Closed:
      spdlog::info("{}", report.text);
      break;
    case Kind::Lost:
    case Kind::ConnectionEnded:
    case Kind::Warning:
      spdlog::warn("{}", report.text);
      break;
  }
}

class ConnectCommand : public Command {
 public:
  CLI::App& declare(CLI::App& root) override {
    CLI::App& command = *root.add_subcommand("connect", "Open a tube to a gateway and forward ports through it");
    gateway_.declare(command);
    command
        .add_option("-L,--forward", forward_texts_,
                    "Forward a local port, as ssh does: [BIND:]PORT:HOST:HOSTPORT; may be repeated")
        ->type_name("FORWARD")
        ->allow_extra_args(false);
    command.add_option("--retry", retries_, "Give up after N failed tries in a row to connect again (default: never)")
        ->type_name("N");
    network_.declare(command);
    command.footer(kExamples);
    return command;
  }

  std::expected<void, std::string> check(const ConfigFile& /*file*/) override {
    if (auto checked = gateway_.check(); !checked) return checked;
    if (forward_texts_.empty()) return std::unexpected("nothing to forward: give at least one -L PORT:HOST:HOSTPORT");
    for (const std::string& text : forward_texts_) {
      auto forward = client::Forward::parse(text);
      if (!forward) return std::unexpected(std::move(forward).error());
      config_.forwards.push_back(*std::move(forward));
    }
    if (auto checked = network_.check(); !checked) return checked;
    config_.network = network_.network();
    config_.ice_servers = network_.ice_servers();
    config_.ice_secret = network_.ice_secret();
    config_.peer.ice_policy = network_.ice_policy();
    config_.retries = retries_;
    return {};
  }

  int run() override {
    auto gateway = gateway_.config();
    if (!gateway) return fail(gateway.error());
    config_.gateway = *std::move(gateway);
    auto trust = network_.turn_trust(config_.gateway.ca_file);
    if (!trust) return fail(trust.error());
    config_.network.turn_trust = *std::move(trust);
    if (!config_.gateway.token.empty() && !config_.gateway.url.tls && !is_loopback(config_.gateway.url.host)) {
      spdlog::warn("the token goes to {} unencrypted; use https", config_.gateway.url.to_string());
    }
    runtime::Runtime runtime;
    auto connect = client::Connect::create(runtime, std::move(config_), show);
    if (!connect) return fail(connect.error());
    const Interrupt interrupt(runtime, [&connect] { (*connect)->stop(); });
    auto running = boost::asio::co_spawn(runtime.context(), (*connect)->run(), boost::asio::use_future);
    if (auto outcome = running.get(); !outcome) return fail(outcome.error());
    return kDone;
  }

 private:
  static int fail(const std::string& what) {
    spdlog::error("{}", what);
    return kFailed;
  }

  static bool is_loopback(const std::string& host) {
    const auto address = IpAddress::parse(host);
    return host == "localhost" || (address && address->is_loopback());
  }

  GatewayAccess gateway_;
  NetworkOptions network_;
  std::vector<std::string> forward_texts_;
  std::optional<unsigned> retries_;
  client::ConnectConfig config_;
};

}  // namespace

std::unique_ptr<Command> make_connect_command() { return std::make_unique<ConnectCommand>(); }

}  // namespace isotube::app
