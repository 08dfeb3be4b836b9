#include "gateway/if_match.hpp"

#include <gtest/gtest.h>

namespace isotube::gateway {
namespace {

IfMatch judge(std::vector<std::string> values) {
  Fields fields;
  for (std::string& value : values) fields.add("if-match", std::move(value));
  return judge_if_match(fields, "gen1");
}

TEST(IfMatch, TellsMissingFromStale) {
  EXPECT_EQ(judge({}), IfMatch::Missing);
  EXPECT_EQ(judge({R"("gen0")"}), IfMatch::Differs);
  EXPECT_EQ(judge({R"("gen1")"}), IfMatch::Matches);
  EXPECT_EQ(judge({R"("")"}), IfMatch::Differs);
}

TEST(IfMatch, TakesTheStarQuotedOrNot) {
  EXPECT_EQ(judge({"*"}), IfMatch::Matches);
  EXPECT_EQ(judge({" * "}), IfMatch::Matches);
  EXPECT_EQ(judge({R"("*")"}), IfMatch::Matches);
}

TEST(IfMatch, LooksThroughAList) {
  EXPECT_EQ(judge({R"("gen0", "gen1")"}), IfMatch::Matches);
  EXPECT_EQ(judge({R"("gen0")", R"("gen1")"}), IfMatch::Matches);
  EXPECT_EQ(judge({R"("gen0" ,"gen2")"}), IfMatch::Differs);
  EXPECT_EQ(judge({R"("a,b","gen1")"}), IfMatch::Matches);
}

TEST(IfMatch, NeverMatchesAWeakTag) { EXPECT_EQ(judge({R"(W/"gen1")"}), IfMatch::Differs); }

TEST(IfMatch, RefusesWhatIsNoTag) {
  for (const char* value :
       {"", "gen1", R"("gen1)", R"("gen1" "gen2")", R"("gen1",)", R"(,"gen1")", R"(W"gen1")", R"(*, "gen1")", "**"}) {
    EXPECT_EQ(judge({value}), IfMatch::Malformed) << value;
  }
}

}  // namespace
}  // namespace isotube::gateway
