// What reductions do with their elements, the same on all devices.
#include "crema/dev/reduce_ops.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "crema/dev/pair.h"

namespace crema {
namespace {

// Kernels call them only because they are constexpr.
static_assert(SumOp::Combine(2, 3) == 5);
static_assert(MaxOp::Combine(2, 3) == 3);
static_assert(SumOp::Identity<int32_t>() == 0);
static_assert(MaxOp::Identity<int32_t>() == std::numeric_limits<int32_t>::min());

TEST(ReduceOpsTest, IdentityChangesNothing) {
  for (double x : {-1e308, -2.5, 0.0, 1e308}) {
    EXPECT_EQ(SumOp::Combine(SumOp::Identity<double>(), x), x);
    EXPECT_EQ(MaxOp::Combine(MaxOp::Identity<double>(), x), x);
    EXPECT_EQ(MaxOp::Combine(x, MaxOp::Identity<double>()), x);
  }
}

TEST(ReduceOpsTest, SumsPairsMemberByMember) {
  const Pair<double> sum = SumOp::Combine(Pair<double>{1, 2}, Pair<double>{10, 20});
  EXPECT_EQ(sum.first, 11);
  EXPECT_EQ(sum.second, 22);
  EXPECT_EQ(SumOp::Identity<Pair<double>>().second, 0);
}

}  // namespace
}  // namespace crema
