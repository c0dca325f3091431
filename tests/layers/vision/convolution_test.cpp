#include <gtest/gtest.h>
#include <omp.h>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ConvolutionTest : public LayerTest {
 protected:
  RunnerOptions On(DType dtype = DType::kFloat64, int tops = 1) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    options.tops = tops;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(ConvolutionTest);

std::string Text(const std::string& options) {
  return "type: 'Convolution' convolution_param { weight_filler { type: 'gaussian' std: 0.5 } "
         "bias_filler { type: 'uniform' min: -1 } " +
         options + " }";
}

// What a case means, written out; vectors have one entry per spatial axis.
struct Meaning {
  int outputs, group;
  std::vector<int> kernel, stride, pad, dilation;
  bool bias = true;
  int channel_axis = 1;
};

struct Case {
  std::string options;
  Shape bottom;
  Meaning meaning;
};

// Counts `at` up in mixed radix; false after the last one.
bool Next(std::vector<int64_t>* at, const std::vector<int64_t>& limits) {
  for (size_t a = limits.size(); a-- > 0;) {
    if (++(*at)[a] < limits[a]) return true;
    (*at)[a] = 0;
  }
  return false;
}

// The formula of the layer, one product after the other.
struct Naive {
  std::vector<int64_t> in, out, kernel;
  std::vector<double> y;

  Naive(const Meaning& m, const Shape& bottom, const std::vector<double>& x,
        const std::vector<double>& w, const std::vector<double>& b) {
    const int64_t images = bottom.Count(0, m.channel_axis), channels = bottom[m.channel_axis];
    for (size_t a = 0; a < m.kernel.size(); ++a) {
      in.push_back(bottom[m.channel_axis + 1 + static_cast<int>(a)]);
      kernel.push_back(m.kernel[a]);
      const int64_t window = m.dilation[a] * (m.kernel[a] - 1) + 1;
      out.push_back((in[a] + 2 * m.pad[a] - window) / m.stride[a] + 1);
    }
    const int64_t inputs = channels / m.group, outputs = m.outputs / m.group;
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t o = 0; o < m.outputs; ++o) {
        std::vector<int64_t> p(out.size());
        do {
          double sum = m.bias ? b[o] : 0;
          for (int64_t c = 0; c < inputs; ++c) {
            const int64_t channel = o / outputs * inputs + c;
            sum += Window(m, p, x, (n * channels + channel), w, o * inputs + c);
          }
          y.push_back(sum);
        } while (Next(&p, out));
      }
    }
  }

  double Window(const Meaning& m, const std::vector<int64_t>& p, const std::vector<double>& x,
                int64_t plane, const std::vector<double>& w, int64_t filter) const {
    double sum = 0;
    std::vector<int64_t> t(kernel.size());
    do {
      int64_t pixel = plane, tap = filter;
      bool inside = true;
      for (size_t a = 0; a < in.size(); ++a) {
        const int64_t at = p[a] * m.stride[a] - m.pad[a] + t[a] * m.dilation[a];
        inside = inside && at >= 0 && at < in[a];
        pixel = pixel * in[a] + at;
        tap = tap * kernel[a] + t[a];
      }
      if (inside) sum += x[pixel] * w[tap];
    } while (Next(&t, kernel));
    return sum;
  }
};

std::vector<Case> Cases() {
  return {
      {"num_output: 3 kernel_size: 3", {2, 2, 5, 6}, {3, 1, {3, 3}, {1, 1}, {0, 0}, {1, 1}}},
      {"num_output: 2 kernel_size: 3 stride: 2 pad: 1 bias_term: false",
       {2, 3, 5, 4},
       {2, 1, {3, 3}, {2, 2}, {1, 1}, {1, 1}, false}},
      {"num_output: 2 kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 0 pad_w: 2",
       {2, 2, 3, 5},
       {2, 1, {1, 3}, {1, 2}, {0, 2}, {1, 1}}},
      {"num_output: 2 kernel_size: 2 kernel_size: 3 dilation: 2 dilation: 1 pad: 1",
       {1, 2, 5, 4},
       {2, 1, {2, 3}, {1, 1}, {1, 1}, {2, 1}}},
      {"num_output: 4 kernel_size: 3 group: 2 pad: 1",
       {2, 6, 3, 3},
       {4, 2, {3, 3}, {1, 1}, {1, 1}, {1, 1}}},
      {"num_output: 3 kernel_size: 3 group: 3",
       {2, 3, 4, 4},
       {3, 3, {3, 3}, {1, 1}, {0, 0}, {1, 1}}},
      {"num_output: 4 kernel_size: 1", {3, 3, 2, 3}, {4, 1, {1, 1}, {1, 1}, {0, 0}, {1, 1}}},
      {"num_output: 4 kernel_size: 1 group: 2",
       {3, 2, 2, 3},
       {4, 2, {1, 1}, {1, 1}, {0, 0}, {1, 1}}},
      {"num_output: 2 kernel_size: 1 stride: 2",
       {2, 2, 3, 3},
       {2, 1, {1, 1}, {2, 2}, {0, 0}, {1, 1}}},
      {"num_output: 2 kernel_size: 3 stride: 2 pad: 1", {2, 2, 7}, {2, 1, {3}, {2}, {1}, {1}}},
      {"num_output: 2 kernel_size: 2 pad: 0 pad: 1 pad: 0 force_nd_im2col: true",
       {2, 2, 3, 2, 4},
       {2, 1, {2, 2, 2}, {1, 1, 1}, {0, 1, 0}, {1, 1, 1}}},
      {"num_output: 2 kernel_size: 2 axis: 2",
       {2, 2, 2, 3, 3},
       {2, 1, {2, 2}, {1, 1}, {0, 0}, {1, 1}, true, 2}},
      {"num_output: 2 kernel_size: 2 axis: -3 engine: CAFFE",
       {2, 2, 3, 3},
       {2, 1, {2, 2}, {1, 1}, {0, 0}, {1, 1}}},
      {"num_output: 3", {4, 5}, {3, 1, {}, {}, {}, {}}},
  };
}

TEST_P(ConvolutionTest, AgreesWithALoop) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options);
    LayerRunner runner(Text(c.options), {c.bottom}, On());
    runner.Forward();
    const std::vector<double> bias = c.meaning.bias ? runner.Param(1) : std::vector<double>();
    const Naive naive(c.meaning, c.bottom, runner.Bottom(), runner.Param(0), bias);
    ExpectNear(runner.Top(), naive.y, 1e-12);
  }
}

TEST_P(ConvolutionTest, GradientsAreRight) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options);
    LayerRunner runner(Text(c.options), {c.bottom}, On());
    CheckGradients(runner);
  }
}

// 1 2 3     filter  1 0     out = x[p] - x[p + (1, 1)] + 10:  1-5+10 = 6 everywhere.
// 4 5 6             0 -1
// 7 8 9
TEST_P(ConvolutionTest, GoldenValues) {
  LayerRunner runner(Text("num_output: 1 kernel_size: 2"), {Shape{1, 1, 3, 3}}, On());
  runner.SetBottom(0, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  runner.SetParam(0, {1, 0, 0, -1});
  runner.SetParam(1, {10});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{6, 6, 6, 6}));
  // The filter is not turned round: with a single 1 it picks the pixel at that place.
  runner.SetParam(0, {0, 1, 0, 0});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{12, 13, 15, 16}));
  // dw[t] is the sum of dy times the pixels under tap t; db that of dy.
  runner.SetTopDiff(0, {1, 0, 0, 2});
  runner.Backward();
  EXPECT_EQ(runner.ParamDiff(0), (std::vector<double>{11, 14, 20, 23}));
  EXPECT_EQ(runner.ParamDiff(1), (std::vector<double>{3}));
  EXPECT_EQ(runner.BottomDiff(), (std::vector<double>{0, 1, 0, 0, 0, 2, 0, 0, 0}));
}

// 4 pixels, kernel 5, stride 2: (4 - 5) / 2 rounds to 0, so there is one window, as in Caffe; its
// last tap sees a zero.
TEST_P(ConvolutionTest, AWindowSomewhatLargerThanTheImage) {
  LayerRunner runner(Text("num_output: 1 kernel_size: 5 stride: 2 bias_term: false"),
                     {Shape{1, 1, 4}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.SetParam(0, {1, 10, 100, 1000, 10000});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{4321}));
  CheckGradients(runner);
}

TEST_P(ConvolutionTest, ParameterShapesAreThoseOfCaffe) {
  LayerRunner runner(Text("num_output: 6 kernel_h: 2 kernel_w: 3 group: 2"), {Shape{1, 4, 5, 5}},
                     On());
  EXPECT_EQ(runner.param_shape(0), (Shape{6, 2, 2, 3}));
  EXPECT_EQ(runner.param_shape(1), (Shape{6}));
  EXPECT_EQ(runner.top_shape(), (Shape{1, 6, 4, 3}));
  // 6 outputs x 4 x 3 pixels x (2 channels x 2 x 3 taps), multiply and add.
  EXPECT_EQ(runner.layer().ForwardFlops(), 2.0 * 6 * 12 * 12);
}

TEST_P(ConvolutionTest, SeveralBottomsShareTheWeights) {
  const std::vector<Shape> bottoms = {{2, 2, 4, 4}, {2, 2, 4, 4}};
  LayerRunner runner(Text("num_output: 2 kernel_size: 3"), bottoms, On(DType::kFloat64, 2));
  runner.Forward();
  const Meaning meaning{2, 1, {3, 3}, {1, 1}, {0, 0}, {1, 1}};
  for (int i = 0; i < 2; ++i) {
    const Naive naive(meaning, bottoms[0], runner.Bottom(i), runner.Param(0), runner.Param(1));
    ExpectNear(runner.Top(i), naive.y, 1e-12);
  }
  CheckGradients(runner);
}

// More images than tasks, in a number that they do not divide.
TEST_P(ConvolutionTest, ManyImages) {
  const Shape bottom{37, 3, 6, 6};
  LayerRunner runner(Text("num_output: 5 kernel_size: 3 stride: 2"), {bottom}, On(DType::kFloat32));
  runner.Forward();
  const Naive naive({5, 1, {3, 3}, {2, 2}, {0, 0}, {1, 1}}, bottom, runner.Bottom(),
                    runner.Param(0), runner.Param(1));
  ExpectNear(runner.Top(), naive.y, 1e-5);

  // The weights' gradient is linear in dy: that of one image at a time adds up to the whole.
  const std::vector<double> dy = runner.TopDiff();
  const size_t image = dy.size() / 37;
  std::vector<double> sum;
  for (int n = 0; n < 37; ++n) {
    std::vector<double> one(dy.size());
    std::copy_n(dy.begin() + n * image, image, one.begin() + n * image);
    runner.SetTopDiff(0, one);
    runner.Backward();
    const std::vector<double> part = runner.ParamDiff(0);
    if (sum.empty()) sum.resize(part.size());
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
  }
  runner.SetTopDiff(0, dy);
  runner.Backward();
  ExpectNear(runner.ParamDiff(0), sum, 1e-4);
}

TEST_P(ConvolutionTest, FrozenParametersGetNoGradient) {
  RunnerOptions options = On();
  options.wants_gradient = {false, true};
  LayerRunner runner(Text("num_output: 2 kernel_size: 2"), {Shape{2, 2, 3, 3}}, options);
  CheckGradients(runner);
  for (double d : runner.ParamDiff(0)) EXPECT_EQ(d, 0);
  options.wants_gradient = {true, false};
  LayerRunner other(Text("num_output: 2 kernel_size: 2"), {Shape{2, 2, 3, 3}}, options);
  CheckGradients(other);
  for (double d : other.ParamDiff(1)) EXPECT_EQ(d, 0);
}

TEST_P(ConvolutionTest, BottomWithoutGradientIsLeftAlone) {
  LayerRunner runner(Text("num_output: 2 kernel_size: 2"), {Shape{5, 2, 3, 3}}, On());
  runner.Forward();
  runner.Backward();
  const std::vector<double> dx = runner.BottomDiff(), dw = runner.ParamDiff(0);
  runner.SetTopDiff(0, RandomValues(5 * 2 * 2 * 2, 3));
  runner.Backward({false});
  EXPECT_EQ(runner.BottomDiff(), dx);
  EXPECT_NE(runner.ParamDiff(0), dw);
}

TEST_P(ConvolutionTest, EmptyBatch) {
  LayerRunner runner(Text("num_output: 2 kernel_size: 2"), {Shape{0, 2, 3, 3}}, On());
  EXPECT_EQ(runner.top_shape(), (Shape{0, 2, 2, 2}));
  runner.Forward();
  runner.Backward();
  for (double d : runner.ParamDiff(0)) EXPECT_EQ(d, 0);
  for (double d : runner.ParamDiff(1)) EXPECT_EQ(d, 0);
}

TEST_P(ConvolutionTest, OtherImageSizesKeepTheWeights) {
  LayerRunner runner(Text("num_output: 2 kernel_size: 2"), {Shape{2, 2, 3, 3}}, On());
  runner.Reshape({Shape{3, 2, 5, 4}});
  runner.Forward();
  const Naive naive({2, 1, {2, 2}, {1, 1}, {0, 0}, {1, 1}}, Shape{3, 2, 5, 4}, runner.Bottom(),
                    runner.Param(0), runner.Param(1));
  ExpectNear(runner.Top(), naive.y, 1e-12);
  ExpectError([&] { runner.Reshape({Shape{2, 3, 3, 3}}); }, {"2 2 2 2", "2 3 2 2"});
}

// What the plan says is enough.
TEST_P(ConvolutionTest, ScratchIsAsPlanned) {
  for (const Shape& shape : {Shape{20, 2, 9, 9}, Shape{2, 2, 9, 9}, Shape{0, 2, 9, 9}}) {
    LayerRunner runner(Text("num_output: 3 kernel_size: 3"), {shape}, On());
    const size_t planned = runner.plan().scratch_bytes;
    runner.Forward();
    runner.Backward();
    EXPECT_LE(runner.context().scratch_bytes(), planned);
  }
}

// Columns of more than 4 MB an image: threads share each image instead of the batch.
TEST(ConvolutionOnCpuTest, LargeImages) {
  RunnerOptions options;
  options.dtype = DType::kFloat32;
  const Shape bottom{4, 16, 56, 56};
  LayerRunner runner(Text("num_output: 1 kernel_size: 5"), {bottom}, options);
  EXPECT_LT(runner.plan().scratch_bytes, size_t{6} << 20);
  runner.Forward();
  const Naive naive({1, 1, {5, 5}, {1, 1}, {0, 0}, {1, 1}}, bottom, runner.Bottom(),
                    runner.Param(0), runner.Param(1));
  ExpectNear(runner.Top(), naive.y, 1e-4);
}

// Weights whose partial sums would be too large: the batch is walked through image by image.
TEST(ConvolutionOnCpuTest, LargeWeights) {
  RunnerOptions options;
  options.dtype = DType::kFloat32;
  const int outputs = 600, channels = 500, pixels = 4;
  LayerRunner runner(Text("num_output: 600 kernel_size: 1"), {Shape{5, channels, 2, 2}}, options);
  runner.Forward();
  runner.Backward();
  const std::vector<double> x = runner.Bottom(), dy = runner.TopDiff();
  std::vector<double> dw(outputs * channels);
  for (int n = 0; n < 5; ++n) {
    for (int o = 0; o < outputs; ++o) {
      for (int c = 0; c < channels; ++c) {
        for (int p = 0; p < pixels; ++p) {
          dw[o * channels + c] +=
              dy[(n * outputs + o) * pixels + p] * x[(n * channels + c) * pixels + p];
        }
      }
    }
  }
  ExpectNear(runner.ParamDiff(0), dw, 1e-4);
}

TEST(ConvolutionOnCpuTest, ThreadsDoNotChangeTheResult) {
  RunnerOptions options;
  options.dtype = DType::kFloat32;
  const int threads = omp_get_max_threads();
  std::vector<std::vector<double>> first;
  for (int n : {1, 2, 3, 5}) {
    omp_set_num_threads(n);
    LayerRunner runner(Text("num_output: 20 kernel_size: 5 pad: 2"), {Shape{19, 8, 17, 13}},
                       options);
    runner.Forward();
    runner.Backward();
    const std::vector<std::vector<double>> now = {runner.Top(), runner.BottomDiff(),
                                                  runner.ParamDiff(0), runner.ParamDiff(1)};
    if (first.empty()) first = now;
    EXPECT_EQ(now, first) << n << " threads";
  }
  omp_set_num_threads(threads);
}

struct BadCase {
  std::string options;
  std::vector<Shape> bottoms;
  std::vector<std::string> parts;
};

TEST(ConvolutionErrorTest, SaysWhatIsWrong) {
  const std::vector<Shape> image = {{1, 4, 5, 5}};
  const std::vector<BadCase> cases = {
      {"kernel_size: 3", image, {"layer 'test' (Convolution)", "num_output is missing"}},
      {"num_output: 2", image, {"kernel_size is missing"}},
      {"num_output: 2 kernel_size: 0", image, {"kernel_size is 0"}},
      {"num_output: 2 kernel_size: 4294967295", image, {"kernel_size is 4294967295"}},
      {"num_output: 2 kernel_h: 3", image, {"kernel_h and kernel_w", "set both"}},
      {"num_output: 2 kernel_size: 3 kernel_h: 3 kernel_w: 3", image, {"both kernel_size"}},
      {"num_output: 2 kernel_size: 3 kernel_size: 3 kernel_size: 3",
       image,
       {"3 times", "2 spatial"}},
      {"num_output: 2 kernel_h: 3 kernel_w: 3", {{1, 4, 5, 5, 5}}, {"kernel_h", "has 3"}},
      {"num_output: 2 kernel_size: 3 stride: 0", image, {"stride is 0"}},
      {"num_output: 2 kernel_size: 3 stride_h: 2", image, {"stride_h", "set both"}},
      {"num_output: 2 kernel_size: 3 dilation: 0", image, {"dilation is 0"}},
      {"num_output: 2 kernel_size: 6", image, {"covers 6 pixels", "1 4 5 5 (100)", "has only 5"}},
      {"num_output: 2 kernel_size: 3 dilation: 3", image, {"covers 7 pixels"}},
      {"num_output: 3 kernel_size: 3 group: 2", image, {"num_output is 3", "group, 2"}},
      {"num_output: 3 kernel_size: 3 group: 3", image, {"4 channels", "group, 3"}},
      {"num_output: 3 kernel_size: 3 group: 0", image, {"group is 0"}},
      {"num_output: 3 kernel_size: 3 axis: 4", image, {"axis"}},
      {"num_output: 3 kernel_size: 1 axis: 0", {{1, 1, 1, 1, 1, 1, 1, 1}}, {"7 spatial axes"}},
      {"num_output: 3 kernel_size: 3", {{1, 4, 5, 5}, {1, 4, 5, 5}}, {"2 bottoms and 1 top;"}},
  };
  for (const BadCase& c : cases) {
    SCOPED_TRACE(c.options);
    ExpectError([&] { LayerRunner runner(Text(c.options), c.bottoms); }, c.parts);
  }
  RunnerOptions two_tops;
  two_tops.tops = 2;
  ExpectError(
      [&] {
        LayerRunner runner(Text("num_output: 2 kernel_size: 2"), {{1, 4, 5, 5}, {1, 4, 5, 6}},
                           two_tops);
      },
      {"same shape", "1 4 5 6"});
}

}  // namespace
}  // namespace crema::test
