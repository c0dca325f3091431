#include "base/checked.h"

#include <limits>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(CheckedTest, ResultsThatFit) {
  EXPECT_EQ(CheckedProduct(1 << 20, 1 << 20, "x"), int64_t{1} << 40);
  EXPECT_EQ(CheckedProduct(0, kMost, "x"), 0);
  EXPECT_EQ(CheckedSum(kMost - 1, 1, "x"), kMost);
  EXPECT_EQ(CheckedInt(2147483647, "x"), 2147483647);
  EXPECT_EQ(CheckedInt(-5, "x"), -5);
}

TEST(CheckedTest, OthersNameWhatIsTooLarge) {
  ExpectError([] { CheckedProduct(int64_t{1} << 32, int64_t{1} << 32, "the size"); },
              {"the size is too large", "4294967296 x 4294967296"});
  ExpectError([] { CheckedSum(kMost, 1, "the sum"); }, {"the sum is too large", "+ 1"});
  ExpectError([] { CheckedInt(int64_t{1} << 31, "the width"); },
              {"the width is 2147483648", "at most 2147483647"});
}

}  // namespace
}  // namespace crema::test
