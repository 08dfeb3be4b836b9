// isotube demo: a gateway, a client and a target on this machine, and real transfers through the tube between them.
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "app/command.hpp"
#include "app/demo_programs.hpp"
#include "app/options.hpp"
#include "app/progress.hpp"
#include "app/table.hpp"
#include "client/connect.hpp"
#include "gateway/gateway.hpp"

namespace isotube::app {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kExamples = R"(
Starts a gateway, a client and a target on free loopback ports of this machine,
and moves data through the tube between them, up and down. Exits with 1 if a
byte was lost or changed.

Examples:
  isotube demo
  isotube demo --megabytes 1000 --json)";

constexpr std::chrono::seconds kOpenLimit{20};
constexpr std::size_t kShownId = 8;
constexpr std::size_t kShownDigest = 12;

/// The client of the demo, running for as long as this object lives.
class DemoClient {
 public:
  /// Errors: no tube in time.
  [[nodiscard]] static std::expected<std::unique_ptr<DemoClient>, std::string> open(client::ConnectConfig config) {
    auto client = std::unique_ptr<DemoClient>(new DemoClient());
    auto made = client::Connect::create(client->runtime_, std::move(config),
                                        [raw = client.get()](const client::Report& report) { raw->hear(report); });
    if (!made) return std::unexpected(std::move(made).error());
    client->connect_ = *std::move(made);
    client->running_ = asio::co_spawn(client->runtime_.context(), client->connect_->run(), asio::use_future);
    if (client->connected_.get_future().wait_for(kOpenLimit) != std::future_status::ready) {
      return std::unexpected("no tube was open within " + std::to_string(kOpenLimit.count()) + " s");
    }
    return client;
  }

  ~DemoClient() {
    if (!running_.valid()) return;
    connect_->stop();
    running_.wait();
  }
  DemoClient(const DemoClient&) = delete;
  DemoClient& operator=(const DemoClient&) = delete;

  [[nodiscard]] Address local_port() const { return connect_->listening().front(); }

 private:
  DemoClient() = default;

  void hear(const client::Report& report) {
    using Kind = client::Report::Kind;
    if (report.kind == Kind::Connected) std::call_once(first_, [this] { connected_.set_value(); });
    if (report.kind == Kind::Lost || report.kind == Kind::ConnectionEnded || report.kind == Kind::Warning) {
      spdlog::warn("{}", report.text);
    } else {
      spdlog::debug("{}", report.text);
    }
  }

  runtime::Runtime runtime_;
  std::once_flag first_;
  std::promise<void> connected_;
  std::unique_ptr<client::Connect> connect_;
  std::future<std::expected<void, std::string>> running_;
};

class DemoCommand : public Command {
 public:
  CLI::App& declare(CLI::App& root) override {
    CLI::App& command = *root.add_subcommand("demo", "See it work: real transfers through a tube on this machine");
    command.add_option("--megabytes", megabytes_, "How much to move each way, in MB (default: 256)")
        ->check(CLI::Range(1, 1'000'000).description(""))
        ->type_name("N");
    command.add_flag("--json", json_, "End with one JSON object instead of the table");
    command.footer(kExamples);
    return command;
  }

  std::expected<void, std::string> check(const ConfigFile& /*file*/) override { return {}; }

  int run() override {
    // What the parts say about themselves is for whoever asks for it.
    if (spdlog::get_level() == spdlog::level::info) spdlog::set_level(spdlog::level::warn);
    DemoPrograms programs;
    runtime::Runtime gateway_runtime;
    gateway::Config gateway_config;
    gateway_config.listen.port = 0;
    gateway_config.allow = {"tcp:" + programs.target().to_string()};
    const auto log = spdlog::default_logger();
    auto gateway = gateway::Gateway::create(gateway_runtime, gateway_config, {log, log});
    if (!gateway) return fail(gateway.error());
    const auto address = (*gateway)->start();
    if (!address) return fail(address.error());
    say("gateway  http://" + address->to_string() + ", allows " + gateway_config.allow.front());

    const auto opened_at = Clock::now();
    auto client = DemoClient::open(client_config(*address, programs.target()));
    if (!client) return fail(client.error());
    opening_ = Clock::now() - opened_at;
    const auto tubes = (*gateway)->tubes().list();
    tube_id_ = tubes.empty() ? "" : tubes.front()->id();
    say("client   listens on " + (*client)->local_port().to_string() + "; tube " + tube_id_.substr(0, kShownId) +
        " opened in " + decimal_text(opening_.count(), 0) + " ms");

    std::vector<Transfer> transfers;
    for (const Direction direction : {Direction::Up, Direction::Down}) {
      auto transfer = move(programs, direction, (*client)->local_port());
      if (!transfer) return fail(to_string(direction) + ": " + transfer.error());
      transfers.push_back(*std::move(transfer));
    }
    return report(transfers);
  }

 private:
  static int fail(const std::string& what) {
    spdlog::error("{}", what);
    return kFailed;
  }

  /// With --json standard output is for the object alone.
  [[nodiscard]] std::ostream& out() const { return json_ ? std::cerr : std::cout; }
  void say(const std::string& line) const { out() << line << std::endl; }

  static client::ConnectConfig client_config(const Address& gateway, const Address& target) {
    client::ConnectConfig config;
    config.gateway.url = {.tls = false, .host = gateway.ip.to_string(), .port = gateway.port, .path = ""};
    client::Forward forward;
    forward.bind = client::Forward::Bind::Address;
    forward.address = IpAddress::v4({127, 0, 0, 1});
    forward.target = {.host = target.ip.to_string(), .port = target.port};
    config.forwards.push_back(std::move(forward));
    return config;
  }

  std::expected<Transfer, std::string> move(DemoPrograms& programs, Direction direction, const Address& local) const {
    const std::uint64_t bytes = megabytes_ * 1'000'000;
    Progress progress(out(), to_string(direction), bytes);
    auto transfer = programs.run(direction, local, bytes, [&](std::uint64_t done) { progress.show(done); });
    progress.end();
    return transfer;
  }

  int report(const std::vector<Transfer>& transfers) const {
    bool all_match = true;
    json::array list;
    Table table({{"tube", Align::Left},
                 {"way", Align::Left},
                 {"bytes", Align::Right},
                 {"MB/s", Align::Right},
                 {"sha256 sent", Align::Left},
                 {"sha256 got", Align::Left},
                 {"", Align::Left}});
    for (const Transfer& each : transfers) {
      all_match = all_match && each.matches();
      list.push_back({{"tube", tube_id_},
                      {"direction", to_string(each.direction)},
                      {"bytes", each.got.bytes},
                      {"seconds", each.seconds},
                      {"sha256_sent", each.sent.sha256},
                      {"sha256_got", each.got.sha256}});
      table.add({tube_id_.substr(0, kShownId), to_string(each.direction), std::to_string(each.got.bytes),
                 decimal_text(each.megabytes_per_second(), 1), each.sent.sha256.substr(0, kShownDigest),
                 each.got.sha256.substr(0, kShownDigest), each.matches() ? "equal" : "DIFFERS"});
    }
    if (json_) {
      std::cout << json::serialize(json::object{{"opened_ms", opening_.count()}, {"transfers", std::move(list)}})
                << "\n";
    } else {
      std::cout << "\n" << table.text();
    }
    return all_match ? kDone : fail("what arrived is not what was sent");
  }

  std::uint64_t megabytes_ = 256;
  bool json_ = false;
  std::string tube_id_;
  std::chrono::duration<double, std::milli> opening_{};
};

}  // namespace

std::unique_ptr<Command> make_demo_command() { return std::make_unique<DemoCommand>(); }

}  // namespace isotube::app
