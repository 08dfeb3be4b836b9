#include "unit/gateway/gateway_fixture.hpp"

#include <boost/json/parse.hpp>
#include <chrono>
#include <thread>

#include "sdp/description.hpp"

namespace isotube::gateway {

std::string LineSink::text() {
  const std::lock_guard lock(mutex_);
  return text_;
}

void LineSink::sink_it_(const spdlog::details::log_msg& message) {
  text_.append(message.payload.data(), message.payload.size());
  text_ += '\n';
}

GatewayTest::GatewayTest() = default;

GatewayTest::~GatewayTest() {
  gateway_.reset();
  runtime_.stop();
}

void GatewayTest::start(Config config) {
  config.listen = {IpAddress::v4({127, 0, 0, 1}), 0};
  const auto log = std::make_shared<spdlog::logger>("gateway", lines_);
  auto made = Gateway::create(runtime_, std::move(config), {.events = log, .audit = log});
  ASSERT_TRUE(made) << made.error();
  gateway_ = std::move(*made);
  const auto bound = gateway_->start();
  ASSERT_TRUE(bound) << bound.error();
  address_ = *bound;
}

Config GatewayTest::open_config() {
  Config config;
  config.allow = {"tcp:*:*"};
  return config;
}

Config GatewayTest::token_config() {
  Config config = open_config();
  config.token_file = folder_.write("tokens", std::string("alice:client:") + kAlice +
                                                  ":tcp:*:9000\nbob:client:" + kBob + "\nroot:admin:" + kRoot + "\n");
  return config;
}

Reply GatewayTest::ask(std::string_view method, std::string_view target, const Fields& fields,
                       std::string_view body) const {
  return gateway::ask(address_, method, target, fields, body);
}

Reply GatewayTest::ask_as(std::string_view token, std::string_view method, std::string_view target,
                          const Fields& fields, std::string_view body) const {
  Fields all = fields;
  all.add("Authorization", "Bearer " + std::string(token));
  return ask(method, target, all, body);
}

Reply GatewayTest::post_offer(std::string_view query, const Fields& fields) const {
  Fields all = fields;
  all.add("Content-Type", "application/sdp");
  return ask("POST", "/tubes?" + std::string(query), all, offer_text());
}

std::string GatewayTest::make_tube(const Fields& fields) const {
  const Reply reply = post_offer("conversation=tunnel", fields);
  EXPECT_EQ(reply.status, 201U) << reply.body;
  return std::string(reply.fields.get("Location"));
}

bool GatewayTest::wait_for_tubes(std::size_t count) const {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (gateway_->tubes().size() != count) {
    if (std::chrono::steady_clock::now() > patience) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string GatewayTest::offer_text() {
  sdp::Description offer;
  offer.type = sdp::Type::Offer;
  offer.session_id = 4711;
  offer.ice = {kUfrag, "0123456789abcdef01234567"};
  offer.fingerprints.push_back({dtls::HashAlgorithm::Sha256, Bytes(32, std::byte{0x5A})});
  offer.max_message_size = 262'144;
  return sdp::to_string(offer);
}

std::string GatewayTest::fragment_text(const std::string& ufrag) {
  sdp::Fragment fragment;
  fragment.ice = {ufrag, "0123456789abcdef01234567"};
  fragment.end_of_candidates = true;
  return sdp::to_string(fragment);
}

Fields GatewayTest::bearer(std::string_view token) { return with({{"Authorization", "Bearer " + std::string(token)}}); }

std::string problem_type(const Reply& reply) {
  if (reply.fields.get("Content-Type") != "application/problem+json") return "no problem document";
  const auto document = boost::json::parse(reply.body).as_object();
  EXPECT_EQ(document.at("status").as_int64(), reply.status);
  const std::string type(document.at("type").as_string());
  constexpr std::string_view kPrefix = "urn:isotube:problem:";
  return type.starts_with(kPrefix) ? type.substr(kPrefix.size()) : type;
}

boost::json::value json_of(const Reply& reply) {
  EXPECT_EQ(reply.fields.get("Content-Type"), "application/json");
  return boost::json::parse(reply.body);
}

}  // namespace isotube::gateway
