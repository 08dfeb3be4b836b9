#include "gateway/gateway.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <future>

#include "stun/time_limited_credentials.hpp"
#include "unit/gateway/gateway_fixture.hpp"
#include "unit/gateway/test_certificate.hpp"

namespace isotube::gateway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const Fields kSdpBody = with({{"Content-Type", "application/sdp"}});
const Fields kFragmentBody = with({{"Content-Type", "application/trickle-ice-sdpfrag"}});

Fields fragment_with(std::string if_match) {
  Fields fields = kFragmentBody;
  fields.add("If-Match", std::move(if_match));
  return fields;
}

TEST_F(GatewayTest, AnswersAnOfferWithATube) {
  start();
  const Reply reply = post_offer("conversation=tunnel&target=127.0.0.1:9000");
  ASSERT_EQ(reply.status, 201U) << reply.body;
  EXPECT_EQ(reply.fields.get("Content-Type"), "application/sdp");
  EXPECT_TRUE(reply.body.starts_with("v=0\r\n"));
  const std::string location(reply.fields.get("Location"));
  EXPECT_THAT(location, testing::MatchesRegex("/tubes/[0-9a-f]{32}"));
  const std::string etag(reply.fields.get("ETag"));
  EXPECT_THAT(reply.body, HasSubstr("a=ice-ufrag:" + etag.substr(1, etag.size() - 2)));

  const Reply status = ask("GET", location);
  EXPECT_EQ(status.status, 200U);
  EXPECT_EQ(status.fields.get("ETag"), etag);
  const auto tube = json_of(status).as_object();
  EXPECT_EQ("/tubes/" + std::string(tube.at("id").as_string()), location);
  EXPECT_EQ(tube.at("state"), "connecting");
  EXPECT_EQ(tube.at("target"), "127.0.0.1:9000");
  EXPECT_EQ(tube.at("owner"), "local");
  EXPECT_TRUE(tube.at("path").as_object().at("local").is_null());
  EXPECT_EQ(tube.at("bytes").as_object().at("up"), 0);
  EXPECT_EQ(tube.at("connections"), 0);
  EXPECT_EQ(json_of(ask("GET", "/tubes")).as_array().size(), 1U);
}

TEST_F(GatewayTest, DeletesATubeOnce) {
  start();
  const std::string tube = make_tube();
  EXPECT_EQ(ask("DELETE", tube).status, 200U);
  EXPECT_EQ(ask("DELETE", tube).status, 404U);
  EXPECT_EQ(ask("GET", tube).status, 404U);
  EXPECT_EQ(ask("PATCH", tube, fragment_with("*"), fragment_text(kUfrag)).status, 404U);
  EXPECT_EQ(ask("DELETE", "/tubes/00000000000000000000000000000000").status, 404U);
  EXPECT_TRUE(json_of(ask("GET", "/tubes")).as_array().empty());
}

TEST_F(GatewayTest, RefusesCreatesThatCantWork) {
  start();
  const std::string good = "/tubes?conversation=tunnel";
  const std::string offer = offer_text();
  const auto post = [&](const std::string& target, const Fields& fields, const std::string& body) {
    const Reply reply = ask("POST", target, fields, body);
    EXPECT_FALSE(reply.fields.count("Location"));
    return std::to_string(reply.status) + " " + problem_type(reply);
  };
  EXPECT_EQ(post("/tubes", kSdpBody, offer), "400 unknown-conversation");
  EXPECT_EQ(post("/tubes?conversation=guacd", kSdpBody, offer), "400 unknown-conversation");
  EXPECT_EQ(post(good + "&target=127.1:80", kSdpBody, offer), "400 bad-target");
  EXPECT_EQ(post(good + "&target=%zz", kSdpBody, offer), "400 bad-request");
  EXPECT_EQ(post(good + "&target=169.254.169.254:80", kSdpBody, offer), "403 target-not-allowed");
  EXPECT_EQ(post(good, {}, offer), "415 wrong-media-type");
  EXPECT_EQ(post(good, with({{"Content-Type", "text/plain"}}), offer), "415 wrong-media-type");
  EXPECT_EQ(post(good, with({{"Content-Type", "Application/SDP ; charset=utf-8"}}), offer.substr(0, 0)),
            "400 malformed-description");
  EXPECT_EQ(post(good, kSdpBody, "hello"), "400 malformed-description");
  EXPECT_EQ(gateway_->tubes().size(), 0U);
}

TEST_F(GatewayTest, RefusesAnOfferThatParsesAndCantWorkAndNamesTheLine) {
  start();
  std::string offer = offer_text();
  const std::size_t at = offer.find("a=fingerprint:");
  offer.erase(at, offer.find('\n', at) + 1 - at);
  const Reply reply = ask("POST", "/tubes?conversation=tunnel", kSdpBody, offer);
  EXPECT_EQ(reply.status, 422U);
  EXPECT_EQ(problem_type(reply), "unusable-description");
  EXPECT_THAT(reply.body, HasSubstr("fingerprint"));
}

TEST_F(GatewayTest, TakesCandidatesForTheCurrentGenerationOnly) {
  start();
  const Reply made = post_offer();
  ASSERT_EQ(made.status, 201U) << made.body;
  const std::string tube(made.fields.get("Location"));
  const std::string etag(made.fields.get("ETag"));
  const std::string fragment = fragment_text(kUfrag);
  const auto patch = [&](const Fields& fields, const std::string& body) {
    const Reply reply = ask("PATCH", tube, fields, body);
    return reply.status == 204 ? "204" : std::to_string(reply.status) + " " + problem_type(reply);
  };
  EXPECT_EQ(patch(fragment_with(etag), fragment), "204");
  EXPECT_EQ(patch(fragment_with("*"), fragment), "204");
  EXPECT_EQ(patch(fragment_with("\"*\""), fragment), "204");
  EXPECT_EQ(patch(kFragmentBody, fragment), "428 generation-needed");
  EXPECT_EQ(patch(fragment_with("\"stale\""), fragment), "412 stale-generation");
  EXPECT_EQ(patch(fragment_with("stale"), fragment), "400 bad-request");
  EXPECT_EQ(patch(fragment_with(etag), "hello"), "400 malformed-fragment");
  EXPECT_EQ(patch(fragment_with("\"stale\""), "hello"), "400 malformed-fragment");
  EXPECT_EQ(patch(with({{"Content-Type", "application/sdp"}, {"If-Match", etag}}), fragment), "415 wrong-media-type");
  EXPECT_EQ(patch(fragment_with("*"), fragment_text("anew")), "409 restart-not-available");
  EXPECT_EQ(patch(fragment_with(etag), fragment), "204") << "what was refused left the tube as it was";
}

TEST_F(GatewayTest, SaysWhatItTakesBeforeAnOffer) {
  Config config = open_config();
  config.ice_links = {{.url = "stun:192.0.2.1:3478", .username = "", .credential = ""},
                      {.url = "turn:[2001:db8::1]:3478", .username = "us", .credential = "them"}};
  start(config);
  const Reply reply = ask("OPTIONS", "/tubes");
  EXPECT_EQ(reply.status, 204U);
  EXPECT_EQ(reply.fields.get("Accept-Post"), "application/sdp");
  EXPECT_EQ(reply.fields.get("Allow"), "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(reply.fields.joined("Link"),
            "<stun:192.0.2.1:3478>; rel=\"ice-server\", <turn:[2001:db8::1]:3478>; rel=\"ice-server\"; "
            "username=\"us\"; credential=\"them\"; credential-type=\"password\"");
}

TEST_F(GatewayTest, MakesALoginOfItsOwnForEachClientOfATurnServer) {
  Config config = open_config();
  config.ice_links = {{.url = "turn:relay.example:3478", .username = "", .credential = ""}};
  config.ice_secret = "north";
  start(config);
  const std::string first = ask("OPTIONS", "/tubes").fields.joined("Link");
  const std::string second = ask("OPTIONS", "/tubes").fields.joined("Link");
  EXPECT_NE(first, second);
  const std::string username =
      first.substr(first.find("username=\"") + 10, first.find("\"; credential=") - first.find("username=\"") - 10);
  EXPECT_THAT(username, testing::MatchesRegex("[0-9]+:[0-9a-f]{32}"));
  EXPECT_THAT(first, testing::HasSubstr("credential=\"" + stun::time_limited_password("north", username) + "\""));
  EXPECT_THAT(first, testing::Not(testing::HasSubstr("north")));
}

TEST_F(GatewayTest, HasNoOtherPathsAndMethods) {
  start();
  EXPECT_EQ(ask("GET", "/metrics").status, 404U);
  EXPECT_EQ(ask("GET", "/").status, 404U);
  EXPECT_EQ(ask("POST", "/tubes/0/restart-ice").status, 404U);
  const Reply reply = ask("PUT", "/tubes");
  EXPECT_EQ(reply.status, 405U);
  EXPECT_EQ(reply.fields.get("Allow"), "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(problem_type(reply), "method-not-allowed");
}

TEST_F(GatewayTest, RefusesNamesThatAreNotItsOwn) {
  Config config = open_config();
  config.host_names = {"gate.example"};
  start(config);
  const auto status = [&](std::initializer_list<std::pair<std::string, std::string>> fields) {
    return ask("GET", "/healthz", with(fields)).status;
  };
  EXPECT_EQ(status({{"Host", "localhost:1"}}), 200U);
  EXPECT_EQ(status({{"Host", "GATE.example"}}), 200U);
  EXPECT_EQ(status({{"Host", "evil.example"}}), 403U);
  EXPECT_EQ(status({{"Host", "127.1"}}), 400U);
  EXPECT_EQ(status({{"Host", ""}}), 400U);
  EXPECT_EQ(status({{"Host", "localhost"}, {"Host", "localhost"}}), 400U);
  EXPECT_EQ(ask("GET", "http://evil.example/healthz").status, 403U);
  EXPECT_EQ(ask("GET", "http://localhost/healthz").status, 200U);
  HttpClient without(address_);
  without.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(without.read_reply().status, 400U);
}

TEST_F(GatewayTest, RefusesForeignPagesAndServesItsOwn) {
  start();
  EXPECT_EQ(problem_type(ask("GET", "/tubes", with({{"Origin", "http://evil.example"}}))), "foreign-origin");
  EXPECT_EQ(ask("POST", "/tubes?conversation=tunnel", with({{"Origin", "null"}})).status, 403U);
  EXPECT_EQ(ask("GET", "/tubes", with({{"Sec-Fetch-Site", "cross-site"}})).status, 200U);
  const Reply own = ask("GET", "/tubes", with({{"Origin", "http://" + address_.to_string()}}));
  EXPECT_EQ(own.status, 200U);
  EXPECT_EQ(own.fields.count("Access-Control-Allow-Origin"), 0U);
}

TEST_F(GatewayTest, LetsListedPagesInWithAPreflightThatNeedsNoToken) {
  Config config = token_config();
  config.cors_origins = {"https://app.example"};
  start(config);
  const Reply preflight =
      ask("OPTIONS", "/tubes", with({{"Origin", "https://app.example"}, {"Access-Control-Request-Method", "POST"}}));
  EXPECT_EQ(preflight.status, 204U);
  EXPECT_EQ(preflight.fields.get("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_THAT(std::string(preflight.fields.get("Access-Control-Allow-Methods")), HasSubstr("POST"));
  EXPECT_THAT(std::string(preflight.fields.get("Access-Control-Allow-Headers")), HasSubstr("If-Match"));
  EXPECT_EQ(preflight.fields.count("Link"), 0U);
  EXPECT_EQ(preflight.fields.get("Vary"), "Origin");
  EXPECT_EQ(ask("OPTIONS", "/tubes", with({{"Origin", "https://app.example"}})).status, 401U) << "no preflight";
  const Reply refused = ask("GET", "/tubes", with({{"Origin", "https://app.example"}}));
  EXPECT_EQ(refused.status, 401U);
  EXPECT_EQ(refused.fields.get("Access-Control-Allow-Origin"), "https://app.example")
      << "so that the page can read why";
  EXPECT_EQ(
      ask("OPTIONS", "/tubes", with({{"Origin", "https://evil"}, {"Access-Control-Request-Method", "POST"}})).status,
      403U);
}

TEST_F(GatewayTest, WantsATokenEverywhereButForHealth) {
  start(token_config());
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/tubes"}, {"POST", "/tubes?conversation=tunnel"}, {"OPTIONS", "/tubes"}, {"GET", "/tubes/0"}}) {
    const Reply reply = ask(method, target);
    EXPECT_EQ(reply.status, 401U) << method << target;
    EXPECT_TRUE(reply.fields.get("WWW-Authenticate").starts_with("Bearer"));
    EXPECT_EQ(ask_as("wrong", method, target).status, 401U);
  }
  EXPECT_EQ(ask("GET", "/healthz").status, 200U);
  EXPECT_EQ(ask("GET", "/readyz").status, 200U);
  EXPECT_EQ(ask("HEAD", "/healthz").status, 200U);
  EXPECT_EQ(ask_as(kAlice, "GET", "/tubes").status, 200U);
}

TEST_F(GatewayTest, ShowsAClientHisOwnTubesAndAnAdminAll) {
  start(token_config());
  const std::string alices = make_tube(bearer(kAlice));
  const std::string bobs = make_tube(bearer(kBob));
  EXPECT_EQ(json_of(ask_as(kAlice, "GET", "/tubes")).as_array().size(), 1U);
  EXPECT_EQ(json_of(ask_as(kRoot, "GET", "/tubes")).as_array().size(), 2U);
  EXPECT_EQ(json_of(ask_as(kAlice, "GET", alices)).as_object().at("owner"), "alice");
  EXPECT_EQ(ask_as(kAlice, "GET", bobs).status, 404U);
  EXPECT_EQ(ask_as(kAlice, "DELETE", bobs).status, 404U);
  Fields patch = fragment_with("*");
  EXPECT_EQ(ask_as(kAlice, "PATCH", bobs, patch, fragment_text(kUfrag)).status, 404U);
  EXPECT_EQ(ask_as(kRoot, "PATCH", bobs, patch, fragment_text(kUfrag)).status, 204U);
  EXPECT_EQ(ask_as(kRoot, "DELETE", alices).status, 200U);
  EXPECT_EQ(ask_as(kBob, "GET", bobs).status, 200U);
}

TEST_F(GatewayTest, NarrowsTargetsByToken) {
  start(token_config());
  EXPECT_EQ(post_offer("conversation=tunnel&target=a:9001", bearer(kAlice)).status, 403U);
  EXPECT_EQ(post_offer("conversation=tunnel&target=a:9000", bearer(kAlice)).status, 201U);
  EXPECT_EQ(post_offer("conversation=tunnel&target=a:9001", bearer(kBob)).status, 201U);
}

TEST_F(GatewayTest, RefusesMoreCreatesAtOnceThanItsBounds) {
  Config config = token_config();
  config.admission = {.creates = 1, .creates_per_client = 0};
  start(config);
  const Reply client = post_offer("conversation=tunnel", bearer(kBob));
  EXPECT_EQ(client.status, 429U);
  EXPECT_NE(client.fields.get("Retry-After"), "");
}

TEST_F(GatewayTest, SaysThatItIsOverloaded) {
  Config config = open_config();
  config.admission.tubes = 1;
  start(config);
  EXPECT_EQ(ask("GET", "/readyz").status, 200U);
  const std::string tube = make_tube();
  const Reply reply = post_offer();
  EXPECT_EQ(reply.status, 503U);
  EXPECT_EQ(problem_type(reply), "overloaded");
  EXPECT_NE(reply.fields.get("Retry-After"), "");
  EXPECT_EQ(ask("GET", "/readyz").status, 503U);
  EXPECT_EQ(ask("GET", "/healthz").status, 200U);
  EXPECT_EQ(ask("DELETE", tube).status, 200U);
  EXPECT_EQ(ask("GET", "/readyz").status, 200U);
}

TEST_F(GatewayTest, DrainsRefusingNewTubesUntilTheLastIsGone) {
  Config config = open_config();
  config.drain = 60s;
  start(config);
  const std::string tube = make_tube();
  std::future<void> drained = boost::asio::co_spawn(runtime_.context(), gateway_->drain(), boost::asio::use_future);
  while (ask("GET", "/readyz").status == 200) {
  }
  EXPECT_EQ(problem_type(ask("GET", "/readyz")), "draining");
  const Reply refused = post_offer();
  EXPECT_EQ(refused.status, 503U);
  EXPECT_NE(refused.fields.get("Retry-After"), "");
  EXPECT_EQ(ask("GET", "/healthz").status, 200U);
  (void)ask("DELETE", tube);
  EXPECT_EQ(drained.wait_for(10s), std::future_status::ready);
}

TEST_F(GatewayTest, ClosesWhatOutlivesTheDrainTime) {
  Config config = open_config();
  config.drain = 50ms;
  start(config);
  (void)make_tube();
  std::future<void> drained = boost::asio::co_spawn(runtime_.context(), gateway_->drain(), boost::asio::use_future);
  EXPECT_EQ(drained.wait_for(20s), std::future_status::ready);
  EXPECT_TRUE(wait_for_tubes(0));
}

TEST_F(GatewayTest, MayBeToldTwiceToDrain) {
  Config config = open_config();
  config.drain = 60s;
  start(config);
  const std::string tube = make_tube();
  std::future<void> first = boost::asio::co_spawn(runtime_.context(), gateway_->drain(), boost::asio::use_future);
  std::future<void> second = boost::asio::co_spawn(runtime_.context(), gateway_->drain(), boost::asio::use_future);
  (void)ask("DELETE", tube);
  EXPECT_EQ(first.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(second.wait_for(10s), std::future_status::ready);
}

TEST_F(GatewayTest, NamesTheMediaTypeThatItWants) {
  start();
  EXPECT_EQ(ask("POST", "/tubes?conversation=tunnel", {}, offer_text()).fields.get("Accept-Post"), "application/sdp");
  EXPECT_EQ(ask("PATCH", make_tube(), with({{"If-Match", "*"}}), fragment_text(kUfrag)).fields.get("Accept-Patch"),
            "application/trickle-ice-sdpfrag");
}

TEST_F(GatewayTest, ReadsTokensAndAllowListAgainWithoutDroppingATube) {
  start(token_config());
  const std::string tube = make_tube(bearer(kBob));
  folder_.write("tokens", std::string("bob:client:") + kBob + "\ncarol:client:DDDDDDDDDDDDDDDD\n");
  ASSERT_TRUE(gateway_->reload(std::vector<std::string>{"tcp:only.example:80"}));
  EXPECT_EQ(ask_as(kAlice, "GET", "/tubes").status, 401U);
  EXPECT_EQ(ask_as("DDDDDDDDDDDDDDDD", "GET", "/tubes").status, 200U);
  EXPECT_EQ(ask_as(kBob, "GET", tube).status, 200U);
  EXPECT_EQ(post_offer("conversation=tunnel&target=other.example:80", bearer(kBob)).status, 403U);
  EXPECT_EQ(post_offer("conversation=tunnel&target=only.example:80", bearer(kBob)).status, 201U);
  ASSERT_TRUE(gateway_->reload());
  EXPECT_EQ(post_offer("conversation=tunnel&target=other.example:80", bearer(kBob)).status, 403U) << "rules stay";
}

TEST_F(GatewayTest, KeepsTheOldSettingsWhenNewOnesAreWrong) {
  start(token_config());
  folder_.write("tokens", "nonsense");
  const auto reloaded = gateway_->reload(std::vector<std::string>{"tcp:only.example:80"});
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error(), HasSubstr("tokens: line 1"));
  EXPECT_EQ(post_offer("conversation=tunnel&target=other.example:80", bearer(kBob)).status, 201U);
  EXPECT_FALSE(gateway_->reload(std::vector<std::string>{"nonsense"}));
}

TEST_F(GatewayTest, ReadsItsCertificateAgain) {
  const auto write = [&](const std::string& name) {
    const TestCertificate made = make_test_certificate(name);
    folder_.write("cert.pem", made.certificate_pem);
    folder_.write("key.pem", made.key_pem);
  };
  write("first");
  Config config = open_config();
  config.tls_certificate = folder_.path() / "cert.pem";
  config.tls_key = folder_.path() / "key.pem";
  start(config);
  EXPECT_EQ(HttpClient(address_, HttpClient::Wire::Tls).server_common_name(), "first");
  write("second");
  ASSERT_TRUE(gateway_->reload());
  HttpClient client(address_, HttpClient::Wire::Tls);
  EXPECT_EQ(client.server_common_name(), "second");
  EXPECT_EQ(client.ask("GET", "/healthz").status, 200U);
}

TEST_F(GatewayTest, WritesNoTokenIntoItsLog) {
  start(token_config());
  (void)make_tube(bearer(kBob));
  (void)ask_as("wrong-token-of-somebody", "GET", "/tubes");
  const std::string log = lines_->text();
  EXPECT_THAT(log, HasSubstr("of bob created"));
  EXPECT_THAT(log, Not(HasSubstr(kBob)));
  EXPECT_THAT(log, Not(HasSubstr("wrong-token")));
}

TEST_F(GatewayTest, SaysWhyItCantBeMade) {
  const auto log = std::make_shared<spdlog::logger>("gateway", lines_);
  const auto error_of = [&](Config config) {
    const auto made = Gateway::create(runtime_, std::move(config), {.events = log, .audit = log});
    return made ? "no error" : made.error();
  };
  Config config = open_config();
  config.token_file = folder_.path() / "missing";
  EXPECT_THAT(error_of(config), HasSubstr("missing"));
  config = open_config();
  config.tls_certificate = folder_.write("cert.pem", "junk");
  config.tls_key = folder_.write("key.pem", "junk");
  EXPECT_THAT(error_of(config), HasSubstr("cert.pem"));
  config = open_config();
  config.listen = *Address::parse("0.0.0.0:0");
  EXPECT_THAT(error_of(config), HasSubstr("--token-file"));
}

TEST_F(GatewayTest, EndsEverythingWhenItStops) {
  start();
  (void)make_tube();
  HttpClient client(address_);
  EXPECT_EQ(client.ask("GET", "/healthz").status, 200U);
  gateway_->stop();
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(wait_for_tubes(0));
}

}  // namespace
}  // namespace isotube::gateway
