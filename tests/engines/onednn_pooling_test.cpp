#include <gtest/gtest.h>

#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

RunnerOptions Onednn() {
  RunnerOptions options;
  options.engine = "ONEDNN";
  options.layout = Layout::kChannelsLast;
  options.dtype = DType::kFloat32;
  return options;
}

TEST(OnednnPoolingTest, GivesWhatOurOwnCodeGives) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::vector<EngineCase> cases = {
      {"kernel_size: 2 stride: 2", {2, 20, 8, 8}},
      {"kernel_size: 3 stride: 2", {2, 32, 8, 9}},  // the last window leaves the image
      {"kernel_size: 3 stride: 2 round_mode: FLOOR", {2, 32, 8, 9}},
      {"kernel_size: 3 stride: 2 ceil_mode: false", {2, 32, 8, 9}},
      {"kernel_size: 3 stride: 2 pad: 1 ceil_mode: false pool: AVE", {2, 32, 8, 8}},
      {"kernel_size: 3 stride: 2 torch_pooling: true", {2, 32, 8, 9}},
      {"kernel_size: 3 stride: 1 pad: 1", {2, 16, 7, 7}},
      {"kernel_size: 3 stride: 2 pad: 1", {2, 16, 8, 7}},
      {"kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 0 pad_w: 1", {1, 5, 6, 7}},
      {"kernel_size: 3 stride: 2 pool: AVE", {2, 32, 8, 8}},
      {"kernel_size: 3 stride: 2 pool: AVE", {2, 32, 9, 9}},
      {"kernel_size: 3 stride: 1 pad: 1 pool: AVE", {2, 16, 7, 7}},
      {"global_pooling: true pool: AVE", {2, 24, 7, 7}},
      {"global_pooling: true", {2, 24, 7, 6}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    ExpectSameAsCaffe("type: 'Pooling' pooling_param { " + c.options + " }", {c.bottom}, Onednn());
  }
}

// Of equal values the first one gets the gradient.
TEST(OnednnPoolingTest, BreaksTiesAsOurOwnCode) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::string text = "type: 'Pooling' pooling_param { kernel_size: 3 stride: 2 pad: 1 }";
  const Shape bottom{1, 16, 6, 6};
  RunnerOptions own;
  own.dtype = DType::kFloat32;
  LayerRunner expected(text, {bottom}, own), actual(text, {bottom}, Onednn());
  for (LayerRunner* runner : {&expected, &actual}) {
    runner->SetBottom(0, RandomLabels(bottom.count(), 2));
    runner->Forward();
    runner->Backward();
  }
  ExpectClose(actual.BottomDiff(), expected.BottomDiff(), 1e-6, "bottom's gradient");
}

// Also to sizes of which the engine leaves some to our own code: where a window ends outside.
TEST(OnednnPoolingTest, TakesOtherSizesAsOurOwnCode) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  for (const char* pooling : {"pool: MAX kernel_size: 3 stride: 2", "pool: AVE kernel_size: 2",
                              "pool: AVE kernel_size: 3 stride: 2 pad: 1 ceil_mode: false"}) {
    const auto text = [&](const std::string& engine, int batch, int size) {
      return Input("x", {batch, 16, size, size}) +
             Layer("c", "Convolution", {"x"}, {"c"},
                   "convolution_param { engine: " + engine +
                       " num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: 'gaussian' "
                       "std: 0.1 } }") +
             Layer("p", "Pooling", {"c"}, {"p"},
                   "pooling_param { engine: " + engine + " " + pooling + " }") +
             Layer("l", "Reduction", {"p"}, {"l"},
                   "loss_weight: 1 reduction_param { operation: SUMSQ }");
    };
    const auto run = [](Net* net, int64_t count) {
      SetBlob(*net, "x", RandomValues(count, 3));
      ForwardBackward(*net);
      return std::make_pair(ReadBlob(*net, "p"), ReadParamDiff(*net, "c", 0));
    };
    MakeNetOptions options;
    options.dtype = DType::kFloat32;
    const auto net = MakeNet(text("ONEDNN", 2, 9), options);
    EXPECT_EQ(FindNode(*net, "p").engine, "ONEDNN");
    for (const auto& [batch, size] :
         std::vector<std::pair<int, int>>{{3, 13}, {1, 3}, {2, 9}, {4, 21}, {1, 5}}) {
      SCOPED_TRACE(Concat(pooling, ": ", batch, " ", size));
      net->Reshape({{"x", Shape{batch, 16, size, size}}});
      const auto own = MakeNet(text("CAFFE", batch, size), options);
      const int64_t count = int64_t{16} * batch * size * size;
      const auto [top, gradient] = run(net.get(), count);
      const auto [own_top, own_gradient] = run(own.get(), count);
      ExpectClose(top, own_top, 1e-5, "top");
      ExpectClose(gradient, own_gradient, 1e-4, "gradient");
    }
  }
}

TEST(OnednnPoolingTest, SaysWhatItCannotTake) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto refused = [](const std::string& options, int tops, const std::string& why) {
    RunnerOptions on = Onednn();
    on.tops = tops;
    const std::string text = "type: 'Pooling' pooling_param { " + options + " }";
    ExpectError([&] { LayerRunner runner(text, {Shape{1, 16, 8, 8}}, on); }, {why});
  };
  refused("kernel_size: 2 pool: STOCHASTIC", 1, "STOCHASTIC");
  refused("kernel_size: 2", 2, "second top");
  refused("kernel_size: 3 stride: 2 pad: 1 pool: AVE", 1, "extend past the padding");
}

TEST(OnednnLrnTest, GivesWhatOurOwnCodeGives) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::vector<EngineCase> cases = {
      {"local_size: 5 alpha: 0.1 beta: 0.75", {2, 32, 6, 5}},
      {"local_size: 5 alpha: 0.5 beta: 0.75 k: 2", {2, 96, 3, 3}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    ExpectSameAsCaffe("type: 'LRN' lrn_param { " + c.options + " }", {c.bottom}, Onednn());
  }
}

// oneDNN 2.6 takes local_size: 7 with 30 channels and gives a wrong gradient.
TEST(OnednnLrnTest, TakesOnlyWhatItDoesRight) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  int taken = 0;
  const std::vector<std::string> cases = {"local_size: 3", "local_size: 5 beta: 0.5",
                                          "local_size: 7"};
  for (const std::string& options : cases) {
    const std::string text = "type: 'LRN' lrn_param { alpha: 0.3 " + options + " }";
    for (int channels : {16, 30, 64}) {
      SCOPED_TRACE(options + " " + std::to_string(channels));
      try {
        ExpectSameAsCaffe(text, {{2, channels, 5, 5}}, Onednn());
        ++taken;
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("not ONEDNN: it"), std::string::npos);
      }
    }
  }
  EXPECT_LT(taken, 9);
}

}  // namespace
}  // namespace crema::test
