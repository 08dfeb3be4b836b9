#include "gateway/access.hpp"

#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

constexpr std::string_view kTokens =
    "alice:client:AAAAAAAAAAAAAAAA:tcp:db:5432,tcp:10.0.0.5:22\n"
    "root:admin:BBBBBBBBBBBBBBBB\n";

AllowList allow(std::vector<std::string> rules) { return *AllowList::parse(rules); }

std::shared_ptr<const AccessRules> rules_of(std::vector<std::string> rules, std::string_view tokens = {}) {
  auto made = std::make_shared<AccessRules>();
  made->allow = allow(std::move(rules));
  if (!tokens.empty()) made->tokens = std::make_shared<const TokenFile>(*TokenFile::parse(tokens));
  return made;
}

Request request_with(std::vector<std::string> authorizations, std::string_view source = "127.0.0.1") {
  Request request;
  request.source.ip = *IpAddress::parse(source);
  for (std::string& value : authorizations) request.fields.add("authorization", std::move(value));
  return request;
}

ProblemKind refusal(const std::expected<Caller, Problem>& caller) {
  EXPECT_FALSE(caller);
  return caller ? ProblemKind::Internal : caller.error().kind;
}

TEST(Authenticate, WithoutTokensThisMachineMayDoEverythingAndOthersNothing) {
  const auto rules = rules_of({});
  const auto caller = authenticate(*rules, request_with({}));
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->name, kLocalCaller);
  EXPECT_EQ(caller->role, Role::Admin);
  EXPECT_TRUE(authenticate(*rules, request_with({}, "::1")));
  EXPECT_EQ(refusal(authenticate(*rules, request_with({}, "192.0.2.1"))), ProblemKind::NotLoopback);
}

TEST(Authenticate, KnowsCallersByTheirTokens) {
  const auto rules = rules_of({}, kTokens);
  EXPECT_EQ(authenticate(*rules, request_with({"Bearer AAAAAAAAAAAAAAAA"}))->name, "alice");
  EXPECT_EQ(authenticate(*rules, request_with({"bEARER   BBBBBBBBBBBBBBBB"}, "192.0.2.1"))->role, Role::Admin);
}

TEST(Authenticate, RefusesEverythingElse) {
  const auto rules = rules_of({}, kTokens);
  EXPECT_EQ(refusal(authenticate(*rules, request_with({}))), ProblemKind::TokenNeeded);
  EXPECT_EQ(refusal(authenticate(*rules, request_with({"Basic AAAAAAAAAAAAAAAA"}))), ProblemKind::TokenNeeded);
  EXPECT_EQ(refusal(authenticate(*rules, request_with({"BearerAAAAAAAAAAAAAAAA"}))), ProblemKind::TokenNeeded);
  EXPECT_EQ(refusal(authenticate(*rules, request_with({"Bearer"}))), ProblemKind::TokenNeeded);
  EXPECT_EQ(refusal(authenticate(*rules, request_with({"Bearer "}))), ProblemKind::TokenUnknown);
  EXPECT_EQ(refusal(authenticate(*rules, request_with({"Bearer AAAAAAAAAAAAAAAB"}))), ProblemKind::TokenUnknown);
  EXPECT_EQ(refusal(authenticate(*rules, request_with({"Bearer AAAAAAAAAAAAAAAA", "Bearer BBBBBBBBBBBBBBBB"}))),
            ProblemKind::BadRequest);
}

TEST(OwnerPolicy, NarrowsTheGatewaysRulesByTheTokens) {
  const auto live = std::make_shared<LiveRules>(rules_of({"tcp:db:*", "tcp:web:80"}, kTokens));
  const OwnerPolicy alice(live, "alice");
  EXPECT_TRUE(alice.allows({"db", 5432}));
  EXPECT_FALSE(alice.allows({"db", 80})) << "allowed by the gateway, not by the token";
  EXPECT_FALSE(alice.allows({"10.0.0.5", 22})) << "allowed by the token, not by the gateway";
  EXPECT_TRUE(alice.allows_resolved({"db", 5432}, IpAddress::v4({10, 0, 0, 1})));
  EXPECT_FALSE(alice.allows_resolved({"db", 5432}, IpAddress::v4({169, 254, 169, 254})));
  const OwnerPolicy root(live, "root");
  EXPECT_TRUE(root.allows({"web", 80}));
}

TEST(OwnerPolicy, FollowsRulesThatAreReplaced) {
  const auto live = std::make_shared<LiveRules>(rules_of({"tcp:*:*"}, kTokens));
  const OwnerPolicy root(live, "root");
  EXPECT_TRUE(root.allows({"web", 80}));
  live->set(rules_of({"tcp:db:5432"}, kTokens));
  EXPECT_FALSE(root.allows({"web", 80}));
  EXPECT_TRUE(root.allows({"db", 5432}));
}

TEST(OwnerPolicy, AllowsNothingOnceTheTokenIsGone) {
  const auto live = std::make_shared<LiveRules>(rules_of({"tcp:*:*"}, kTokens));
  const OwnerPolicy root(live, "root");
  live->set(rules_of({"tcp:*:*"}, "alice:client:AAAAAAAAAAAAAAAA"));
  EXPECT_FALSE(root.allows({"web", 80}));
  EXPECT_FALSE(root.allows_resolved({"web", 80}, IpAddress::v4({192, 0, 2, 1})));
}

}  // namespace
}  // namespace isotube::gateway
