#include "client/printable.hpp"

#include <gtest/gtest.h>

namespace isotube::client {
namespace {

TEST(Printable, TakesTheTeethOutOfEscapeSequences) {
  EXPECT_EQ(printable("\x1b[2Jgone\r\nnext\x7f"), "?[2Jgone??next?");
}

TEST(Printable, LeavesUtf8Alone) { EXPECT_EQ(printable("Zürich → ok"), "Zürich → ok"); }

TEST(Printable, CutsLongTextBetweenCharacters) {
  std::string text(299, 'a');
  text += "äöü";
  EXPECT_EQ(printable(text), std::string(299, 'a') + "…");
}

}  // namespace
}  // namespace isotube::client
