#include <tuple>

#include "math/primitives_fixture.h"

namespace crema::test {
namespace {

class ForEachTest : public PrimitivesTest {};
CREMA_ON_ALL_DEVICES(ForEachTest);

// Sizes around a GPU's block (256), the CPU's column block (4096) and its parallel grain (8192).
TEST_P(ForEachTest, VisitsEveryElementOnce) {
  for (int64_t count : {1, 2, 3, 31, 255, 256, 257, 4097, 8191, 8192, 20011}) {
    SCOPED_TRACE(count);
    const std::vector<double> x = RandomValues(count);
    const Tensor y = Zeros(count);
    primitives().AddLine(ctx(), count, Upload(x).data<double>(), y.mutable_data<double>());
    std::vector<double> expected(x);
    for (int64_t i = 0; i < count; ++i) expected[i] += static_cast<double>(i);
    EXPECT_EQ(y.ToHost<double>(), expected);
  }
}

TEST_P(ForEachTest, VisitsEveryElementOfEveryRowOnce) {
  const std::tuple<int64_t, int> sizes[] = {{1, 1},    {1, 3},    {3, 1},    {7, 33},
                                            {300, 2},  {2, 4096}, {3, 4097}, {1, 12289},
                                            {9000, 1}, {257, 300}};
  for (const auto& [rows, cols] : sizes) {
    SCOPED_TRACE(Concat(rows, " x ", cols));
    const std::vector<double> x = RandomValues(rows * cols);
    const Tensor y = Zeros(rows * cols);
    primitives().AddGrid(ctx(), rows, cols, Upload(x).data<double>(), y.mutable_data<double>());
    std::vector<double> expected(x);
    for (int64_t r = 0; r < rows; ++r) {
      for (int c = 0; c < cols; ++c) expected[r * cols + c] += 1000.0 * r + c;
    }
    ExpectNear(y.ToHost<double>(), expected, 1e-15);
  }
}

TEST_P(ForEachTest, TakesEmptyRanges) {
  const Tensor y = Upload({1, 2});
  double* out = y.mutable_data<double>();
  primitives().AddLine(ctx(), 0, out, out);
  primitives().AddGrid(ctx(), 0, 5, out, out);
  primitives().AddGrid(ctx(), 5, 0, out, out);
  EXPECT_EQ(y.ToHost<double>(), (std::vector<double>{1, 2}));
}

TEST_P(ForEachTest, RunsTasksOnce) {
  for (int tasks : {0, 1, 5, 100}) {
    const Tensor visits = Zeros(tasks);
    EXPECT_TRUE(primitives().VisitTasks(ctx(), tasks, visits.mutable_data<double>()));
    EXPECT_EQ(visits.ToHost<double>(), std::vector<double>(static_cast<size_t>(tasks), 1.0));
  }
}

}  // namespace
}  // namespace crema::test
