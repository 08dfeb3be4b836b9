#include "gateway/admission.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace isotube::gateway {
namespace {

TEST(Admission, BoundsTheCreatesOfOneClientAndLetsOthersIn) {
  Admission admission({.creates = 10, .creates_per_client = 2});
  const auto one = admission.enter("alice");
  auto two = std::optional(admission.enter("alice"));
  EXPECT_EQ(admission.enter("alice").error().kind, ProblemKind::TooManyCreates);
  EXPECT_TRUE(admission.enter("bob"));
  two.reset();
  EXPECT_TRUE(admission.enter("alice"));
}

TEST(Admission, BoundsTheCreatesOfAll) {
  Admission admission({.creates = 2, .creates_per_client = 2});
  auto one = std::optional(admission.enter("alice"));
  const auto two = admission.enter("bob");
  EXPECT_TRUE(admission.full());
  EXPECT_EQ(admission.enter("carol").error().kind, ProblemKind::Overloaded);
  one.reset();
  EXPECT_FALSE(admission.full());
  EXPECT_TRUE(admission.enter("carol"));
}

TEST(Admission, ARefusalTakesNoPlace) {
  Admission admission({.creates = 3, .creates_per_client = 1});
  const auto one = admission.enter("alice");
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(admission.enter("alice"));
  EXPECT_TRUE(admission.enter("bob"));
}

TEST(Admission, AMovedPermitIsGivenBackOnce) {
  Admission admission({.creates = 1, .creates_per_client = 1});
  {
    auto permit = admission.enter("alice");
    const Admission::Permit moved = std::move(*permit);
    EXPECT_TRUE(admission.full());
  }
  EXPECT_FALSE(admission.full());
  EXPECT_TRUE(admission.enter("alice"));
}

}  // namespace
}  // namespace isotube::gateway
