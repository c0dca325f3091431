#include "math/primitives_fixture.h"

namespace crema::test {
namespace {

struct Matrices {
  int64_t count;
  int rows, columns;
};

class TransposeTest : public PrimitivesTest {};
CREMA_ON_ALL_DEVICES(TransposeTest);

TEST_P(TransposeTest, IsTheDefinition) {
  for (const Matrices& m : {Matrices{1, 1, 1},
                            {2, 1, 5},
                            {2, 5, 1},
                            {2, 3, 50},
                            {2, 4, 33},
                            {2, 50, 3},
                            {2, 15, 17},
                            {2, 17, 15},
                            {3, 64, 100},
                            {2, 32, 512},  // rows far apart
                            {2, 21, 1024},
                            {2, 600, 33},  // many rows
                            {3, 528, 64},
                            {0, 3, 4},
                            {2, 0, 4},
                            {2, 4, 0},
                            {2, 0, 600},
                            {2, 600, 0}}) {
    SCOPED_TRACE(Concat(m.count, " matrices of ", m.rows, " x ", m.columns));
    const int64_t size = int64_t{m.rows} * m.columns;
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      const Tensor in = Upload(RandomValues(m.count * size), dtype);
      const Tensor out = Fresh(m.count * size, dtype);
      primitives().TransposeEach(ctx(), m.count, m.rows, m.columns, in, out);
      const std::vector<double> x = in.ToHost<double>();
      std::vector<double> expected(x.size());
      for (int64_t i = 0; i < m.count * size; ++i) {
        const int64_t r = i % size / m.columns, c = i % m.columns;
        expected[i / size * size + c * m.rows + r] = x[i];
      }
      EXPECT_EQ(out.ToHost<double>(), expected);
    }
  }
}

}  // namespace
}  // namespace crema::test
