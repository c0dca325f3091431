// The base of the tests of src/math.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "math/primitives.h"
#include "util/layer_runner.h"

namespace crema::test {

// Base of the tests of primitives; each runs on every device.
class PrimitivesTest : public LayerTest {
 protected:
  void SetUp() override;

  const Context& ctx() const { return *ctx_; }
  const Primitives& primitives() const { return PrimitivesFor(device()); }
  Tensor Upload(const std::vector<double>& values, DType dtype = DType::kFloat64) const;
  Tensor Fresh(int64_t count, DType dtype = DType::kFloat64) const;  // holds no numbers yet
  Tensor Zeros(int64_t count, DType dtype = DType::kFloat64) const;
  // Relative to max(1, |value|).
  static double Tolerance(DType dtype) { return dtype == DType::kFloat64 ? 1e-11 : 1e-4; }

 private:
  std::unique_ptr<Context> ctx_;
};

// 1, 2 and 4 threads must give the same bits: calls `run` with each number and compares.
void ExpectSameBitsForAnyThreads(const std::function<std::vector<double>()>& run);

}  // namespace crema::test
