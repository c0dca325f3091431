#include "math/primitives_fixture.h"

namespace crema::test {
namespace {

struct Axis {
  int in, kernel, stride, pad, dilation;
};

ConvGeometry Geometry(int channels, const std::vector<Axis>& axes) {
  ConvGeometry g;
  g.channels = channels;
  for (const Axis& axis : axes) {
    const int a = g.axes++;
    g.in[a] = axis.in;
    g.kernel[a] = axis.kernel;
    g.stride[a] = axis.stride;
    g.pad[a] = axis.pad;
    g.dilation[a] = axis.dilation;
    g.out[a] = (axis.in + 2 * axis.pad - axis.dilation * (axis.kernel - 1) - 1) / axis.stride + 1;
  }
  return g;
}

std::vector<ConvGeometry> Geometries() {
  return {
      Geometry(1, {{5, 3, 1, 0, 1}}),
      Geometry(2, {{7, 3, 2, 1, 1}}),
      Geometry(3, {{9, 2, 3, 0, 2}}),
      Geometry(1, {{1, 1, 1, 0, 1}, {1, 1, 1, 0, 1}}),
      Geometry(3, {{6, 1, 1, 0, 1}, {5, 1, 1, 0, 1}}),
      Geometry(2, {{6, 3, 1, 1, 1}, {7, 3, 1, 1, 1}}),
      Geometry(3, {{8, 3, 2, 0, 1}, {9, 5, 3, 2, 1}}),
      Geometry(2, {{9, 3, 1, 2, 2}, {8, 2, 2, 1, 3}}),
      Geometry(1, {{2, 2, 1, 3, 1}, {3, 3, 2, 4, 1}}),  // windows wholly in the padding
      Geometry(2, {{7, 2, 4, 0, 1}, {7, 1, 3, 0, 1}}),  // strides leave pixels out
      Geometry(4, {{5, 5, 1, 0, 1}, {4, 4, 1, 0, 1}}),  // one window
      Geometry(2, {{4, 2, 1, 0, 1}, {5, 3, 2, 1, 1}, {6, 3, 1, 2, 2}}),
      Geometry(1, {{3, 2, 1, 1, 1}, {3, 1, 1, 0, 1}, {4, 2, 2, 0, 1}, {3, 3, 1, 1, 1}}),
      Geometry(20, {{24, 5, 1, 2, 1}, {24, 5, 1, 2, 1}}),  // enough for several threads
  };
}

std::string Describe(const ConvGeometry& g) {
  std::string text = Concat(g.channels, " channels");
  for (int a = 0; a < g.axes; ++a) {
    text += Concat("; in ", g.in[a], " kernel ", g.kernel[a], " stride ", g.stride[a], " pad ",
                   g.pad[a], " dilation ", g.dilation[a]);
  }
  return text;
}

// Counts `index` up as the digits of a number with the given bases; false at the end.
bool Advance(const int* bases, int digits, std::vector<int>* index) {
  for (int d = digits - 1; d >= 0; --d) {
    if (++(*index)[d] < bases[d]) return true;
    (*index)[d] = 0;
  }
  return false;
}

// For each element of the column matrix in order: the pixel it shows, -1 for the padding.
std::vector<int64_t> PixelsOfColumns(const ConvGeometry& g) {
  std::vector<int64_t> pixels;
  for (int channel = 0; channel < g.channels; ++channel) {
    std::vector<int> tap(g.axes, 0);
    do {
      std::vector<int> window(g.axes, 0);
      do {
        int64_t pixel = channel;
        bool inside = true;
        for (int a = 0; a < g.axes; ++a) {
          const int at = window[a] * g.stride[a] + tap[a] * g.dilation[a] - g.pad[a];
          inside = inside && at >= 0 && at < g.in[a];
          pixel = pixel * g.in[a] + at;
        }
        pixels.push_back(inside ? pixel : -1);
      } while (Advance(g.out, g.axes, &window));
    } while (Advance(g.kernel, g.axes, &tap));
  }
  return pixels;
}

class Im2colTest : public PrimitivesTest {};
CREMA_ON_ALL_DEVICES(Im2colTest);

TEST_P(Im2colTest, UnfoldsWindows) {
  for (const ConvGeometry& g : Geometries()) {
    SCOPED_TRACE(Describe(g));
    const std::vector<int64_t> pixels = PixelsOfColumns(g);
    ASSERT_EQ(static_cast<int64_t>(pixels.size()), g.ColumnRows() * g.OutCount());
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      const Tensor image = Upload(RandomValues(g.channels * g.InCount()), dtype);
      const Tensor columns = Fresh(g.ColumnRows() * g.OutCount(), dtype);
      primitives().Im2col(ctx(), g, image, columns);
      const std::vector<double> x = image.ToHost<double>();
      std::vector<double> expected;
      for (int64_t pixel : pixels) expected.push_back(pixel < 0 ? 0 : x[pixel]);
      EXPECT_EQ(columns.ToHost<double>(), expected);
    }
  }
}

TEST_P(Im2colTest, FoldsBack) {
  for (const ConvGeometry& g : Geometries()) {
    SCOPED_TRACE(Describe(g));
    const std::vector<int64_t> pixels = PixelsOfColumns(g);
    const std::vector<double> y = RandomValues(static_cast<int64_t>(pixels.size()));
    std::vector<double> expected(static_cast<size_t>(g.channels * g.InCount()), 0.0);
    for (size_t i = 0; i < y.size(); ++i) {
      if (pixels[i] >= 0) expected[pixels[i]] += y[i];
    }
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      const Tensor image = Fresh(g.channels * g.InCount(), dtype);
      primitives().Col2im(ctx(), g, Upload(y, dtype), image);
      ExpectNear(image.ToHost<double>(), expected, Tolerance(dtype));
    }
  }
}

// 2x2 windows over 1 2 / 3 4 with a border of 1: each row of columns is the image moved by a tap.
//   0 0 0 0
//   0 1 2 0     tap (0,0): 0 0 0 0 1 2 0 3 4     tap (0,1): 0 0 0 1 2 0 3 4 0
//   0 3 4 0     tap (1,0): 0 1 2 0 3 4 0 0 0     tap (1,1): 1 2 0 3 4 0 0 0 0
//   0 0 0 0
TEST_P(Im2colTest, ByHand) {
  const ConvGeometry g = Geometry(1, {{2, 2, 1, 1, 1}, {2, 2, 1, 1, 1}});
  const Tensor columns = Fresh(36);
  primitives().Im2col(ctx(), g, Upload({1, 2, 3, 4}), columns);
  EXPECT_EQ(columns.ToHost<double>(),
            (std::vector<double>{0, 0, 0, 0, 1, 2, 0, 3, 4, 0, 0, 0, 1, 2, 0, 3, 4, 0,
                                 0, 1, 2, 0, 3, 4, 0, 0, 0, 1, 2, 0, 3, 4, 0, 0, 0, 0}));
}

TEST_P(Im2colTest, IsReproducible) {
  const ConvGeometry g = Geometry(16, {{24, 5, 1, 2, 1}, {24, 5, 1, 2, 1}});
  const Tensor columns = Upload(RandomValues(g.ColumnRows() * g.OutCount()), DType::kFloat32);
  ExpectSameBitsForAnyThreads([&] {
    const Tensor image = Fresh(g.channels * g.InCount(), DType::kFloat32);
    primitives().Col2im(ctx(), g, columns, image);
    return image.ToHost<double>();
  });
}

TEST(ConvGeometryTest, Counts) {
  const ConvGeometry g = Geometry(3, {{8, 3, 2, 0, 1}, {9, 5, 3, 2, 1}});
  EXPECT_EQ(g.InCount(), 72);
  EXPECT_EQ(g.OutCount(), 3 * 3);  // (8 - 3) / 2 + 1 and (9 + 4 - 5) / 3 + 1
  EXPECT_EQ(g.KernelCount(), 15);
  EXPECT_EQ(g.ColumnRows(), 45);
}

TEST(ConvGeometryTest, Pointwise) {
  EXPECT_TRUE(Geometry(3, {{6, 1, 1, 0, 1}, {5, 1, 1, 0, 2}}).IsPointwise());
  EXPECT_FALSE(Geometry(3, {{6, 1, 1, 0, 1}, {5, 2, 1, 0, 1}}).IsPointwise());
  EXPECT_FALSE(Geometry(3, {{6, 1, 2, 0, 1}, {5, 1, 1, 0, 1}}).IsPointwise());
  EXPECT_FALSE(Geometry(3, {{6, 1, 1, 0, 1}, {5, 1, 1, 1, 1}}).IsPointwise());
}

}  // namespace
}  // namespace crema::test
