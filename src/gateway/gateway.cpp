#include "gateway/gateway.hpp"

#include <mutex>

#include "gateway/access.hpp"
#include "gateway/audit.hpp"
#include "gateway/http_server.hpp"
#include "gateway/request_gate.hpp"
#include "gateway/tls.hpp"
#include "gateway/tube_service.hpp"

namespace isotube::gateway {
namespace asio = boost::asio;

namespace {

/// What the files and the allow list hold, read as one.
struct Loaded {
  std::shared_ptr<const AccessRules> rules;
  TlsContext tls;
};

std::expected<Loaded, std::string> load(const Config& config) {
  AccessRules rules;
  auto allow = AllowList::parse(config.allow);
  if (!allow) return std::unexpected(std::move(allow.error()));
  rules.allow = std::move(*allow);
  if (config.token_file) {
    auto tokens = TokenFile::read(*config.token_file);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    rules.tokens = std::make_shared<const TokenFile>(std::move(*tokens));
  }
  Loaded loaded{.rules = std::make_shared<const AccessRules>(std::move(rules)), .tls = nullptr};
  if (config.has_tls()) {
    auto tls = load_tls(*config.tls_certificate, *config.tls_key);
    if (!tls) return std::unexpected(std::move(tls.error()));
    loaded.tls = std::move(*tls);
  }
  return loaded;
}

void log_warnings(const AccessRules& rules, spdlog::logger& log) {
  if (!rules.tokens) return;
  for (const std::string& warning : rules.tokens->warnings()) log.warn(warning);
}

}  // namespace

class Gateway::Impl {
 public:
  Impl(runtime::Runtime& runtime, Config config, Logs logs, Loaded loaded)
      : config_(std::move(config)),
        log_(logs.events),
        rules_(std::make_shared<LiveRules>(std::move(loaded.rules))),
        tubes_(std::make_shared<TubeService>(runtime, config_, rules_, TubeService::Logs{logs.events, logs.audit})),
        server_(std::make_shared<HttpServer>(runtime.context(), config_.http, std::move(loaded.tls), handler(),
                                             logs.events)) {}

  [[nodiscard]] std::expected<Address, std::string> start() {
    auto bound = server_->start(config_.listen);
    if (bound) log_->info("gateway listens on {}{}", bound->to_string(), config_.has_tls() ? " with TLS" : "");
    return bound;
  }

  [[nodiscard]] std::expected<void, std::string> reload(std::optional<std::vector<std::string>> allow) {
    const std::lock_guard lock(reload_mutex_);
    Config next = config_;
    if (allow) next.allow = std::move(*allow);
    auto loaded = load(next);
    if (!loaded) {
      log_->error("reload failed, the old settings stay: {}", loaded.error());
      return std::unexpected(std::move(loaded.error()));
    }
    log_warnings(*loaded->rules, *log_);
    config_.allow = std::move(next.allow);
    rules_->set(std::move(loaded->rules));
    if (loaded->tls) server_->set_tls(std::move(loaded->tls));
    log_->info("certificate, tokens and allow list were read again");
    return {};
  }

  [[nodiscard]] asio::awaitable<void> drain() { return drain_tubes(tubes_, config_.drain); }

  void stop() {
    server_->stop();
    tubes_->close_all();
  }

  [[nodiscard]] const TubeService& tubes() const { return *tubes_; }

 private:
  /// Holds what it awaits, so that a gateway may go while it drains.
  [[nodiscard]] static asio::awaitable<void> drain_tubes(std::shared_ptr<TubeService> tubes,
                                                         std::chrono::milliseconds time) {
    co_await tubes->drain(time);
  }

  [[nodiscard]] RequestHandler handler() const {
    return [gate = std::make_shared<const RequestGate>(config_, rules_, tubes_)](Request request) {
      return handle(gate, std::move(request));
    };
  }

  /// A coroutine of its own, so that its frame holds the request while the gate refers to it.
  [[nodiscard]] static asio::awaitable<Response> handle(std::shared_ptr<const RequestGate> gate, Request request) {
    Response response = co_await gate->handle(request);
    co_return response;
  }

  std::mutex reload_mutex_;
  Config config_;  ///< only `allow` changes, under reload_mutex_
  const std::shared_ptr<spdlog::logger> log_;
  const std::shared_ptr<LiveRules> rules_;
  const std::shared_ptr<TubeService> tubes_;
  const std::shared_ptr<HttpServer> server_;
};

std::expected<std::unique_ptr<Gateway>, std::string> Gateway::create(runtime::Runtime& runtime, Config config,
                                                                     Logs logs) {
  const auto warnings = check(config);
  if (!warnings) return std::unexpected(warnings.error());
  auto loaded = load(config);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  for (const std::string& warning : *warnings) logs.events->warn(warning);
  log_warnings(*loaded->rules, *logs.events);
  return std::make_unique<Gateway>(
      std::make_shared<Impl>(runtime, std::move(config), std::move(logs), std::move(*loaded)));
}

Gateway::Gateway(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Gateway::~Gateway() { stop(); }

std::expected<Address, std::string> Gateway::start() { return impl_->start(); }

std::expected<void, std::string> Gateway::reload(std::optional<std::vector<std::string>> allow) {
  return impl_->reload(std::move(allow));
}

asio::awaitable<void> Gateway::drain() { return impl_->drain(); }

void Gateway::stop() { impl_->stop(); }

const tube::TubeRegistry& Gateway::tubes() const { return impl_->tubes().tubes(); }

}  // namespace isotube::gateway
