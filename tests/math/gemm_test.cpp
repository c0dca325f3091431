#include <cmath>
#include <limits>

#include "math/primitives_fixture.h"

namespace crema::test {
namespace {

using Product = Primitives::Product;

class GemmTest : public PrimitivesTest {
 protected:
  void Check(const Product& p, DType dtype);
};
CREMA_ON_ALL_DEVICES(GemmTest);

std::vector<double> Naive(const Product& p, const std::vector<double>& a,
                          const std::vector<double>& b, std::vector<double> c) {
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < p.k; ++l) {
        sum += a[p.transpose_a ? l * p.m + i : i * p.k + l] *
               b[p.transpose_b ? j * p.k + l : l * p.n + j];
      }
      double& out = c[i * p.n + j];
      out = p.alpha * sum + (p.beta == 0 ? 0 : p.beta * out);
    }
  }
  return c;
}

void GemmTest::Check(const Product& p, DType dtype) {
  SCOPED_TRACE(Concat(ToString(dtype), ' ', p.m, " x ", p.n, " x ", p.k,
                      p.transpose_a ? " A^T" : "", p.transpose_b ? " B^T" : "", " alpha ", p.alpha,
                      " beta ", p.beta));
  const std::vector<double> a = RandomValues(p.m * p.k, 1), b = RandomValues(p.k * p.n, 2);
  std::vector<double> c = RandomValues(p.m * p.n, 3);
  if (p.beta == 0) c.assign(c.size(), std::numeric_limits<double>::quiet_NaN());
  const Tensor result = Upload(c, dtype);
  primitives().Gemm(ctx(), p, Upload(a, dtype), Upload(b, dtype), result);
  // Sums of k products: the rounding grows with sqrt(k).
  ExpectNear(result.ToHost<double>(), Naive(p, a, b, c),
             (dtype == DType::kFloat64 ? 1e-14 : 1e-5) * std::sqrt(1.0 + p.k));
}

// The last two are over the size from which the CPU cuts into tiles, by rows and by columns.
TEST_P(GemmTest, AllTransposesAndSizes) {
  const int64_t sizes[][3] = {{1, 1, 1},   {3, 5, 7},    {1, 9, 4},      {17, 1, 9},
                              {17, 33, 9}, {64, 64, 64}, {257, 129, 65}, {37, 301, 211}};
  for (const auto& size : sizes) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      const bool ta = (transposes & 1) != 0, tb = (transposes & 2) != 0;
      Check({ta, tb, size[0], size[1], size[2], 1, 0}, DType::kFloat32);
      Check({ta, tb, size[0], size[1], size[2], -1.5, 0.5}, DType::kFloat64);
    }
  }
}

// A small batch against a large matrix, which the CPU reads without BLAS: products as those of an
// InnerProduct layer forward and backward. No size is a multiple of a vector or of a tile.
TEST_P(GemmTest, FewRows) {
  for (const int64_t rows : {1, 2, 3, 4, 5, 9, 16, 17}) {
    for (const double beta : {0.0, 1.0}) {
      Check({false, true, rows, 131, 517, 1, beta}, DType::kFloat32);
      Check({false, true, rows, 31, 4113, 1, beta}, DType::kFloat32);
      Check({false, false, rows, 4101, 19, 1, beta}, DType::kFloat32);
      Check({true, false, 131, 517, rows, 1, beta}, DType::kFloat32);
      Check({true, false, 70, 2101, rows, 1, beta}, DType::kFloat32);
      Check({true, false, 27, 5003, rows, 1, beta}, DType::kFloat32);
      Check({false, true, rows, 16386, 5, 1, beta}, DType::kFloat32);
    }
    for (const double alpha : {1.0, 0.5}) {
      Check({false, false, rows, 4101, 19, alpha, 0.5}, DType::kFloat32);
      Check({true, false, 131, 517, rows, alpha, 0.5}, DType::kFloat32);
    }
  }
}

TEST_P(GemmTest, ScalesAndAccumulates) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    Check({false, false, 6, 7, 8, 1, 1}, dtype);
    Check({false, true, 6, 7, 8, 2, -1}, dtype);
    Check({true, false, 6, 7, 8, 0, 3}, dtype);
    Check({true, true, 300, 80, 60, 0.25, 0}, dtype);
  }
}

TEST_P(GemmTest, TakesEmptySizes) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      const bool ta = (transposes & 1) != 0, tb = (transposes & 2) != 0;
      Check({ta, tb, 0, 4, 5, 1, 0}, dtype);
      Check({ta, tb, 3, 0, 5, 1, 0}, dtype);
      Check({ta, tb, 3, 4, 0, 1, 0}, dtype);  // all zeros, though C held NaN
      Check({ta, tb, 3, 4, 0, 1, 2}, dtype);  // C doubles
    }
  }
}

TEST_P(GemmTest, IsReproducible) {
  const Tensor a = Upload(RandomValues(300 * 200), DType::kFloat32);
  const Tensor b = Upload(RandomValues(200 * 150), DType::kFloat32);
  for (const bool wide : {false, true}) {
    const Product p = wide ? Product{true, false, 100, 300, 150, 1, 0}
                           : Product{false, false, 300, 150, 200, 1, 0};
    ExpectSameBitsForAnyThreads([&] {
      const Tensor c = Fresh(p.m * p.n, DType::kFloat32);
      primitives().Gemm(ctx(), p, wide ? b : a, wide ? a : b, c);
      return c.ToHost<double>();
    });
  }
}

TEST_P(GemmTest, FewRowsAreReproducible) {
  const Product products[] = {{false, true, 13, 301, 411, 1, 0},
                              {false, false, 13, 9001, 19, 1, 0},
                              {true, false, 301, 411, 13, 1, 1}};
  for (const Product& p : products) {
    const Tensor a = Upload(RandomValues(p.m * p.k), DType::kFloat32);
    const Tensor b = Upload(RandomValues(p.k * p.n), DType::kFloat32);
    ExpectSameBitsForAnyThreads([&] {
      const Tensor c = Upload(RandomValues(p.m * p.n, 2), DType::kFloat32);
      primitives().Gemm(ctx(), p, a, b, c);
      return c.ToHost<double>();
    });
  }
}

}  // namespace
}  // namespace crema::test
