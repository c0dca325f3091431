#include <gtest/gtest.h>

#include <cmath>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class LrnTest : public LayerTest {
 protected:
  RunnerOptions On(DType dtype = DType::kFloat64) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(LrnTest);

struct Options {
  bool within = false;
  int size = 5;
  double alpha = 1, beta = 0.75, k = 1;

  std::string Text() const {
    return std::string("type: 'LRN' lrn_param { norm_region: ") +
           (within ? "WITHIN_CHANNEL" : "ACROSS_CHANNELS") +
           " local_size: " + std::to_string(size) + " alpha: " + std::to_string(alpha) +
           " beta: " + std::to_string(beta) + " k: " + std::to_string(k) + " }";
  }
};

std::vector<Options> AllOptions() {
  return {{false, 5, 1, 0.75, 1}, {false, 3, 2, 0.5, 2},   {false, 1, 1, 0.75, 1},
          {true, 3, 3, 0.75, 1},  {true, 5, 2, 0.25, 1},   {false, 11, 1, 1, 0.5},
          {true, 9, 1, 0.75, 1},  {false, 5, 0, 0.75, 1.5}};
}

std::vector<double> Naive(const Options& o, const Shape& shape, const std::vector<double>& x) {
  const int64_t channels = shape[1], height = shape[2], width = shape[3], half = o.size / 2;
  const auto at = [&](int64_t n, int64_t c, int64_t h, int64_t w) -> double {
    if (c < 0 || c >= channels || h < 0 || h >= height || w < 0 || w >= width) return 0;
    return x[((n * channels + c) * height + h) * width + w];
  };
  std::vector<double> y;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t h = 0; h < height; ++h) {
        for (int64_t w = 0; w < width; ++w) {
          double sum = 0;
          for (int64_t i = -half; i <= half; ++i) {
            if (!o.within) sum += std::pow(at(n, c + i, h, w), 2);
            for (int64_t j = -half; o.within && j <= half; ++j) {
              sum += std::pow(at(n, c, h + i, w + j), 2);
            }
          }
          const double n_neighbours = o.within ? o.size * o.size : o.size;
          const double scale = (o.within ? 1 : o.k) + o.alpha / n_neighbours * sum;
          y.push_back(at(n, c, h, w) * std::pow(scale, -o.beta));
        }
      }
    }
  }
  return y;
}

// Three channels 1, 2, 3 of one pixel; local_size 3, alpha 3, beta 1, k 2:
//   s_0 = 2 + 3/3 (1 + 4) = 7, s_1 = 2 + (1 + 4 + 9) = 16, s_2 = 2 + (4 + 9) = 15.
TEST_P(LrnTest, GoldenAcrossChannels) {
  LayerRunner runner(Options{false, 3, 3, 1, 2}.Text(), {Shape{1, 3, 1, 1}}, On());
  runner.SetBottom(0, {1, 2, 3});
  runner.Forward();
  ExpectNear(runner.Top(), {1 / 7.0, 2 / 16.0, 3 / 15.0}, 1e-14);
}

// One channel of 2 x 2 pixels 1 2 / 3 4; local_size 3, alpha 9, beta 1: every pixel has all four as
// neighbours, and the rest of the nine are zeros that count all the same, so that s = 1 + 9/9 (1 +
// 4 + 9 + 16) = 31; k has no effect.
TEST_P(LrnTest, GoldenWithinChannel) {
  LayerRunner runner(Options{true, 3, 9, 1, 100}.Text(), {Shape{1, 1, 2, 2}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.Forward();
  ExpectNear(runner.Top(), {1 / 31.0, 2 / 31.0, 3 / 31.0, 4 / 31.0}, 1e-14);
}

// 16 is 2 to the 4, so 16 ^ -0.75 = 1/8: one channel x = sqrt(15), local_size 1, alpha 1, k 1.
TEST_P(LrnTest, GoldenDefaultBeta) {
  LayerRunner runner(Options{false, 1, 1, 0.75, 1}.Text(), {Shape{1, 1, 1, 1}}, On());
  runner.SetBottom(0, {std::sqrt(15.0)});
  runner.Forward();
  ExpectNear(runner.Top(), {std::sqrt(15.0) / 8}, 1e-14);
}

TEST_P(LrnTest, AgreesWithALoop) {
  const Shape shape{2, 7, 4, 9};
  for (const Options& o : AllOptions()) {
    SCOPED_TRACE(o.Text());
    LayerRunner runner(o.Text(), {shape}, On());
    runner.Forward();
    EXPECT_EQ(runner.top_shape(), shape);
    ExpectNear(runner.Top(), Naive(o, shape, runner.Bottom()), 1e-12);
    LayerRunner single(o.Text(), {shape}, On(DType::kFloat32));
    single.Forward();
    ExpectNear(single.Top(), Naive(o, shape, single.Bottom()), 2e-6);
  }
}

TEST_P(LrnTest, GradientsAreRight) {
  for (const Options& o : AllOptions()) {
    SCOPED_TRACE(o.Text());
    LayerRunner runner(o.Text(), {Shape{2, 4, 3, 3}}, On());
    CheckGradients(runner);
  }
}

TEST_P(LrnTest, ScratchIsAsPlanned) {
  const Shape shape{2, 4, 3, 3};
  LayerRunner runner(Options().Text(), {shape}, On());
  runner.Forward();
  runner.Backward();
  EXPECT_LE(runner.context().scratch_bytes(), runner.plan().scratch_bytes);
}

TEST_P(LrnTest, EmptyBatch) {
  for (bool within : {false, true}) {
    LayerRunner runner(Options{within, 3}.Text(), {Shape{0, 3, 2, 2}}, On());
    runner.Forward();
    runner.Backward();
    EXPECT_EQ(runner.top_shape(), (Shape{0, 3, 2, 2}));
  }
}

TEST(LrnErrorTest, SaysWhatIsWrong) {
  ExpectError(
      [] {
        LayerRunner runner(Options{false, 4}.Text(), {Shape{1, 3, 2, 2}});
      },
      {"layer 'test' (LRN)", "local_size is 4", "odd"});
  ExpectError([] { LayerRunner runner(Options().Text(), {Shape{1, 3}}); }, {"2 axes", "have 4"});
}

}  // namespace
}  // namespace crema::test
