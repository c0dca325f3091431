// Every engine against our own code, over random sizes and options: also those that no net has,
// such as strides above the kernel, windows outside of the image, and padding on all sides.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <random>

#include "engines/engine_test_util.h"

namespace crema::test {
namespace {

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  int From(int least, int most) {
    return least + static_cast<int>(random_() % static_cast<uint32_t>(most - least + 1));
  }
  bool OneIn(int n) { return From(1, n) == 1; }

  // An option for both axes at once, or one for each.
  std::string Window(const std::string& once, const std::string& pair, int least, int most) {
    if (OneIn(2)) return Concat(once, ": ", From(least, most), " ");
    return Concat(pair, "_h: ", From(least, most), " ", pair, "_w: ", From(least, most), " ");
  }

  int Channels() { return OneIn(2) ? 16 * From(1, 4) : From(1, 40); }

  Shape Images(int channels) {
    return {From(1, 3), channels, OneIn(4) ? From(1, 2) : From(2, 9), From(1, 9)};
  }

  std::string Pooling() {
    std::string options = Window("kernel_size", "kernel", 1, 4) + Window("stride", "stride", 1, 6);
    if (OneIn(2)) options += Window("pad", "pad", 0, 3);
    if (OneIn(3)) options += "round_mode: FLOOR ";
    if (OneIn(2)) options += "pool: AVE ";
    if (OneIn(8)) options = OneIn(2) ? "global_pooling: true" : "global_pooling: true pool: AVE";
    return "type: 'Pooling' pooling_param { " + options + "}";
  }

  // `outputs` must be divisible by the group.
  std::string Convolution(const std::string& type, int group, int outputs) {
    std::string options = Window("kernel_size", "kernel", 1, 4) + Window("stride", "stride", 1, 5);
    if (OneIn(2)) options += Window("pad", "pad", 0, 4);
    if (OneIn(3)) options += Concat("dilation: ", From(1, 3), " ");
    if (OneIn(3)) options += "bias_term: false ";
    return "type: '" + type + "' convolution_param { weight_filler { type: 'gaussian' std: 0.5 } " +
           Concat("num_output: ", outputs, " group: ", group, " ") + options + "}";
  }

  // Large enough to pay, and seldom with more padding than there is code for.
  std::pair<std::string, Shape> ForWinograd(const std::string& type) {
    const int most = OneIn(4) ? 3 : 1;
    const std::string options =
        Concat("num_output: ", 32 * From(1, 2), " kernel_size: 3 pad_h: ", From(0, most),
               " pad_w: ", From(0, most));
    return {"type: '" + type + "' convolution_param { " + options +
                " weight_filler { type: 'gaussian' std: 0.1 } }",
            {From(4, 6), 32 * From(1, 2), From(16, 24), From(16, 24)}};
  }

  std::string Lrn() {
    const int size = OneIn(2) ? 5 : 2 * From(0, 4) + 1;
    return Concat("type: 'LRN' lrn_param { local_size: ", size, " alpha: 0.3 ",
                  OneIn(2) ? "beta: 0.5 " : "", OneIn(2) ? "k: 2 " : "",
                  OneIn(3) ? "norm_region: WITHIN_CHANNEL " : "", "}");
  }

  std::string Product() {
    // Named, for else small ones are left to our own code.
    return Concat(
        "type: 'InnerProduct' inner_product_param { engine: ONEDNN num_output: ", From(1, 40),
        " weight_filler { type: 'gaussian' std: 0.5 } ", OneIn(2) ? "transpose: true " : "",
        OneIn(3) ? "bias_term: false " : "", OneIn(3) ? "axis: 2 " : "", "}");
  }

 private:
  std::mt19937 random_;
};

// Compares where both take the case. Returns why one does not, or "".
std::string Compare(const std::string& text, const Shape& bottom, const std::string& engine,
                    double tolerance) {
  SCOPED_TRACE(engine + ": " + text + " " + bottom.ToString());
  RunnerOptions options;
  options.engine = engine;
  options.dtype = DType::kFloat32;
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    options.phase = phase;
    for (const Layout layout : {Layout::kChannelsLast, Layout::kPlain}) {
      options.layout = layout;
      try {
        LayerRunner probe(text, {bottom}, options);
        const bool last = probe.layer().traits().needs_channels_last;
        if (last != (layout == Layout::kChannelsLast)) continue;
        // Sums of factors of about 1 may be small.
        ExpectSameAsCaffe(text, {bottom}, options, tolerance, 1.0);
      } catch (const Error& error) {
        return error.what();
      }
    }
  }
  return "";
}

// Of the engine's arithmetic: Winograd's and bfloat16's round more.
double ToleranceOf(const std::string& engine) {
  return engine == "BF16" ? 0.1 : engine == "WINOGRAD" ? 1e-4 : 1e-5;
}

using MakeCase = std::function<std::pair<std::string, Shape>(Generator*)>;

// Returns how many of the cases the engine takes; -1 if this processor lacks what it needs.
int CountTaken(const std::string& engine, int cases, const MakeCase& make) {
  Generator generator(17);
  int taken = 0;
  bool lacks_processor = false;
  for (int i = 0; i < cases; ++i) {
    const auto [text, bottom] = make(&generator);
    const std::string why = Compare(text, bottom, engine, ToleranceOf(engine));
    taken += why.empty() ? 1 : 0;
    lacks_processor = lacks_processor || why.find("this processor has no") != std::string::npos;
  }
  std::cout << engine << " takes " << taken << " of " << cases << "\n";
  return lacks_processor ? -1 : taken;
}

// Each engine but Winograd's, which has cases of its own. It must take at least `share` of the
// cases: one that refuses all would pass every comparison.
void CompareAll(const std::string& type, int cases, double share, const MakeCase& make) {
  for (const EngineEntry& entry : EnginesFor(type, DeviceKind::kCpu)) {
    if (entry.engine.find("OF_TESTS") != std::string::npos) continue;
    if (entry.algorithm == "WINOGRAD") continue;
    const int taken = CountTaken(entry.Name(), cases, make);
    EXPECT_TRUE(taken < 0 || taken >= share * cases) << entry.Title();
  }
}

TEST(RandomShapesTest, Pooling) {
  CompareAll("Pooling", 400, 0.15, [](Generator* g) {
    const Shape images = g->Images(g->Channels());
    return std::make_pair(g->Pooling(), images);
  });
}

TEST(RandomShapesTest, Convolutions) {
  for (const char* type : {"Convolution", "Deconvolution"}) {
    CompareAll(type, 150, 0.3, [&](Generator* g) {
      const int group = g->OneIn(3) ? g->From(1, 4) : 1;
      const int channels = group * g->From(1, 8), outputs = group * g->From(1, 8);
      const Shape images = g->Images(channels);
      return std::make_pair(g->Convolution(type, group, outputs), images);
    });
  }
}

// oneDNN has it for processors with AVX-512, in versions that have it at all: if it takes a simple
// case, it must take many.
TEST(RandomShapesTest, WinogradsConvolutions) {
  CREMA_NEEDS_ENGINE("WINOGRAD");
  const std::string simple =
      "type: 'Convolution' convolution_param { num_output: 64 kernel_size: 3 pad: 1 }";
  const std::string why = Compare(simple, {4, 64, 16, 16}, "WINOGRAD", ToleranceOf("WINOGRAD"));
  if (!why.empty()) GTEST_SKIP() << why;
  for (const std::string type : {"Convolution", "Deconvolution"}) {
    constexpr int kCases = 30;
    const int taken =
        CountTaken("WINOGRAD", kCases, [&](Generator* g) { return g->ForWinograd(type); });
    EXPECT_GE(taken, 0.4 * kCases) << type;
  }
}

TEST(RandomShapesTest, Lrn) {
  CompareAll("LRN", 120, 0.03, [](Generator* g) {
    const Shape images = g->Images(g->Channels());
    return std::make_pair(g->Lrn(), images);
  });
}

TEST(RandomShapesTest, InnerProducts) {
  CompareAll("InnerProduct", 120, 0.5, [](Generator* g) {
    const Shape images = g->Images(g->Channels());
    return std::make_pair(g->Product(), images);
  });
}

// Windows outside of the image, as our own code and the manual have them: 0, and no gradient.
TEST(RandomShapesTest, PoolingOutsideOfTheImageGivesZero) {
  for (const char* pool : {"MAX", "AVE"}) {
    const std::string text =
        Concat("type: 'Pooling' pooling_param { kernel_size: 1 stride: 3 pool: ", pool, " }");
    LayerRunner own(text, {Shape{1, 1, 3, 3}});
    own.SetBottom(0, std::vector<double>(9, -5));
    own.Forward();
    ExpectNear(own.Top(), {-5, 0, 0, 0}, 0);
    if (HasEngine("ONEDNN")) {
      RunnerOptions onednn;
      onednn.engine = "ONEDNN";
      onednn.layout = Layout::kChannelsLast;
      onednn.dtype = DType::kFloat32;
      ExpectError(
          [&] {
            LayerRunner runner(text, {Shape{1, 1, 3, 3}}, onednn);
          },
          {"windows outside the image"});
    }
  }
}

}  // namespace
}  // namespace crema::test
