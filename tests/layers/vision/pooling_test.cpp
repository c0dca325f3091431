#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class PoolingTest : public LayerTest {
 protected:
  RunnerOptions On(DType dtype = DType::kFloat64, int tops = 1, Phase phase = Phase::kTrain) const {
    RunnerOptions options;
    options.device = device();
    options.dtype = dtype;
    options.tops = tops;
    options.phase = phase;
    return options;
  }
};
CREMA_ON_ALL_DEVICES(PoolingTest);

std::string Text(const std::string& options) {
  return "type: 'Pooling' pooling_param { " + options + " }";
}

// Distinct values at least 0.1 apart in random order, so that no small step changes a maximum.
std::vector<double> Distinct(int64_t count, uint64_t seed = 5) {
  std::vector<double> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0.1 * (static_cast<double>(i) - count / 2);
  std::shuffle(values.begin(), values.end(), std::mt19937_64(seed));
  return values;
}

std::vector<double> CountUp(int count) {
  std::vector<double> values(count);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

struct Case {
  std::string options;
  int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  int64_t height, width, out_h, out_w;
};

// Out sizes are worked out by hand: ceil((in + 2 pad - kernel) / stride) + 1, less 1 where with
// padding the last window would begin at in + pad or later.
std::vector<Case> Cases() {
  return {
      {"kernel_size: 2 stride: 2", 2, 2, 2, 2, 0, 0, 6, 8, 3, 4},
      {"kernel_size: 2 stride: 2", 2, 2, 2, 2, 0, 0, 5, 37, 3, 19},
      {"kernel_size: 2 stride: 2 round_mode: FLOOR", 2, 2, 2, 2, 0, 0, 5, 7, 2, 3},
      {"kernel_size: 2 stride: 2 ceil_mode: false", 2, 2, 2, 2, 0, 0, 5, 7, 2, 3},
      {"kernel_size: 2 stride: 2 ceil_mode: true", 2, 2, 2, 2, 0, 0, 5, 7, 3, 4},
      {"kernel_size: 2 stride: 2 torch_pooling: true", 2, 2, 2, 2, 0, 0, 5, 7, 2, 3},
      {"kernel_size: 2 stride: 2 torch_pooling: false", 2, 2, 2, 2, 0, 0, 5, 7, 3, 4},
      {"kernel_size: 3 stride: 2 pad: 1 ceil_mode: false round_mode: FLOOR torch_pooling: true", 3,
       3, 2, 2, 1, 1, 6, 7, 3, 4},
      {"kernel_size: 2 stride: 2 pad: 1", 2, 2, 2, 2, 1, 1, 3, 4, 2, 3},
      {"kernel_size: 3 stride: 2", 3, 3, 2, 2, 0, 0, 6, 40, 3, 20},
      {"kernel_size: 3 stride: 2 pad: 1", 3, 3, 2, 2, 1, 1, 6, 35, 4, 18},
      {"kernel_size: 3 stride: 2 pad: 2", 3, 3, 2, 2, 2, 2, 5, 4, 4, 3},
      {"kernel_size: 3 stride: 2 round_mode: FLOOR", 3, 3, 2, 2, 0, 0, 6, 6, 2, 2},
      {"kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR", 3, 3, 2, 2, 1, 1, 6, 7, 3, 4},
      {"kernel_size: 3 pad: 1", 3, 3, 1, 1, 1, 1, 4, 21, 4, 21},
      {"kernel_size: 3", 3, 3, 1, 1, 0, 0, 4, 5, 2, 3},
      {"kernel_size: 3 stride: 2", 3, 3, 2, 2, 0, 0, 2, 3, 1, 1},
      {"kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 2 pad_w: 0", 3, 2, 1, 3, 2, 0, 4, 8,
       6, 3},
      {"kernel_size: 5 stride: 3 pad: 2", 5, 5, 3, 3, 2, 2, 7, 9, 3, 4},
      {"kernel_size: 7 stride: 7", 7, 7, 7, 7, 0, 0, 7, 9, 1, 2},
      {"kernel_size: 4", 4, 4, 1, 1, 0, 0, 5, 4, 2, 1},
      {"global_pooling: true", 5, 3, 1, 1, 0, 0, 5, 3, 1, 1},
      {"kernel_size: 1 stride: 2", 1, 1, 2, 2, 0, 0, 5, 7, 3, 4},
  };
}

// Forward and backward by one loop over windows, as a definition.
struct Naive {
  std::vector<double> y, mask, dx;

  Naive(const Case& c, bool max, int64_t planes, const std::vector<double>& x,
        const std::vector<double>& dy)
      : dx(x.size()) {
    for (int64_t p = 0; p < planes; ++p) {
      for (int64_t i = 0; i < c.out_h; ++i) {
        for (int64_t j = 0; j < c.out_w; ++j) {
          Window(c, max, p * c.height * c.width, i * c.stride_h - c.pad_h, j * c.stride_w - c.pad_w,
                 x, dy[y.size()]);
        }
      }
    }
  }

  void Window(const Case& c, bool max, int64_t plane, int64_t top, int64_t left,
              const std::vector<double>& x, double dy) {
    const int64_t bottom = std::min<int64_t>(top + c.kernel_h, c.height + c.pad_h);
    const int64_t right = std::min<int64_t>(left + c.kernel_w, c.width + c.pad_w);
    const double size = static_cast<double>((bottom - top) * (right - left));
    double sum = 0, best = -1e300;
    int64_t best_at = -1;
    for (int64_t h = std::max<int64_t>(top, 0); h < std::min(bottom, c.height); ++h) {
      for (int64_t w = std::max<int64_t>(left, 0); w < std::min(right, c.width); ++w) {
        const int64_t at = h * c.width + w;
        sum += x[plane + at];
        if (x[plane + at] > best) {
          best = x[plane + at];
          best_at = at;
        }
        if (!max) dx[plane + at] += dy / size;
      }
    }
    y.push_back(max ? best : sum / size);
    mask.push_back(static_cast<double>(best_at));
    if (max) dx[plane + best_at] += dy;
  }
};

TEST_P(PoolingTest, AgreesWithALoop) {
  for (const Case& c : Cases()) {
    const Shape bottom{2, 3, c.height, c.width}, top{2, 3, c.out_h, c.out_w};
    for (bool max : {true, false}) {
      for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
        const std::string text = Text(c.options + (max ? "" : " pool: AVE"));
        SCOPED_TRACE(text);
        LayerRunner runner(text, {bottom}, On(dtype));
        ASSERT_EQ(runner.top_shape(), top);
        // Small whole numbers: many ties, and sums without rounding.
        runner.SetBottom(0, RandomLabels(bottom.count(), 5));
        runner.Forward();
        runner.Backward();
        const Naive naive(c, max, 6, runner.Bottom(), runner.TopDiff());
        ExpectNear(runner.Top(), naive.y, 1e-6);
        ExpectNear(runner.BottomDiff(), naive.dx, 1e-6);
      }
    }
  }
}

TEST_P(PoolingTest, GradientsAreRight) {
  for (const Case& c : Cases()) {
    if (c.width > 10) continue;
    const Shape bottom{2, 2, c.height, c.width};
    for (const char* pool : {" pool: MAX", " pool: AVE"}) {
      SCOPED_TRACE(c.options + pool);
      LayerRunner runner(Text(c.options + pool), {bottom}, On());
      runner.SetBottom(0, Distinct(bottom.count()));
      CheckGradients(runner);
    }
  }
}

// 5 x 5 pixels 0 .. 24, 2 x 2 windows at stride 2: ceil(3 / 2) + 1 = 3 windows each way, the last
// one pixel wide or high, and their mean is over what they have:
//   (0 1 5 6)      (2 3 7 8)      (4 9)          mean  3  5  6.5
//   (10 11 15 16)  (12 13 17 18)  (14 19)             13 15 16.5
//   (20 21)        (22 23)        (24)               20.5 22.5 24
TEST_P(PoolingTest, GoldenLastWindowIsClipped) {
  const std::string options = "kernel_size: 2 stride: 2";
  LayerRunner max(Text(options), {Shape{1, 1, 5, 5}}, On());
  max.SetBottom(0, CountUp(25));
  max.Forward();
  EXPECT_EQ(max.top_shape(), (Shape{1, 1, 3, 3}));
  EXPECT_EQ(max.Top(), (std::vector<double>{6, 8, 9, 16, 18, 19, 21, 23, 24}));
  LayerRunner mean(Text(options + " pool: AVE"), {Shape{1, 1, 5, 5}}, On());
  mean.SetBottom(0, CountUp(25));
  mean.Forward();
  EXPECT_EQ(mean.Top(), (std::vector<double>{3, 5, 6.5, 13, 15, 16.5, 20.5, 22.5, 24}));
}

// One row 1 2 3 4, kernel 3, stride 2, pad 1: ceil((4 + 2 - 3) / 2) + 1 = 3 windows, from -1, 1
// and 3 on. Sums 1 + 2, 2 + 3 + 4 and 4. Widths within the padded image (-1 to 4): 3, 3, and 2, as
// the last one ends behind it. In height the window is -1 to 1, so 3. Means 3/9, 9/9, 4/6.
TEST_P(PoolingTest, GoldenMeanCountsPaddingButNotWhatIsBehindIt) {
  LayerRunner runner(Text("kernel_size: 3 stride: 2 pad: 1 pool: AVE"), {Shape{1, 1, 1, 4}}, On());
  runner.SetBottom(0, {1, 2, 3, 4});
  runner.Forward();
  ASSERT_EQ(runner.top_shape(), (Shape{1, 1, 1, 3}));
  ExpectNear(runner.Top(), {1.0 / 3, 1, 2.0 / 3}, 1e-15);
  // Backward, each pixel gets dy over the size of each window that it is in.
  runner.SetTopDiff(0, {9, 18, 6});
  runner.Backward();
  ExpectNear(runner.BottomDiff(), {1, 1 + 2, 2, 2 + 1}, 1e-15);
}

// Three pixels, kernel 2, stride 2, pad 1: ceil((3 + 2 - 2) / 2) + 1 = 3 windows, but the third
// would begin at 3, behind the image: with padding it is dropped. Without padding a window may
// begin behind the image only where stride > kernel: it stays, as in Caffe, and gives 0.
TEST_P(PoolingTest, GoldenWindowsBehindTheImage) {
  LayerRunner dropped(Text("kernel_size: 2 stride: 2 pad: 1"), {Shape{1, 1, 1, 3}}, On());
  dropped.SetBottom(0, {-1, -2, -3});
  dropped.Forward();
  EXPECT_EQ(dropped.Top(), (std::vector<double>{-1, -2}));
  for (const char* pool : {"MAX", "AVE"}) {
    LayerRunner kept(Text(std::string("kernel_size: 1 stride: 2 pool: ") + pool),
                     {Shape{1, 1, 1, 4}}, On());
    kept.SetBottom(0, {-1, -2, -3, -4});
    kept.Forward();
    EXPECT_EQ(kept.Top(), (std::vector<double>{-1, -3, 0}));
    kept.SetTopDiff(0, {5, 6, 7});
    kept.Backward();
    EXPECT_EQ(kept.BottomDiff(), (std::vector<double>{5, 0, 6, 0}));
  }
}

// Of equal values the first in reading order gets the gradient.
TEST_P(PoolingTest, TiesGoToTheFirst) {
  LayerRunner runner(Text("kernel_size: 3 stride: 2 pad: 1"), {Shape{1, 1, 4, 4}}, On());
  runner.SetBottom(0, std::vector<double>(16, 7));
  runner.SetTopDiff(0, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  runner.Forward();
  runner.Backward();
  // Windows begin at rows and columns 0 (clipped), 1 and 3.
  EXPECT_EQ(runner.BottomDiff(), (std::vector<double>{1, 2, 0, 3,  //
                                                      4, 5, 0, 6,  //
                                                      0, 0, 0, 0,  //
                                                      7, 8, 0, 9}));
}

TEST_P(PoolingTest, SecondTopIsTheMask) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.options);
    const Shape bottom{2, 2, c.height, c.width};
    LayerRunner runner(Text(c.options), {bottom}, On(DType::kFloat64, 2));
    runner.SetBottom(0, Distinct(bottom.count()));
    runner.Forward();
    const Naive naive(c, true, 4, runner.Bottom(), runner.TopDiff());
    EXPECT_EQ(runner.top_shape(1), runner.top_shape(0));
    EXPECT_EQ(runner.Top(1), naive.mask);
    runner.Backward();
    ExpectNear(runner.BottomDiff(), naive.dx, 1e-14);
  }
}

TEST_P(PoolingTest, GlobalPoolingFollowsTheImage) {
  LayerRunner runner(Text("global_pooling: true pool: AVE"), {Shape{1, 2, 2, 2}}, On());
  runner.Reshape({Shape{2, 2, 3, 4}});
  runner.SetBottom(0, std::vector<double>(48, 2));
  runner.Forward();
  EXPECT_EQ(runner.top_shape(), (Shape{2, 2, 1, 1}));
  ExpectNear(runner.Top(), {2, 2, 2, 2}, 1e-14);
}

TEST_P(PoolingTest, LowestNumbersAreNotLost) {
  LayerRunner runner(Text("kernel_size: 2 stride: 2"), {Shape{1, 1, 3, 4}}, On(DType::kFloat32));
  const double low = -3e38;
  runner.SetBottom(0, std::vector<double>(12, low));
  runner.Forward();
  ExpectNear(runner.Top(), std::vector<double>(4, static_cast<float>(low)), 1e-6);
}

// Of 1, 3 and 0 in one window the first is drawn with probability 1/4, the second with 3/4. 2000
// windows: the deviation of the count is below 20, and 4 of them are allowed.
TEST_P(PoolingTest, StochasticDrawsInProportion) {
  const std::string text = Text("kernel_h: 1 kernel_w: 3 stride: 3 pool: STOCHASTIC");
  LayerRunner runner(text, {Shape{1, 2000, 1, 3}}, On());
  std::vector<double> x;
  for (int i = 0; i < 2000; ++i) x.insert(x.end(), {1, 3, 0});
  runner.SetBottom(0, x);
  runner.Forward();
  const std::vector<double> y = runner.Top();
  std::map<double, int> counts;
  for (double v : y) ++counts[v];
  EXPECT_EQ(counts[1] + counts[3], 2000);
  EXPECT_NEAR(counts[3], 1500, 80);
  runner.SetTopDiff(0, std::vector<double>(2000, 1));
  runner.Backward();
  const std::vector<double> dx = runner.BottomDiff();
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(dx[3 * i], y[i] == 1 ? 1 : 0);
    EXPECT_EQ(dx[3 * i + 1], y[i] == 3 ? 1 : 0);
  }
  runner.Forward();
  EXPECT_EQ(runner.Top(), y);
  runner.context().SetStep(1);
  runner.Forward();
  EXPECT_NE(runner.Top(), y);
}

// Mean weighted by size: (1 + 9) / (1 + 3) = 2.5; nothing to weigh gives 0.
TEST_P(PoolingTest, StochasticTestsByTheWeightedMean) {
  LayerRunner runner(Text("kernel_size: 2 stride: 2 pool: STOCHASTIC"), {Shape{1, 1, 1, 4}},
                     On(DType::kFloat64, 1, Phase::kTest));
  runner.SetBottom(0, {1, 3, 0, 0});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{2.5, 0}));
  EXPECT_FALSE(runner.layer().traits().has_backward);
}

TEST_P(PoolingTest, EmptyBatch) {
  for (const char* pool : {"MAX", "AVE", "STOCHASTIC"}) {
    LayerRunner runner(Text(std::string("kernel_size: 2 pool: ") + pool), {Shape{0, 3, 4, 4}},
                       On());
    EXPECT_EQ(runner.top_shape(), (Shape{0, 3, 3, 3}));
    runner.Forward();
    runner.Backward();
  }
}

struct BadCase {
  std::string options;
  std::vector<std::string> parts;
};

TEST(PoolingErrorTest, SaysWhatIsWrong) {
  const std::vector<BadCase> cases = {
      {"", {"layer 'test' (Pooling)", "kernel_size"}},
      {"kernel_h: 2", {"kernel_h and kernel_w"}},
      {"kernel_size: 2 kernel_h: 2 kernel_w: 2", {"either kernel_size"}},
      {"kernel_size: 0", {"kernel_size is 0"}},
      {"kernel_size: 2 stride: 0", {"stride is 0"}},
      {"kernel_size: 2 stride_h: 2", {"either stride"}},
      {"kernel_size: 2 stride: 1 stride_h: 2 stride_w: 2", {"either stride"}},
      {"kernel_size: 2 pad_w: 1", {"either pad"}},
      {"kernel_size: 2 pad: 2", {"pad is 2", "from 0 to 1", "below kernel_size"}},
      {"kernel_size: 2 pad: 1 pool: STOCHASTIC", {"STOCHASTIC", "does not support padding"}},
      {"kernel_size: 2 global_pooling: true", {"global_pooling", "remove the kernel size"}},
      {"stride: 2 global_pooling: true", {"global_pooling", "remove pad and stride"}},
      {"kernel_size: 7", {"no window of 7 x 7", "1 1 4 4 (16)"}},
      {"kernel_size: 2 ceil_mode: false round_mode: CEIL", {"contradict", "set only one"}},
      {"kernel_size: 2 ceil_mode: true round_mode: FLOOR", {"contradict"}},
      {"kernel_size: 2 ceil_mode: false torch_pooling: false", {"contradict"}},
      {"kernel_size: 2 round_mode: CEIL torch_pooling: true", {"contradict"}},
  };
  for (const BadCase& c : cases) {
    SCOPED_TRACE(c.options);
    ExpectError([&] { LayerRunner runner(Text(c.options), {Shape{1, 1, 4, 4}}); }, c.parts);
  }
  ExpectError(
      [] {
        LayerRunner runner(Text("kernel_size: 2"), {Shape{4, 4}});
      },
      {"4 4 (16)", "2 axes", "have 4"});
  ExpectError([] { LayerRunner runner(Text("kernel_size: 2"), {Shape{1, 1, 0, 4}}); }, {"pixels"});
}

}  // namespace
}  // namespace crema::test
