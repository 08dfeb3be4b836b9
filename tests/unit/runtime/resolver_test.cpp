#include "runtime/resolver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <set>

#include "unit/runtime/dns_server.hpp"

namespace isotube::runtime {
namespace {

namespace asio = boost::asio;
using Kind = DnsServer::Answer::Kind;
using std::chrono::milliseconds;

class ResolverTest : public testing::Test {
 protected:
  static DnsServer::Answer answer(const std::string& name, bool v6) {
    if (name == "both.test") return {Kind::Addresses, {ip("2001:db8::1"), ip("192.0.2.1"), ip("192.0.2.2")}};
    if (name == "four.test")
      return v6 ? DnsServer::Answer{Kind::Silence, {}} : DnsServer::Answer{Kind::Addresses, {ip("192.0.2.4")}};
    if (name == "none.test") return {Kind::NoSuchName, {}};
    if (name == "sick.test") return {Kind::ServerFailure, {}};
    return {Kind::Silence, {}};
  }

  static IpAddress ip(const char* text) { return *IpAddress::parse(text); }

  Resolver::Settings settings(Duration limit = std::chrono::seconds(3)) {
    return {.limit = limit, .servers = {server_.address()}};
  }

  ResolveResult resolve(Resolver& resolver, const std::string& name) {
    std::optional<ResolveResult> result;
    const auto lookup = resolver.start(name, [&](ResolveResult arrived) { result = std::move(arrived); });
    EXPECT_FALSE(result.has_value()) << "never from within start()";
    run_until([&] { return result.has_value(); });
    return result.value_or(std::unexpected(ResolveError::Cancelled));
  }

  template <typename Condition>
  void run_until(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < limit) context_.run_one_for(std::chrono::seconds(1));
    EXPECT_TRUE(condition());
  }

  static std::size_t descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  asio::io_context context_;
  Strand strand_ = asio::make_strand(context_.get_executor());
  DnsServer server_{context_, answer};
};

TEST_F(ResolverTest, ALiteralAddressIsItself) {
  Resolver resolver(strand_, settings());
  EXPECT_THAT(resolve(resolver, "192.0.2.7").value(), testing::ElementsAre(ip("192.0.2.7")));
  EXPECT_THAT(resolve(resolver, "2001:db8::7").value(), testing::ElementsAre(ip("2001:db8::7")));
  EXPECT_EQ(server_.questions(), 0U);
}

TEST_F(ResolverTest, LocalhostIsLoopbackWithoutAQuestion) {
  Resolver resolver(strand_, settings());
  for (const char* name : {"localhost", "LocalHost.", "app.localhost"}) {
    EXPECT_THAT(resolve(resolver, name).value(), testing::ElementsAre(ip("127.0.0.1"), ip("::1"))) << name;
  }
  EXPECT_EQ(server_.questions(), 0U);
}

TEST_F(ResolverTest, BothFamiliesAreGivenIpv4First) {
  Resolver resolver(strand_, settings());
  const ResolveResult result = resolve(resolver, "both.test");
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, testing::ElementsAre(ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1")));
}

TEST_F(ResolverTest, AServerThatIgnoresOneFamilyDoesNotHideTheOther) {
  Resolver resolver(strand_, settings());
  const ResolveResult result = resolve(resolver, "four.test");
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, testing::ElementsAre(ip("192.0.2.4")));
}

TEST_F(ResolverTest, AnUnknownNameIsNotFound) {
  Resolver resolver(strand_, settings());
  EXPECT_EQ(resolve(resolver, "none.test").error(), ResolveError::NotFound);
}

TEST_F(ResolverTest, AServerThatCannotAnswerIsAFailure) {
  Resolver resolver(strand_, settings());
  EXPECT_EQ(resolve(resolver, "sick.test").error(), ResolveError::Failed);
}

TEST_F(ResolverTest, NamesThatCannotBeAreNotFound) {
  Resolver resolver(strand_, settings());
  EXPECT_EQ(resolve(resolver, "").error(), ResolveError::NotFound);
  EXPECT_EQ(resolve(resolver, std::string("both.test\0.evil", 15)).error(), ResolveError::NotFound);
  EXPECT_EQ(resolve(resolver, std::string(64, 'a') + ".test").error(), ResolveError::NotFound);
  EXPECT_EQ(server_.questions(), 0U);
}

TEST_F(ResolverTest, ASilentServerEndsAtTheLimit) {
  Resolver resolver(strand_, settings(milliseconds(150)));
  const TimePoint start = now();
  EXPECT_EQ(resolve(resolver, "dead.test").error(), ResolveError::TimedOut);
  EXPECT_GE(now() - start, milliseconds(150));
}

TEST_F(ResolverTest, ALookupThatIsDroppedNeverCallsBackAndLeavesNoDescriptor) {
  Resolver resolver(strand_, settings(milliseconds(200)));
  const std::size_t before = descriptors();
  bool called = false;
  {
    const auto lookup = resolver.start("dead.test", [&](const ResolveResult&) { called = true; });
    run_until([&] { return server_.questions() > 0; });
    EXPECT_GT(descriptors(), before);
  }
  EXPECT_EQ(descriptors(), before);
  context_.run_for(milliseconds(300));
  EXPECT_FALSE(called);
}

TEST_F(ResolverTest, ALookupMayBeDroppedByItsOwnHandler) {
  Resolver resolver(strand_, settings());
  std::optional<Resolver::Lookup> lookup;
  bool called = false;
  lookup = resolver.start("both.test", [&](const ResolveResult&) {
    called = true;
    lookup.reset();
  });
  run_until([&] { return called; });
}

TEST_F(ResolverTest, NoMoreThanItsSlotsAskAtOnceAndAllAreServed) {
  Resolver resolver(strand_, settings(std::chrono::seconds(10)));
  std::set<std::string> asked;
  std::vector<Resolver::Lookup> lookups;
  std::size_t failed = 0;
  for (int i = 0; i < 4; ++i) lookups.push_back(resolver.start("dead.test", [&](const ResolveResult&) { ++failed; }));
  std::size_t served = 0;
  for (int i = 0; i < 20; ++i) {
    lookups.push_back(resolver.start("both.test", [&](const ResolveResult& result) { served += result ? 1U : 0U; }));
  }
  run_until([&] { return server_.questions() >= 8; });
  EXPECT_EQ(served, 0U) << "all slots are taken";
  lookups.erase(lookups.begin(), lookups.begin() + 2);
  run_until([&] { return served == 20; });
  EXPECT_EQ(failed, 0U);
}

TEST_F(ResolverTest, WhatWaitsEndsWithTheResolver) {
  std::vector<ResolveError> errors;
  std::vector<Resolver::Lookup> lookups;
  {
    Resolver resolver(strand_, settings());
    for (int i = 0; i < 6; ++i) {
      lookups.push_back(resolver.start("dead.test", [&](const ResolveResult& r) { errors.push_back(r.error()); }));
    }
  }
  run_until([&] { return errors.size() == 6; });
  EXPECT_THAT(errors, testing::Each(ResolveError::Cancelled));
}

TEST_F(ResolverTest, ACoroutineMayWaitForIt) {
  Resolver resolver(strand_, settings());
  std::optional<ResolveResult> result;
  asio::co_spawn(strand_, resolver.resolve("both.test"), [&](const std::exception_ptr& thrown, ResolveResult arrived) {
    EXPECT_FALSE(thrown);
    result = std::move(arrived);
  });
  run_until([&] { return result.has_value(); });
  EXPECT_TRUE(result->has_value());
}

}  // namespace
}  // namespace isotube::runtime
