#include "gateway/http_server.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include <boost/asio/executor_work_guard.hpp>
#include <thread>

#include "gateway/tls.hpp"
#include "unit/gateway/http_client.hpp"
#include "unit/gateway/temporary_folder.hpp"
#include "unit/gateway/test_certificate.hpp"

namespace isotube::gateway {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<Response> echo(Request request) {
  if (request.target == "/throw") throw std::runtime_error("a fault of the handler");
  Response response{.status = 200, .fields = {}, .body = request.method + " " + request.target + " " + request.body};
  if (request.target == "/empty") response = {.status = 204, .fields = {}, .body = {}};
  response.fields.add("X-Secure", request.secure ? "yes" : "no");
  response.fields.add("X-Source", request.source.ip.to_string());
  co_return response;
}

TlsContext tls_of(const TemporaryFolder& folder, const std::string& name) {
  const TestCertificate made = make_test_certificate(name);
  auto tls = load_tls(folder.write("cert.pem", made.certificate_pem), folder.write("key.pem", made.key_pem));
  EXPECT_TRUE(tls) << tls.error();
  return tls ? *tls : nullptr;
}

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    for (std::jthread& worker : workers_) worker = std::jthread([this] { context_.run(); });
  }
  ~HttpServerTest() override {
    if (server_) server_->stop();
    work_.reset();
    workers_ = {};
    server_.reset();
  }

  Address start(const HttpLimits& limits = {}, TlsContext tls = nullptr) {
    auto log = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>());
    server_ = std::make_shared<HttpServer>(context_, limits, std::move(tls), echo, std::move(log));
    const auto bound = server_->start({IpAddress::v4({127, 0, 0, 1}), 0});
    EXPECT_TRUE(bound) << bound.error();
    return bound.value_or(Address{});
  }

  std::shared_ptr<HttpServer> server_;

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  std::array<std::jthread, 2> workers_;
};

TEST_F(HttpServerTest, HandsWholeRequestsToItsHandler) {
  const Address server = start();
  const Reply reply = ask(server, "POST", "/a?b=c", {}, "hello");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.body, "POST /a?b=c hello");
  EXPECT_EQ(reply.fields.get("X-Secure"), "no");
  EXPECT_EQ(reply.fields.get("X-Source"), "127.0.0.1");
  EXPECT_TRUE(reply.fields.get("Date").ends_with(" GMT")) << reply.fields.get("Date");
}

TEST_F(HttpServerTest, KeepsAConnectionForTheNextRequests) {
  HttpClient client(start());
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(client.ask("GET", "/" + std::to_string(i)).body, "GET /" + std::to_string(i) + " ");
  EXPECT_EQ(client.ask("GET", "/", with({{"Connection", "close"}})).fields.get("Connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpServerTest, AnswersRequestsThatComeTogetherInTheirOrder) {
  HttpClient client(start());
  client.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /3 "
      "HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "GET /1 ");
  EXPECT_EQ(client.read_reply().body, "POST /2 hi");
  EXPECT_EQ(client.read_reply().body, "GET /3 ");
}

TEST_F(HttpServerTest, ReadsAChunkedBody) {
  HttpClient client(start());
  client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "POST / hello");
}

TEST_F(HttpServerTest, AnswersHeadWithTheLengthAloneAnd204WithoutOne) {
  HttpClient client(start());
  const Reply head = client.ask("HEAD", "/abc");
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.fields.get("Content-Length"), "10");
  const Reply empty = client.ask("GET", "/empty");
  EXPECT_EQ(empty.status, 204U);
  EXPECT_EQ(empty.fields.count("Content-Length"), 0U);
  EXPECT_EQ(client.ask("GET", "/after").body, "GET /after ");
}

TEST_F(HttpServerTest, TellsAClientThatWaitsForItToGoOn) {
  HttpClient client(start());
  client.send("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 100U);
  client.send("hi");
  EXPECT_EQ(client.read_reply().body, "POST / hi");
  EXPECT_EQ(client.ask("GET", "/", with({{"Expect", "miracles"}})).status, 417U);
}

TEST_F(HttpServerTest, SpeaksHttp10) {
  HttpClient client(start());
  client.send("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "GET /old ");
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpServerTest, TurnsAnExceptionIntoA500ForThatRequestAlone) {
  HttpClient client(start());
  const Reply reply = client.ask("GET", "/throw");
  EXPECT_EQ(reply.status, 500U);
  EXPECT_EQ(reply.fields.get("Content-Type"), "application/problem+json");
  EXPECT_EQ(reply.body.find("a fault of the handler"), std::string::npos) << "details stay in the log";
  EXPECT_EQ(client.ask("GET", "/after").status, 200U);
}

TEST_F(HttpServerTest, AnswersWhatIsNoHttpWithA400AndCloses) {
  const Address server = start();
  for (const std::string& bytes :
       {std::string("hello\r\n\r\n"), std::string("GET / HTTP/9.9\r\n\r\n"),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26),
        std::string("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), std::string(64, '\0'),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(600, 'x')}) {
    HttpClient client(server);
    client.send(bytes);
    EXPECT_EQ(client.read_reply().status, 400U) << bytes;
    EXPECT_TRUE(client.ended());
  }
}

TEST_F(HttpServerTest, RefusesAHeaderOverItsLimit) {
  HttpClient client(start());
  client.send("GET / HTTP/1.1\r\nA: " + std::string(20'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 431U);
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpServerTest, RefusesABodyOverItsLimitAndTheClientSeesIt) {
  const Address server = start();
  const std::string body((64 << 10) + 1, 'b');
  EXPECT_EQ(ask(server, "POST", "/", {}, body).status, 413U);
  EXPECT_EQ(ask(server, "POST", "/", {}, std::string(900'000, 'b')).status, 413U);
  EXPECT_EQ(ask(server, "POST", "/", {}, body.substr(1)).status, 200U);
  HttpClient chunked(server);
  chunked.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n" + body + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.read_reply().status, 413U);
  HttpClient announced(server);
  announced.send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9999999999\r\n\r\n");
  EXPECT_EQ(announced.read_reply().status, 413U) << "not 100: the body is not asked for";
}

TEST_F(HttpServerTest, CutsOffClientsThatAreTooSlow) {
  const Address server = start({.header_time = 100ms, .body_time = 100ms, .idle_time = 100ms});
  HttpClient silent(server);
  HttpClient slow_header(server);
  slow_header.send("GET / HTTP/1.1\r\nA: ");
  HttpClient slow_body(server);
  slow_body.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  HttpClient idle(server);
  EXPECT_EQ(idle.ask("GET", "/").status, 200U);
  for (HttpClient* client : {&silent, &slow_header, &slow_body, &idle}) EXPECT_TRUE(client->ended());
}

TEST_F(HttpServerTest, TimesAHeaderAsAWholeHoweverItTrickles) {
  HttpClient client(start({.header_time = 300ms}));
  client.send("GET / HTTP/1.1\r\nA: ");
  const auto begin = std::chrono::steady_clock::now();
  std::jthread trickle([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      client.send("a");
      std::this_thread::sleep_for(20ms);
    }
  });
  EXPECT_TRUE(client.ended());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(HttpServerTest, ServesNewClientsWhileSlowOnesHoldEveryPlace) {
  const Address server = start({.connections = 8, .connections_per_source = 8});
  std::vector<HttpClient> slow;
  for (int i = 0; i < 40; ++i) {
    slow.emplace_back(server);
    slow.back().send("GET / HTTP/1.1\r\nA: ");
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(server, "GET", "/").status, 200U);
  EXPECT_TRUE(slow.front().ended()) << "the oldest went first";
  EXPECT_EQ(server_->refused(), 0U);
}

TEST_F(HttpServerTest, EndsItsConnectionsWhenItStops) {
  const Address server = start();
  HttpClient idle(server);
  EXPECT_EQ(idle.ask("GET", "/").status, 200U);
  HttpClient half(server);
  half.send("GET / HT");
  server_->stop();
  EXPECT_TRUE(idle.ended());
  EXPECT_TRUE(half.ended());
}

TEST_F(HttpServerTest, SaysWhyItCantListen) {
  const Address taken = start();
  auto log = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>());
  asio::io_context context;
  const auto second = std::make_shared<HttpServer>(context, HttpLimits{}, nullptr, echo, log);
  const auto bound = second->start(taken);
  ASSERT_FALSE(bound);
  EXPECT_NE(bound.error().find(taken.to_string()), std::string::npos) << bound.error();
  EXPECT_NE(bound.error().find("in use"), std::string::npos) << bound.error();
}

TEST_F(HttpServerTest, ServesOverTls) {
  const TemporaryFolder folder;
  const Address server = start({}, tls_of(folder, "first"));
  HttpClient client(server, HttpClient::Wire::Tls);
  ASSERT_TRUE(client.connected());
  const Reply reply = client.ask("POST", "/", {}, "hi");
  EXPECT_EQ(reply.body, "POST / hi");
  EXPECT_EQ(reply.fields.get("X-Secure"), "yes");
  EXPECT_EQ(client.ask("GET", "/", with({{"Connection", "close"}})).status, 200U);
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpServerTest, SurvivesClientsThatSpeakNoTls) {
  const TemporaryFolder folder;
  const Address server = start({.header_time = 200ms}, tls_of(folder, "first"));
  HttpClient plain(server);
  plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(plain.ended());
  HttpClient half(server);
  half.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_TRUE(half.ended());
  HttpClient good(server, HttpClient::Wire::Tls);
  EXPECT_EQ(good.ask("GET", "/").status, 200U);
}

TEST_F(HttpServerTest, ShowsANewCertificateToNewConnectionsAndKeepsTheOldOnes) {
  const TemporaryFolder folder;
  const Address server = start({}, tls_of(folder, "first"));
  HttpClient before(server, HttpClient::Wire::Tls);
  EXPECT_EQ(before.ask("GET", "/").status, 200U);
  server_->set_tls(tls_of(folder, "second"));
  HttpClient after(server, HttpClient::Wire::Tls);
  EXPECT_EQ(before.server_common_name(), "first");
  EXPECT_EQ(after.server_common_name(), "second");
  EXPECT_EQ(before.ask("GET", "/").status, 200U);
}

TEST(LoadTls, SaysWhichFileIsWrong) {
  const TemporaryFolder folder;
  const TestCertificate one = make_test_certificate("one");
  const TestCertificate two = make_test_certificate("two");
  const auto certificate = folder.write("cert.pem", one.certificate_pem);
  const auto key = folder.write("key.pem", two.key_pem);
  const auto error_of = [](const auto& cert_file, const auto& key_file) {
    const auto tls = load_tls(cert_file, key_file);
    return tls ? "no error" : tls.error();
  };
  EXPECT_NE(error_of(folder.path() / "none.pem", key).find("none.pem"), std::string::npos);
  EXPECT_NE(error_of(certificate, folder.path() / "none.pem").find("none.pem"), std::string::npos);
  EXPECT_NE(error_of(certificate, key).find("key.pem"), std::string::npos);
  EXPECT_NE(error_of(folder.write("junk", "junk"), key).find("junk"), std::string::npos);
}

}  // namespace
}  // namespace isotube::gateway
