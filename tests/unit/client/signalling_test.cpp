#include "client/signalling.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>

#include "fake_gateway.hpp"

namespace isotube::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Kind = SignallingError::Kind;

std::string http(const std::string& status, const std::string& fields = "", const std::string& body = "") {
  return "HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string problem(const std::string& status, const std::string& detail) {
  return http(status, "Content-Type: application/problem+json\r\n", R"({"title":"t","detail":")" + detail + "\"}");
}

sdp::Description description(sdp::Type type) {
  sdp::Description result;
  result.type = type;
  result.session_id = 1;
  result.ice = {"ufra", "0123456789012345678901"};
  result.setup = type == sdp::Type::Offer ? sdp::Setup::ActPass : sdp::Setup::Active;
  result.fingerprints = {{dtls::HashAlgorithm::Sha256, Bytes(32, std::byte{7})}};
  return result;
}

const std::string kCreated = http("201 Created",
                                  "Location: /tubes/0123456789abcdef\r\nETag: \"gen1\"\r\n"
                                  "Content-Type: application/sdp\r\n",
                                  sdp::to_string(description(sdp::Type::Answer)));

class Signalling : public ::testing::Test {
 protected:
  /// A client of a gateway that answers `response` to everything.
  void answer_with(std::string response) {
    gateway_ = std::make_unique<FakeGateway>([response = std::move(response)](const std::string&) { return response; });
    connect({.url = gateway_->url(), .token = "secret-token", .ca_file = "", .time_limit = std::chrono::seconds(5)});
  }

  void connect(SignallingConfig config) { client_ = SignallingClient::create(strand_, std::move(config)).value(); }

  template <typename T>
  std::expected<T, SignallingError> wait(boost::asio::awaitable<std::expected<T, SignallingError>> call) {
    return boost::asio::co_spawn(strand_, std::move(call), boost::asio::use_future).get();
  }

  std::string request() { return gateway_->requests().at(0); }

  runtime::Runtime runtime_{1};
  runtime::Strand strand_ = runtime_.make_strand();
  std::unique_ptr<FakeGateway> gateway_;
  std::unique_ptr<SignallingClient> client_;
};

TEST_F(Signalling, AsksForIceServersWithItsToken) {
  answer_with(http("204 No Content", "Link: <stun:a:1>; rel=\"ice-server\"\r\nLink: <turn:b>; rel=\"ice-server\"\r\n"));
  const auto servers = wait(client_->ice_servers());
  ASSERT_TRUE(servers) << servers.error().what;
  ASSERT_EQ(servers->size(), 2U);
  EXPECT_EQ(servers->at(0).port, 1);
  EXPECT_THAT(request(), StartsWith("OPTIONS /tubes HTTP/1.1\r\n"));
  EXPECT_THAT(request(), HasSubstr("Authorization: Bearer secret-token\r\n"));
  EXPECT_THAT(request(), HasSubstr("Host: " + gateway_->url().authority() + "\r\n"));
}

TEST_F(Signalling, OpensATubeWithItsOffer) {
  answer_with(kCreated);
  const auto opened = wait(client_->open_tube(description(sdp::Type::Offer), std::nullopt));
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ(opened->resource, "/tubes/0123456789abcdef");
  EXPECT_EQ(opened->id(), "0123456789abcdef");
  EXPECT_EQ(opened->etag, "\"gen1\"");
  EXPECT_EQ(opened->answer.ice.ufrag, "ufra");
  EXPECT_THAT(request(), StartsWith("POST /tubes?conversation=tunnel HTTP/1.1\r\n"));
  EXPECT_THAT(request(), HasSubstr("Content-Type: application/sdp\r\n"));
  EXPECT_THAT(request(), HasSubstr("a=ice-ufrag:ufra"));
}

TEST_F(Signalling, NamesAFixedTargetInTheQuery) {
  answer_with(kCreated);
  (void)wait(client_->open_tube(description(sdp::Type::Offer), frame::Target{"2001:db8::1", 22}));
  EXPECT_THAT(request(),
              StartsWith("POST /tubes?conversation=tunnel&target=%5B2001%3Adb8%3A%3A1%5D%3A22 HTTP/1.1\r\n"));
}

TEST_F(Signalling, SendsCandidatesForItsGeneration) {
  answer_with(http("204 No Content"));
  sdp::Fragment fragment;
  fragment.ice = {"ufra", "0123456789012345678901"};
  fragment.end_of_candidates = true;
  ASSERT_TRUE(wait(client_->add_candidates({"/tubes/1", "\"gen1\"", {}}, fragment)));
  EXPECT_THAT(request(), StartsWith("PATCH /tubes/1 HTTP/1.1\r\n"));
  EXPECT_THAT(request(), HasSubstr("If-Match: \"gen1\"\r\n"));
  EXPECT_THAT(request(), HasSubstr("Content-Type: application/trickle-ice-sdpfrag\r\n"));
}

TEST_F(Signalling, PutsThePathOfTheUrlInFront) {
  gateway_ = std::make_unique<FakeGateway>([](const std::string&) { return kCreated; });
  GatewayUrl url = gateway_->url();
  url.path = "/gate";
  connect({.url = url, .token = "", .ca_file = "", .time_limit = std::chrono::seconds(5)});
  const auto opened = wait(client_->open_tube(description(sdp::Type::Offer), std::nullopt));
  ASSERT_TRUE(opened);
  EXPECT_THAT(request(), StartsWith("POST /gate/tubes?"));
  EXPECT_THAT(request(), Not(HasSubstr("Authorization")));
  (void)wait(client_->close_tube(*opened, std::chrono::seconds(5)));
  EXPECT_THAT(gateway_->requests().at(1), StartsWith("DELETE /gate/tubes/0123456789abcdef "));
}

TEST_F(Signalling, ATubeThatIsGoneIsClosed) {
  answer_with(problem("404 Not Found", "no such tube"));
  EXPECT_TRUE(wait(client_->close_tube({"/tubes/1", "", {}}, std::chrono::seconds(5))));
  EXPECT_EQ(wait(client_->has_tube({"/tubes/1", "", {}})), false);
}

TEST_F(Signalling, ListsTubes) {
  answer_with(http("200 OK", "Content-Type: application/json\r\n", R"([{"id":"a"},{"id":"b"}])"));
  const auto tubes = wait(client_->list_tubes());
  ASSERT_TRUE(tubes);
  EXPECT_EQ(tubes->size(), 2U);
}

TEST_F(Signalling, TellsWhatTheGatewaySaidAndWhatToDo) {
  answer_with(problem("401 Unauthorized", "this token is not known"));
  const auto refused = wait(client_->ice_servers());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Kind::Refused);
  EXPECT_EQ(refused.error().status, 401U);
  EXPECT_THAT(refused.error().what, HasSubstr("this token is not known"));
  EXPECT_THAT(refused.error().what, HasSubstr("--token-file"));
  EXPECT_THAT(refused.error().what, Not(HasSubstr("secret-token")));
  EXPECT_FALSE(refused.error().is_worth_a_retry());
}

TEST_F(Signalling, KeepsTheGatewaysTextFromActingOnTheTerminal) {
  answer_with(problem("403 Forbidden", "\\u001b[2J"));
  EXPECT_THAT(wait(client_->ice_servers()).error().what, Not(HasSubstr("\x1b")));
}

TEST_F(Signalling, AnOverloadedGatewayIsWorthARetryAfterItsTime) {
  answer_with(http("503 Service Unavailable", "Retry-After: 7\r\n"));
  const auto refused = wait(client_->ice_servers());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_worth_a_retry());
  EXPECT_EQ(refused.error().retry_after, Duration(std::chrono::seconds(7)));
}

TEST_F(Signalling, DoesNotWaitForEverBecauseAGatewaySaysSo) {
  for (const auto& [field, expected] : {std::pair{"4000000000", 300}, {"99999999999", 0}, {"soon", 0}, {"-1", 0}}) {
    answer_with(http("503 Service Unavailable", "Retry-After: " + std::string(field) + "\r\n"));
    const auto refused = wait(client_->ice_servers());
    EXPECT_EQ(refused.error().retry_after.value_or(Duration(0)), Duration(std::chrono::seconds(expected))) << field;
  }
}

TEST_F(Signalling, AServerThatIsNoGatewayIsSaidToBeNone) {
  for (const std::string& response :
       {http("404 Not Found"), http("405 Method Not Allowed"), http("200 OK", "", "<html>"),
        std::string("hello\r\n\r\n"), http("201 Created", "Location: /tubes/1\r\n", "v=0\r\n"),
        http("201 Created", "", "v=0\r\n"), http("301 Moved", "Location: http://elsewhere/\r\n")}) {
    answer_with(response);
    EXPECT_FALSE(wait(client_->open_tube(description(sdp::Type::Offer), std::nullopt))) << response;
  }
}

// The token would follow.
TEST_F(Signalling, IsNotLedToAnotherServerByALocation) {
  for (const char* location : {"http://evil.example/tubes/1", "//evil.example/tubes/1", "https://127.0.0.1/tubes/1",
                               "tubes/1", "", "/", "/tubes/1 x"}) {
    answer_with(http("201 Created", "Location: " + std::string(location) + "\r\n",
                     sdp::to_string(description(sdp::Type::Answer))));
    const auto opened = wait(client_->open_tube(description(sdp::Type::Offer), std::nullopt));
    ASSERT_FALSE(opened) << location;
    EXPECT_EQ(opened.error().kind, Kind::BadAnswer) << location;
  }
}

TEST_F(Signalling, AClosedPortIsUnreachable) {
  GatewayUrl url;
  {
    FakeGateway gone([](const std::string&) { return ""; });
    url = gone.url();
  }
  connect({.url = url, .token = "", .ca_file = "", .time_limit = std::chrono::seconds(5)});
  const auto answer = wait(client_->ice_servers());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::Unreachable);
  EXPECT_THAT(answer.error().what, HasSubstr(url.to_string()));
  EXPECT_TRUE(answer.error().is_worth_a_retry());
}

TEST_F(Signalling, ASilentGatewayTimesOut) {
  gateway_ = std::make_unique<FakeGateway>([](const std::string&) { return ""; });
  connect({.url = gateway_->url(), .token = "", .ca_file = "", .time_limit = std::chrono::milliseconds(50)});
  const auto answer = wait(client_->ice_servers());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::TimedOut);
}

TEST_F(Signalling, CancelEndsACallAtOnce) {
  std::promise<void> asked;
  gateway_ = std::make_unique<FakeGateway>([&asked](const std::string&) {
    asked.set_value();
    return "";
  });
  connect({.url = gateway_->url(), .token = "", .ca_file = "", .time_limit = std::chrono::hours(1)});
  auto answer = boost::asio::co_spawn(strand_, client_->ice_servers(), boost::asio::use_future);
  asked.get_future().wait();
  boost::asio::post(strand_, [this] { client_->cancel(); });
  EXPECT_FALSE(answer.get());
}

TEST_F(Signalling, ATlsClientDoesNotSpeakToAPlainServer) {
  gateway_ = std::make_unique<FakeGateway>([](const std::string&) { return http("200 OK"); });
  GatewayUrl url = gateway_->url();
  url.tls = true;
  connect({.url = url, .token = "secret-token", .ca_file = "", .time_limit = std::chrono::seconds(5)});
  const auto answer = wait(client_->ice_servers());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::Tls);
  EXPECT_THAT(answer.error().what, HasSubstr("--ca-file"));
}

TEST(SignallingClient, SaysWhichCaFileItCanNotRead) {
  runtime::Runtime runtime(1);
  const auto client = SignallingClient::create(runtime.make_strand(),
                                               {.url = {}, .token = "", .ca_file = "/no/such/file", .time_limit = {}});
  ASSERT_FALSE(client);
  EXPECT_THAT(client.error(), HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace isotube::client
