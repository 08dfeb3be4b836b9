// A gateway on a free port of this machine, and what tests say to it.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>

#include <boost/json/value.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/gateway.hpp"
#include "unit/gateway/http_client.hpp"
#include "unit/gateway/temporary_folder.hpp"

namespace isotube::gateway {

/// Keeps lines for a test to look at.
class LineSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// All lines so far, joined.
  [[nodiscard]] std::string text();

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

  std::string text_;
};

class GatewayTest : public testing::Test {
 protected:
  static constexpr const char* kAlice = "AAAAAAAAAAAAAAAA";
  static constexpr const char* kBob = "BBBBBBBBBBBBBBBB";
  static constexpr const char* kRoot = "CCCCCCCCCCCCCCCC";

  GatewayTest();
  ~GatewayTest() override;

  /// Starts with `config`, on a free loopback port.
  void start(Config config = open_config());
  /// Everything allowed, no tokens.
  [[nodiscard]] static Config open_config();
  /// Everything allowed to alice and bob (clients) and root (an admin); alice's token is narrowed to port 9000.
  [[nodiscard]] Config token_config();

  [[nodiscard]] Reply ask(std::string_view method, std::string_view target, const Fields& fields = {},
                          std::string_view body = {}) const;
  [[nodiscard]] Reply ask_as(std::string_view token, std::string_view method, std::string_view target,
                             const Fields& fields = {}, std::string_view body = {}) const;
  /// A good offer to `POST /tubes?conversation=tunnel…`.
  [[nodiscard]] Reply post_offer(std::string_view query = "conversation=tunnel", const Fields& fields = {}) const;
  /// A tube's path, such as "/tubes/0123…".
  [[nodiscard]] std::string make_tube(const Fields& fields = {}) const;
  /// Waits until the gateway has `count` tubes; false if that takes more than 10 s.
  [[nodiscard]] bool wait_for_tubes(std::size_t count) const;

  [[nodiscard]] static std::string offer_text();
  /// A trickle fragment without candidates.
  [[nodiscard]] static std::string fragment_text(const std::string& ufrag);
  [[nodiscard]] static Fields bearer(std::string_view token);
  static constexpr const char* kUfrag = "abcd";

  TemporaryFolder folder_;
  std::shared_ptr<LineSink> lines_ = std::make_shared<LineSink>();
  runtime::Runtime runtime_{2};
  std::unique_ptr<Gateway> gateway_;
  Address address_;
};

/// The type of a problem document, without what all have in common.
[[nodiscard]] std::string problem_type(const Reply& reply);
[[nodiscard]] boost::json::value json_of(const Reply& reply);

}  // namespace isotube::gateway
