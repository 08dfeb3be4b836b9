#include "frame/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace isotube::frame {
namespace {

TEST(Utf8, AcceptsTheFirstAndLastCodePointOfEachLength) {
  for (const char* text : {"", "\x01", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, RefusesWhatRfc3629Forbids) {
  const std::string_view forbidden[] = {
      "\x80",              // a continuation byte alone
      "\xC0\xAF",          // '/' in two bytes
      "\xC1\xBF",          // U+007F in two bytes
      "\xE0\x9F\xBF",      // U+07FF in three bytes
      "\xED\xA0\x80",      // the first surrogate
      "\xED\xBF\xBF",      // the last surrogate
      "\xF0\x8F\xBF\xBF",  // U+FFFF in four bytes
      "\xF4\x90\x80\x80",  // U+110000
      "\xF5\x80\x80\x80",  // a lead byte that leads nowhere
      "\xFF",
      "\xC3",          // cut off
      "\xE2\x82",      // cut off
      "\xF0\x9F\x98",  // cut off
      "\xC3\x28",      // no continuation
      "a\xE2\x28\xA1",
  };
  for (const std::string_view text : forbidden) EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
}

TEST(Utf8, HeadEndsBetweenTwoCodePoints) {
  const std::string text = "a\xC3\xBC\xF0\x9F\x98\x80";
  EXPECT_EQ(utf8_head(text, 100), text);
  EXPECT_EQ(utf8_head(text, 7), text);
  EXPECT_EQ(utf8_head(text, 6), "a\xC3\xBC");
  EXPECT_EQ(utf8_head(text, 3), "a\xC3\xBC");
  EXPECT_EQ(utf8_head(text, 2), "a");
  EXPECT_EQ(utf8_head(text, 0), "");
}

}  // namespace
}  // namespace isotube::frame
