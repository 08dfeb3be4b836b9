#include "gateway/route.hpp"

#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

std::expected<Route, Response> route_of(std::string method, std::string target) {
  Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  return read_route(request);
}

unsigned status_of(std::string method, std::string target) {
  const auto route = route_of(std::move(method), std::move(target));
  return route ? 0 : route.error().status;
}

std::expected<CreateQuery, Problem> create_of(std::string query) {
  return read_create_query(*route_of("POST", "/tubes?" + std::move(query)));
}

TEST(ReadRoute, FindsPathsAndTubes) {
  EXPECT_EQ(route_of("GET", "/tubes")->path, Path::Tubes);
  EXPECT_EQ(route_of("GET", "/healthz")->path, Path::Healthz);
  EXPECT_EQ(route_of("HEAD", "/readyz?x=y")->path, Path::Readyz);
  const auto tube = route_of("PATCH", "/tubes/0123abcd");
  EXPECT_EQ(tube->path, Path::Tube);
  EXPECT_EQ(tube->method, Method::Patch);
  EXPECT_EQ(tube->tube_id, "0123abcd");
}

TEST(ReadRoute, HasNothingElse) {
  for (const char* target : {"/", "/tube", "/tubes/", "/tubes/a/b", "/tubes/a/", "//tubes", "/Tubes", "/metrics",
                             "/tubes/a/events", "/tubes/a/reset-breaker", "/healthz/", "/%74ubes"}) {
    EXPECT_EQ(status_of("GET", target), 404U) << target;
  }
}

TEST(ReadRoute, RefusesTargetsThatAreNoPath) {
  for (const char* target : {"", "*", "tubes", "host:80", "ftp://a/tubes"}) {
    EXPECT_EQ(status_of("GET", target), 400U) << target;
  }
  EXPECT_EQ(status_of("GET", "/tubes?a=%zz"), 400U);
  EXPECT_EQ(status_of("GET", "/tubes?a=%2"), 400U);
  EXPECT_EQ(status_of("GET", "/tubes?%"), 400U);
}

TEST(ReadRoute, ReadsTheAbsoluteForm) {
  const auto route = route_of("GET", "http://gate.example:80/tubes?a=b");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->authority, "gate.example:80");
  EXPECT_EQ(route->path, Path::Tubes);
  EXPECT_FALSE(route_of("GET", "/tubes")->authority);
  EXPECT_EQ(status_of("GET", "http://gate.example"), 400U);
}

TEST(ReadRoute, AnswersMethodsThatAPathDoesNotHaveWithThoseThatItHas) {
  for (const auto& [method, target, allow] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"DELETE", "/tubes", "GET, HEAD, OPTIONS, POST"},
           {"PATCH", "/tubes", "GET, HEAD, OPTIONS, POST"},
           {"POST", "/tubes/a", "DELETE, GET, HEAD, OPTIONS, PATCH"},
           {"PUT", "/tubes/a", "DELETE, GET, HEAD, OPTIONS, PATCH"},
           {"POST", "/healthz", "GET, HEAD, OPTIONS"},
           {"DELETE", "/readyz", "GET, HEAD, OPTIONS"},
           {"get", "/tubes", "GET, HEAD, OPTIONS, POST"},
           {"BREW", "/tubes", "GET, HEAD, OPTIONS, POST"},
       }) {
    const auto route = route_of(method, target);
    ASSERT_FALSE(route) << method << " " << target;
    EXPECT_EQ(route.error().status, 405U);
    EXPECT_EQ(route.error().fields.get("allow"), allow) << method << " " << target;
  }
}

TEST(ReadCreateQuery, ReadsTheTargetInCanonicalForm) {
  EXPECT_FALSE(create_of("conversation=tunnel")->target);
  EXPECT_EQ(create_of("conversation=tunnel&target=LOCALHOST.:80")->target, (tube::Target{"localhost", 80}));
  EXPECT_EQ(create_of("target=127.0.0.1%3A9000&conversation=tunnel")->target, (tube::Target{"127.0.0.1", 9000}));
  EXPECT_EQ(create_of("conversation=tunnel&target=%5B2001:DB8::1%5d:80")->target, (tube::Target{"2001:db8::1", 80}));
  EXPECT_EQ(create_of("conversation=tunnel&target=[::ffff:1.2.3.4]:80")->target, (tube::Target{"1.2.3.4", 80}));
  EXPECT_TRUE(create_of("conversation=tunnel&other=1&other=2"));
}

TEST(ReadCreateQuery, RefusesAMissingOrUnknownConversation) {
  for (const char* query : {"", "conversation", "conversation=", "conversation=socks5", "Conversation=tunnel",
                            "target=a:1", "conversation=tunnel%00"}) {
    const auto create = create_of(query);
    ASSERT_FALSE(create) << query;
    EXPECT_EQ(create.error().kind, ProblemKind::UnknownConversation) << query;
    EXPECT_EQ(create.error().status(), 400U);
  }
}

TEST(ReadCreateQuery, RefusesUnreadableTargets) {
  for (const char* target : {"", "a", "a:", "a:0", "a:65536", ":80", "a:b:80", "2001:db8::1:80", "[::1]", "127.1:80",
                             "0x7f000001:80", "a%00b:80", "a+b:80", "%5B127.0.0.1%5D:80", "http://a:80"}) {
    const auto create = create_of(std::string("conversation=tunnel&target=") + target);
    ASSERT_FALSE(create) << target;
    EXPECT_EQ(create.error().kind, ProblemKind::BadTarget) << target;
    EXPECT_EQ(create.error().status(), 400U);
  }
}

TEST(ReadCreateQuery, RefusesAParameterGivenTwice) {
  EXPECT_EQ(create_of("conversation=tunnel&conversation=tunnel").error().status(), 400U);
  EXPECT_EQ(create_of("conversation=tunnel&target=a:1&target=b:1").error().status(), 400U);
}

}  // namespace
}  // namespace isotube::gateway
