#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "math/primitives_fixture.h"

namespace crema::test {
namespace {

class ReduceTest : public PrimitivesTest {
 protected:
  static double Identity(bool max, DType dtype) {
    if (!max) return 0;
    return dtype == DType::kFloat32 ? std::numeric_limits<float>::lowest()
                                    : std::numeric_limits<double>::lowest();
  }

  // The totals are added to what is there, so that a result that is stored twice shows.
  void CheckRows(bool max, DType dtype, int64_t rows, int cols);
  void CheckChannels(bool max, DType dtype, const ChannelView& view);
  void CheckPairs(DType dtype, const ChannelView& view);
};
CREMA_ON_ALL_DEVICES(ReduceTest);

// All below zero: a maximum that starts at 0 shows.
std::vector<double> Values(int64_t count, DType dtype) {
  std::vector<double> values = RandomValues(count);
  for (double& value : values) {
    value = -std::abs(value) - 0.5;
    if (dtype == DType::kFloat32) value = static_cast<float>(value);
  }
  return values;
}

void ReduceTest::CheckRows(bool max, DType dtype, int64_t rows, int cols) {
  SCOPED_TRACE(Concat(max ? "max " : "sum ", ToString(dtype), ' ', rows, " x ", cols));
  const std::vector<double> x = Values(rows * cols, dtype);
  std::vector<double> expected(static_cast<size_t>(rows), Identity(max, dtype));
  for (int64_t i = 0; i < rows * cols; ++i) {
    double& total = expected[i / cols];
    total = max ? std::max(total, x[i]) : total + x[i];
  }
  const Tensor totals = Zeros(rows, dtype);
  primitives().AddRowTotals(ctx(), max, rows, cols, Upload(x, dtype), totals);
  ExpectNear(totals.ToHost<double>(), expected, Tolerance(dtype));
}

void ReduceTest::CheckChannels(bool max, DType dtype, const ChannelView& v) {
  SCOPED_TRACE(Concat(max ? "max " : "sum ", ToString(dtype), ' ', v.outer, " x ", v.channels,
                      " x ", v.inner));
  const std::vector<double> x = Values(v.outer * v.channels * v.inner, dtype);
  std::vector<double> expected(static_cast<size_t>(v.channels), Identity(max, dtype));
  for (size_t i = 0; i < x.size(); ++i) {
    double& total = expected[i / v.inner % v.channels];
    total = max ? std::max(total, x[i]) : total + x[i];
  }
  const Tensor totals = Zeros(v.channels, dtype);
  primitives().AddChannelTotals(ctx(), max, v, Upload(x, dtype), totals);
  ExpectNear(totals.ToHost<double>(), expected, Tolerance(dtype));
}

void ReduceTest::CheckPairs(DType dtype, const ChannelView& v) {
  SCOPED_TRACE(
      Concat("pairs of ", ToString(dtype), ' ', v.outer, " x ", v.channels, " x ", v.inner));
  const std::vector<double> x = Values(v.outer * v.channels * v.inner, dtype);
  std::vector<double> expected(static_cast<size_t>(2 * v.channels), 0.0);
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i / v.inner % v.channels;
    expected[c] += x[i];
    expected[v.channels + c] += x[i] * x[i];
  }
  const Tensor totals = Zeros(2 * v.channels, dtype);
  primitives().AddChannelPairs(ctx(), v, Upload(x, dtype), totals);
  ExpectNear(totals.ToHost<double>(), expected, Tolerance(dtype));
}

// Few long rows are shared by threads or blocks; many short ones share a block.
TEST_P(ReduceTest, Rows) {
  const std::tuple<int64_t, int> sizes[] = {
      {1, 1},    {1, 7},    {5, 1},     {7, 33},   {2, 5000}, {1, 100003}, {300, 17},
      {9, 4097}, {8, 8192}, {3, 70000}, {1000, 3}, {1, 4096}, {7, 12288},  {257, 256}};
  for (const auto& [rows, cols] : sizes) {
    for (bool max : {false, true}) {
      CheckRows(max, DType::kFloat64, rows, cols);
      CheckRows(max, DType::kFloat32, rows, cols);
    }
  }
}

TEST_P(ReduceTest, Channels) {
  const ChannelView views[] = {{1, 1, 1},    {2, 3, 5},     {5, 17, 1},    {1000, 3, 1},
                               {7, 40, 33},  {3, 2, 5000},  {1, 3, 20000}, {300, 20, 9},
                               {9000, 5, 1}, {20000, 1, 1}, {1, 300, 1},   {2, 16, 256},
                               {1, 1, 9999}, {64, 33, 2},   {4000, 1, 3},  {5000, 40, 1}};
  for (const ChannelView& view : views) {
    for (bool max : {false, true}) {
      CheckChannels(max, DType::kFloat64, view);
      CheckChannels(max, DType::kFloat32, view);
    }
    CheckPairs(DType::kFloat64, view);
    CheckPairs(DType::kFloat32, view);
  }
}

TEST_P(ReduceTest, EmptyRangesGiveTheIdentity) {
  for (bool max : {false, true}) {
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      CheckRows(max, dtype, 0, 5);
      CheckRows(max, dtype, 3, 0);
      CheckChannels(max, dtype, {0, 3, 4});
      CheckChannels(max, dtype, {0, 3, 1});
      CheckChannels(max, dtype, {4, 3, 0});
      CheckChannels(max, dtype, {4, 0, 3});
    }
  }
}

// The same sizes, the same bits; on the CPU also for any number of threads.
TEST_P(ReduceTest, IsReproducible) {
  const Tensor x = Upload(RandomValues(120000), DType::kFloat32);
  ExpectSameBitsForAnyThreads([&] {
    std::vector<double> all;
    const auto append = [&](const Tensor& totals) {
      const std::vector<double> part = totals.ToHost<double>();
      all.insert(all.end(), part.begin(), part.end());
    };
    for (int rows : {1, 6, 400}) {
      const Tensor totals = Zeros(rows, DType::kFloat32);
      primitives().AddRowTotals(ctx(), false, rows, 120000 / rows, x, totals);
      append(totals);
    }
    for (const ChannelView& view : {ChannelView{10, 3, 4000}, ChannelView{4000, 30, 1}}) {
      const Tensor totals = Zeros(view.channels, DType::kFloat32);
      primitives().AddChannelTotals(ctx(), false, view, x, totals);
      append(totals);
    }
    return all;
  });
}

}  // namespace
}  // namespace crema::test
