// isotube bench: what one data channel between two peers carries on this machine.
#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "app/command.hpp"
#include "app/loopback.hpp"
#include "app/table.hpp"

namespace isotube::app {
namespace {

namespace json = boost::json;

constexpr const char* kExamples = R"(
Opens data channels between two peers of this process, over loopback, and
measures: the time from nothing to the open channel, what one of them carries
one way, and how long 64 bytes take to come back. Nothing leaves this machine.

Examples:
  isotube bench
  isotube bench --seconds 10 --message-size 16384 --json)";

constexpr int kOpenings = 11;
/// The first opening pays for what the process does once (OpenSSL's tables, page faults).
constexpr int kWarmOpenings = 1;

template <typename Value>
Value quantile(std::vector<Value> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

class BenchCommand : public Command {
 public:
  CLI::App& declare(CLI::App& root) override {
    CLI::App& command = *root.add_subcommand("bench", "Measure a data channel on this machine");
    command.add_option("--seconds", seconds_, "How long to measure throughput, and half of it latency (default: 3)")
        ->check(CLI::Range(1, 3600).description(""))
        ->type_name("N");
    command.add_option("--message-size", message_size_, "Bytes of a message (default: 65536)")
        ->check(CLI::Range(1, 262'144).description(""))
        ->type_name("N");
    command.add_flag("--json", json_, "Print one JSON object instead of the table");
    command.footer(kExamples);
    return command;
  }

  std::expected<void, std::string> check(const ConfigFile& /*file*/) override { return {}; }

  int run() override {
    runtime::Runtime runtime;
    std::vector<Loopback::Milliseconds> openings;
    for (int i = 0; i < kWarmOpenings + kOpenings; ++i) {
      auto pair = Loopback::open(runtime);
      if (!pair) return fail("opening a channel: " + pair.error());
      if (i >= kWarmOpenings) openings.push_back((*pair)->opening());
    }
    auto pair = Loopback::open(runtime);
    if (!pair) return fail("opening a channel: " + pair.error());
    const auto round_trips = (*pair)->round_trips(std::chrono::milliseconds(500 * seconds_));
    if (!round_trips) return fail("latency: " + round_trips.error());
    const auto rate = (*pair)->throughput(std::chrono::milliseconds(1000 * seconds_), message_size_);
    if (!rate) return fail("throughput: " + rate.error());
    report(quantile(openings, 0.5).count(), *rate / 1e6, quantile(*round_trips, 0.5).count(),
           quantile(*round_trips, 0.99).count());
    return kDone;
  }

 private:
  static int fail(const std::string& what) {
    std::cerr << "isotube bench: " << what << "\n";
    return kFailed;
  }

  void report(double opening_ms, double megabytes_per_second, double p50_us, double p99_us) const {
    if (json_) {
      std::cout << json::serialize(json::object{{"open_ms", opening_ms},
                                                {"megabytes_per_second", megabytes_per_second},
                                                {"message_size", message_size_},
                                                {"round_trip_p50_us", p50_us},
                                                {"round_trip_p99_us", p99_us}})
                << "\n";
      return;
    }
    Table table({{"one data channel, loopback", Align::Left}, {"", Align::Right}, {"", Align::Left}});
    table.add({"from nothing to open, median of " + std::to_string(kOpenings), decimal_text(opening_ms, 1), "ms"});
    table.add({"one way, messages of " + std::to_string(message_size_) + " bytes",
               decimal_text(megabytes_per_second, 1), "MB/s"});
    table.add({"64 bytes there and back, median", decimal_text(p50_us, 0), "us"});
    table.add({"64 bytes there and back, 99 of 100 within", decimal_text(p99_us, 0), "us"});
    std::cout << table.text();
  }

  int seconds_ = 3;
  std::size_t message_size_ = 65'536;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_bench_command() { return std::make_unique<BenchCommand>(); }

}  // namespace isotube::app
