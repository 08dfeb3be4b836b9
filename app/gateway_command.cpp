// isotube gateway: serves tubes.
#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <utility>

#include "app/command.hpp"
#include "app/interrupt.hpp"
#include "app/options.hpp"
#include "client/ice_resolution.hpp"
#include "gateway/gateway.hpp"

namespace isotube::app {
namespace {

constexpr const char* kExamples = R"(
TARGET is tcp:HOST:PORT; HOST a name, an address, a network (10.0.0.0/8), [v6]
or *; PORT a number, a range (8000-8010) or *. Without --allow the gateway
connects nowhere.

A token file has a line for each token: NAME:ROLE:TOKEN[:TARGET…], ROLE client
or admin.

SIGTERM and Ctrl-C drain: no new tubes, open connections get --drain-seconds; a
second one ends at once. SIGHUP reads certificate, tokens and the config file's
allow list again.

Examples:
  isotube gateway --allow tcp:127.0.0.1:9000
      for clients on this machine
  isotube gateway --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem \
      --token-file tokens --allow tcp:build.example.com:22 \
      --allow tcp:10.1.0.0/16:5432
      for clients elsewhere
  isotube gateway --config gateway.toml --udp-ports 40000-40999 \
      --public-address 192.0.2.7
      behind a firewall and a one-to-one NAT
  isotube gateway --allow tcp:127.0.0.1:9000 \
      --ice-server turn:relay.example.com --ice-secret "$SECRET"
      for clients that need a relay; they get a login of their own)";

class GatewayCommand : public Command {
 public:
  CLI::App& declare(CLI::App& root) override {
    CLI::App& command = *root.add_subcommand("gateway", "Serve tubes: connect to allowed targets for clients");
    const auto repeated = [&command](const char* name, std::vector<std::string>& into, const char* help,
                                     const char* type) {
      command.add_option(name, into, help)->type_name(type)->allow_extra_args(false);
    };
    command.add_option("--listen", listen_text_, "Address for signalling over HTTP (default: 127.0.0.1:8080)")
        ->type_name("IP:PORT");
    repeated("--allow", config_.allow, "A target that tubes may connect to; may be repeated", "TARGET");
    command.add_option("--token-file", token_file_, "Tokens that open the gateway (needed off loopback)")
        ->type_name("FILE");
    command.add_option("--tls-cert", tls_cert_, "Certificate with its chain, PEM: serve https")->type_name("FILE");
    command.add_option("--tls-key", tls_key_, "Its key, PEM")->type_name("FILE");
    network_.declare_for_gateway(command);
    command
        .add_option("--ca-file", ca_file_,
                    "PEM file of the authorities that vouch for turns: servers (default: the system's)")
        ->type_name("FILE");
    repeated("--cors-origin", config_.cors_origins, "A web origin whose pages may use this gateway; may be repeated",
             "ORIGIN");
    repeated("--host-name", config_.host_names, "A name that clients reach this gateway by; may be repeated", "NAME");
    command.add_option("--workers", config_.workers, "Threads (default: one for each core)")
        ->check(CLI::Range(1, 1024).description(""))
        ->type_name("N");
    command
        .add_option("--drain-seconds", drain_seconds_, "How long open connections may go on at the end (default: 30)")
        ->check(CLI::Range(0, 86'400).description(""))
        ->type_name("N");
    command.footer(kExamples);
    return command;
  }

  std::expected<void, std::string> check(const ConfigFile& file) override {
    file_ = file;
    const auto listen = Address::parse(listen_text_);
    if (!listen) {
      return std::unexpected("--listen " + listen_text_ +
                             " is not an address and a port, as in 127.0.0.1:8080 or [::]:8080");
    }
    config_.listen = *listen;
    if (!token_file_.empty()) config_.token_file = token_file_;
    if (!tls_cert_.empty()) config_.tls_certificate = tls_cert_;
    if (!tls_key_.empty()) config_.tls_key = tls_key_;
    if (auto checked = network_.check(); !checked) return checked;
    config_.network = network_.network();
    config_.peer.ice_policy = network_.ice_policy();
    config_.ice_secret = network_.ice_secret();
    config_.drain = std::chrono::seconds(drain_seconds_);
    if (auto checked = gateway::check(config_); !checked) return std::unexpected(std::move(checked).error());
    return {};
  }

  int run() override {
    runtime::Runtime runtime(config_.workers);
    if (auto added = add_ice_servers(runtime); !added) return fail(added.error());
    const auto log = spdlog::default_logger();
    auto made = gateway::Gateway::create(runtime, config_, {log, log});
    if (!made) return fail(made.error());
    const std::unique_ptr<gateway::Gateway> gateway = *std::move(made);
    const auto address = gateway->start();
    if (!address) return fail(address.error());
    say_ready(*address);

    std::promise<void> stopped;
    {
      const Interrupt interrupt(
          runtime,
          [&] {
            spdlog::info("Draining: no new tubes, open connections may go on for {} s; once more to end at once",
                         drain_seconds_);
            boost::asio::co_spawn(runtime.context(), gateway->drain(),
                                  [&stopped](const std::exception_ptr&) { stopped.set_value(); });
          },
          [&] { reload(*gateway); });
      stopped.get_future().wait();
    }
    gateway->stop();
    spdlog::info("Closed");
    return kDone;
  }

 private:
  static int fail(const std::string& what) {
    spdlog::error("{}", what);
    return kFailed;
  }

  /// Clients are told of the servers as they were given; our own tubes need addresses.
  [[nodiscard]] std::expected<void, std::string> add_ice_servers(runtime::Runtime& runtime) {
    auto trust = network_.turn_trust(ca_file_);
    if (!trust) return std::unexpected(std::move(trust).error());
    config_.network.turn_trust = *std::move(trust);
    for (const client::IceServer& server : network_.ice_servers()) {
      config_.ice_links.push_back({server.url(), server.username, server.credential});
    }
    const runtime::Strand strand = runtime.make_strand();
    auto resolving = client::resolve_ice_servers(strand, network_.ice_servers());
    client::ResolvedIceServers resolved =
        boost::asio::co_spawn(strand, std::move(resolving), boost::asio::use_future).get();
    for (const std::string& line : resolved.left_out) spdlog::warn("{}", line);
    config_.network.stun_servers = std::move(resolved.stun);
    config_.network.turn_servers = std::move(resolved.turn);
    return {};
  }

  void say_ready(const Address& address) const {
    const std::string url = (config_.has_tls() ? "https://" : "http://") + address.to_string();
    if (config_.allow.empty()) {
      spdlog::warn("Ready at {}, but it connects nowhere: give it --allow tcp:HOST:PORT", url);
      return;
    }
    std::string targets;
    for (const std::string& rule : config_.allow) targets += (targets.empty() ? "" : ", ") + rule;
    spdlog::info("Ready at {}, allows {}", url, targets);
    if (config_.allow.size() == 1) {
      const std::string target = config_.allow.front().substr(config_.allow.front().find(':') + 1);
      if (target.find_first_of("*/") == std::string::npos) {
        spdlog::info("Try: isotube connect {} -L 9001:{}", url, target);
      }
    }
  }

  void reload(gateway::Gateway& gateway) const {
    std::optional<std::vector<std::string>> allow;
    if (file_.gave("allow")) {
      auto again = file_.read_again("allow");
      if (!again) {
        spdlog::error("Nothing was read again: {}", again.error());
        return;
      }
      allow = *std::move(again);
    }
    // The gateway itself says how it went.
    [[maybe_unused]] const auto done = gateway.reload(std::move(allow));
  }

  std::string listen_text_ = "127.0.0.1:8080";
  std::string token_file_;
  std::string tls_cert_;
  std::string tls_key_;
  std::string ca_file_;
  unsigned drain_seconds_ = 30;
  NetworkOptions network_;
  ConfigFile file_;
  gateway::Config config_;
};

}  // namespace

std::unique_ptr<Command> make_gateway_command() { return std::make_unique<GatewayCommand>(); }

}  // namespace isotube::app
