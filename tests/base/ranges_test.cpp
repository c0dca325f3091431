#include "base/ranges.h"

#include <gtest/gtest.h>

#include "crema/base/error.h"

namespace crema {
namespace {

std::string ErrorOf(int64_t value, const std::string& advice = "") {
  try {
    CheckRange("stride", value, 1, 16, advice);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CheckRange, TakesBothEnds) {
  EXPECT_EQ(ErrorOf(1), "");
  EXPECT_EQ(ErrorOf(16), "");
}

TEST(CheckRange, SaysTheValueAndTheWholeRange) {
  EXPECT_EQ(ErrorOf(0), "stride is 0, but must be from 1 to 16");
  EXPECT_EQ(ErrorOf(17), "stride is 17, but must be from 1 to 16");
  EXPECT_EQ(ErrorOf(-1, "use 1"), "stride is -1, but must be from 1 to 16; use 1");
}

}  // namespace
}  // namespace crema
