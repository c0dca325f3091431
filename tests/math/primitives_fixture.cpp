#include "math/primitives_fixture.h"

#include <omp.h>

#include <cstring>

namespace crema::test {

void PrimitivesTest::SetUp() {
  LayerTest::SetUp();
  if (!IsSkipped()) ctx_ = std::make_unique<Context>(OpenTestDevice(device()));
}

Tensor PrimitivesTest::Fresh(int64_t count, DType dtype) const {
  return Tensor(ctx_->shared_device(), dtype, Shape{count});
}

Tensor PrimitivesTest::Upload(const std::vector<double>& values, DType dtype) const {
  Tensor tensor = Fresh(static_cast<int64_t>(values.size()), dtype);
  tensor.FromHost(values);
  return tensor;
}

Tensor PrimitivesTest::Zeros(int64_t count, DType dtype) const {
  Tensor tensor = Fresh(count, dtype);
  ctx_->device().Zero(tensor.raw(), tensor.bytes());
  return tensor;
}

void ExpectSameBitsForAnyThreads(const std::function<std::vector<double>()>& run) {
  const int threads_before = omp_get_max_threads();
  std::vector<double> first;
  for (int threads : {1, 2, 4}) {
    omp_set_num_threads(threads);
    const std::vector<double> result = run();
    if (first.empty()) first = result;
    EXPECT_FALSE(result.empty());
    EXPECT_EQ(result.size(), first.size());
    EXPECT_EQ(std::memcmp(result.data(), first.data(), result.size() * sizeof(double)), 0)
        << threads << " threads";
  }
  omp_set_num_threads(threads_before);
}

}  // namespace crema::test
