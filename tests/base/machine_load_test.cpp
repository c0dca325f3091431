#include "base/machine_load.h"

#include <gtest/gtest.h>

namespace crema {
namespace {

TEST(MachineLoadTest, CountsTheOtherThreadsThatCouldRun) {
  EXPECT_FALSE(IsOverloaded("0.10 0.20 0.30 1/345 6789\n", 2));
  EXPECT_FALSE(IsOverloaded("9.00 9.00 9.00 4/345 6789\n", 2));
  EXPECT_TRUE(IsOverloaded("0.00 0.00 0.00 5/345 6789\n", 2));
  EXPECT_FALSE(IsOverloaded("0.00 0.00 0.00 5/345 6789\n", 4));
  EXPECT_TRUE(IsOverloaded("0.00 0.00 0.00 9/345 6789\n", 4));
}

TEST(MachineLoadTest, TakesWhatItCannotReadForAnIdleMachine) {
  for (const char* text : {"", "1.0", "1.0 1.0 1.0", "1.0 1.0 1.0 x/y 3", "1.0 1.0 1.0 99", "\n"}) {
    EXPECT_FALSE(IsOverloaded(text, 1)) << text;
  }
}

}  // namespace
}  // namespace crema
