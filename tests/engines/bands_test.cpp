// One image, of which several threads make some rows each.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "engines/engine_test_util.h"
#include "net/net_test_util.h"

namespace crema::test {
namespace {

std::string Conv(const std::string& name, const std::string& bottom, const std::string& options) {
  return Layer(name, "Convolution", {bottom}, {name},
               "convolution_param { weight_filler { type: 'gaussian' std: 0.3 } "
               "bias_filler { type: 'uniform' min: -1 } " +
                   options + " }");
}

std::vector<double> Run(const std::string& text, const std::string& engine, int threads) {
  NetOptions options;
  options.threads = threads;
  options.backward = false;
  options.check_memory = true;
  Net net(ParseNet("engine: '" + engine + "' " + text, proto::TEST),
          OpenTestDevice(DeviceKind::kCpu), options);
  SetBlob(net, "x", RandomValues(net.FindBlob("x")->count(), 3));
  net.Forward(0);
  net.Forward(1);
  return ReadBlob(net, "y");
}

void ExpectSameForAnyThreads(const std::string& text) {
  const std::vector<double> expected = Run(text, "CAFFE", 1);
  for (int threads : {1, 2, 3, 5}) {
    ExpectClose(Run(text, "ONEDNN", threads), expected, 1e-5, Concat(threads, " threads"));
  }
}

TEST(BandsTest, GiveTheWholeImage) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const std::vector<EngineCase> cases = {
      {"num_output: 32 kernel_size: 1", {1, 16, 14, 9}},
      {"num_output: 32 kernel_size: 1 stride: 2", {1, 16, 20, 20}},
      {"num_output: 32 kernel_size: 1 pad: 1", {1, 16, 12, 7}},
      {"num_output: 16 kernel_size: 3 pad: 1", {1, 3, 20, 21}},
      {"num_output: 16 kernel_size: 3 pad: 1 stride: 2 bias_term: false", {1, 3, 29, 30}},
      {"num_output: 16 kernel_size: 5", {1, 16, 34, 8}},
      {"num_output: 16 kernel_size: 7 pad: 3 stride: 2", {1, 3, 40, 40}},
      {"num_output: 16 kernel_size: 3 dilation: 3 pad: 3", {1, 16, 30, 9}},
      {"num_output: 16 kernel_h: 1 kernel_w: 7 pad_h: 0 pad_w: 3", {1, 16, 10, 9}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 2", {1, 32, 10, 6}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 32", {1, 32, 10, 9}},
      {"num_output: 32 kernel_size: 3 pad: 1 group: 32 stride: 2", {1, 32, 20, 9}},
      {"num_output: 16 kernel_size: 3 pad: 1", {1, 16, 30}},
      {"num_output: 16 kernel_size: 3 pad: 1", {1, 16, 10, 5, 6}},
      // A band all of whose windows lie in the padding.
      {"num_output: 16 kernel_size: 2 pad: 20 stride: 1", {1, 16, 3, 3}},
  };
  for (const EngineCase& c : cases) {
    SCOPED_TRACE(c.options + " " + c.bottom.ToString());
    std::vector<int> dims(c.bottom.dims().begin(), c.bottom.dims().end());
    ExpectSameForAnyThreads(Input("x", dims) + Conv("y", "x", c.options));
  }
}

// BatchNorm, Scale, a sum and ReLU in the convolutions; memory that all layers share.
TEST(BandsTest, DoTheWorkOfTheLayersBehind) {
  CREMA_NEEDS_ENGINE("ONEDNN");
  const auto norm = [](const std::string& blob) {
    return Layer("n" + blob, "BatchNorm", {blob}, {blob}, "batch_norm_param { eps: 1 }") +
           Layer("s" + blob, "Scale", {blob}, {blob}, "scale_param { bias_term: true }") +
           Layer("r" + blob, "ReLU", {blob}, {blob});
  };
  ExpectSameForAnyThreads(
      Input("x", {1, 16, 30, 20}) + Conv("a", "x", "kernel_size: 1 num_output: 16") + norm("a") +
      Conv("b", "a", "kernel_size: 5 pad: 2 num_output: 32") + norm("b") +
      Conv("c", "b", "kernel_size: 1 num_output: 16") +
      Layer("sum", "Eltwise", {"c", "a"}, {"sum"}) + Layer("t", "ReLU", {"sum"}, {"sum"}) +
      Conv("d", "sum", "kernel_size: 3 pad: 1 group: 16 num_output: 16") +
      Conv("y", "d", "kernel_size: 1 num_output: 40"));
}

}  // namespace
}  // namespace crema::test
