// Iterations that a device captures and replays.
#include "net/net_test_util.h"

namespace crema::test {
namespace {

class CaptureTest : public LayerTest {
 protected:
  std::unique_ptr<Net> Make() const {
    const std::string text =
        Input("x", {4, 2, 8, 8}) + Input("label", {4}) +
        Layer("c", "Convolution", {"x"}, {"c"},
              "convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: 'gaussian' "
              "std: 0.5 } }") +
        Layer("r", "ReLU", {"c"}, {"c"}) +
        Layer("m", "Pooling", {"c"}, {"m"},
              "pooling_param { pool: MAX kernel_size: 2 stride: 2 }") +
        Layer("n", "BatchNorm", {"m"}, {"n"}) + Layer("d", "Dropout", {"n"}, {"d"}) +
        Product("p", "d", "p", 5) + Layer("l", "SoftmaxWithLoss", {"p", "label"}, {"l"});
    MakeNetOptions options;
    options.device = device();
    options.keep_blobs = false;
    return MakeNet(text, options);
  }
};
CREMA_ON_ALL_DEVICES(CaptureTest);

void SetInputs(Net* net, int step) {
  SetBlob(*net, "x", RandomValues(4 * 2 * 8 * 8, step));
  SetBlob(*net, "label", {0.0, 3.0, static_cast<double>(step % 5), 1.0});
}

// All but the host's part of an iteration.
void RunPasses(Net* net) {
  const int layers = static_cast<int>(net->graph().layers.size());
  net->ClearGradients();
  for (int l = 0; l < layers; ++l) net->ForwardLayer(l);
  for (int l = layers; l-- > 0;) net->BackwardLayer(l);
}

// Inputs and step are set between the replays; nothing else of an iteration is the host's.
TEST_P(CaptureTest, ReplaysAreIterations) {
  const auto net = Make(), other = Make();
  Device& device = net->context().device();
  if (!device.CanCapture()) GTEST_SKIP() << "the CPU captures nothing";
  for (Net* each : {net.get(), other.get()}) {  // until all memory is there
    SetInputs(each, 1);
    each->BeginPass(0);
    RunPasses(each);
  }
  net->BeginPass(1);
  device.BeginCapture();
  RunPasses(net.get());
  const std::unique_ptr<CapturedWork> iteration = device.EndCapture();
  for (int step : {1, 2, 3}) {
    SetInputs(net.get(), step);
    net->BeginPass(static_cast<uint64_t>(step));
    device.Replay(*iteration);
    SetInputs(other.get(), step);
    other->BeginPass(static_cast<uint64_t>(step));
    RunPasses(other.get());
    EXPECT_EQ(net->loss().ToHost<double>(), other->loss().ToHost<double>()) << step;
    EXPECT_EQ(net->flat_gradients().ToHost<double>(), other->flat_gradients().ToHost<double>());
    EXPECT_EQ(net->flat_params().ToHost<double>(), other->flat_params().ToHost<double>());
  }
}

// A layer that works on the host would be left out of a replay.
TEST_P(CaptureTest, LayersOfTheHostAreRefused) {
  MakeNetOptions options;
  options.device = device();
  const auto net = MakeNet(
      Input("x", {3, 2}) + Input("chosen", {3}) + Layer("f", "Filter", {"x", "chosen"}, {"f"}),
      options);
  Device& device = net->context().device();
  if (!device.CanCapture()) GTEST_SKIP() << "the CPU captures nothing";
  SetBlob(*net, "chosen", {1, 0, 1});
  net->Forward(0);
  device.BeginCapture();
  ExpectError([&] { net->ForwardLayer(2); }, {"layer 'f'", "work that is captured"});
  device.EndCapture();
}

}  // namespace
}  // namespace crema::test
