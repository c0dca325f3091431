#include "base/ranges.h"

#include <gtest/gtest.h>

#include "crema/error.h"

namespace crema {
namespace {

template <class F>
std::string ErrorOf(const F& check) {
  try {
    check();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string RangeError(int64_t value, const std::string& advice = "") {
  return ErrorOf([&] { CheckRange("stride", value, 1, 16, advice); });
}

TEST(CheckRange, TakesBothEnds) {
  EXPECT_EQ(RangeError(1), "");
  EXPECT_EQ(RangeError(16), "");
}

TEST(CheckRange, SaysTheValueAndTheWholeRange) {
  EXPECT_EQ(RangeError(0), "stride is 0, but must be from 1 to 16");
  EXPECT_EQ(RangeError(17), "stride is 17, but must be from 1 to 16");
  EXPECT_EQ(RangeError(-1, "use 1"), "stride is -1, but must be from 1 to 16; use 1");
}

TEST(CheckGiven, TellsWhatIsMissingFromZero) {
  const auto error = [](bool given, int64_t value, const std::string& advice = "") {
    return ErrorOf([&] { CheckGiven("batch_size", given, value, 1, 16, advice); });
  };
  EXPECT_EQ(error(true, 1), "");
  EXPECT_EQ(error(true, 0), "batch_size is 0, but must be from 1 to 16");
  EXPECT_EQ(error(false, 0), "batch_size is missing; it must be given, from 1 to 16");
  EXPECT_EQ(error(false, 0, "use 1"),
            "batch_size is missing; it must be given, from 1 to 16; use 1");
}

}  // namespace
}  // namespace crema
