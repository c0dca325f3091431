#include "crema/base/error.h"

#include <gtest/gtest.h>

namespace crema {
namespace {

TEST(ErrorTest, ConcatPrintsItsParts) {
  EXPECT_EQ(Concat(), "");
  EXPECT_EQ(Concat("a", 1, 'b', 2.5, std::string("c")), "a1b2.5c");
}

TEST(ErrorTest, FailThrowsTheSentence) {
  try {
    Fail("layer '", "x", "': has ", 3, " bottoms");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "layer 'x': has 3 bottoms");
  }
}

TEST(ErrorDeathTest, CheckNamesThePlaceTheConditionAndTheMessage) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(CREMA_CHECK(1 + 1 == 3, "sum of ", 2),
               "error_test.cpp:[0-9]+: .*1 \\+ 1 == 3.*sum of 2");
}

TEST(ErrorTest, CheckThatHoldsDoesNothing) {
  int evaluated = 0;
  CREMA_CHECK(++evaluated == 1, "never");
  EXPECT_EQ(evaluated, 1);
}

}  // namespace
}  // namespace crema
