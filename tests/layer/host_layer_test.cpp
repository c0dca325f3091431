// Layers that work on the host see the same numbers wherever their blobs lie.
#include "crema/dev/host_layer.h"

#include <gtest/gtest.h>

#include "crema/dev/registry.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// Sums from the first element to each: y[i] = x[0] + ... + x[i].
class RunningSumLayer : public HostLayer {
 public:
  using HostLayer::HostLayer;

  LayerTraits traits() const override { return LayerTraits::WithoutValues(); }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }

 protected:
  void ForwardOnHost(HostBlobs& bottom, HostBlobs& top) override {
    const double* x = bottom[0].data.data<double>();
    double* y = top[0].data.mutable_data<double>();
    double sum = 0;
    for (int64_t i = 0; i < bottom[0].data.count(); ++i) y[i] = sum += x[i];
  }

  void BackwardOnHost(HostBlobs& top, const std::vector<bool>& propagate_down,
                      HostBlobs& bottom) override {
    if (!propagate_down[0]) return;
    const double* dy = top[0].diff.data<double>();
    double* dx = bottom[0].diff.mutable_data<double>();
    double sum = 0;
    for (int64_t i = top[0].diff.count(); i-- > 0;) dx[i] = sum += dy[i];
  }
};

// Keeps the elements above 0, one after the other.
class PositivesLayer : public HostLayer {
 public:
  using HostLayer::HostLayer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.has_backward = false;
    traits.shapes_depend_on_data = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {Shape{input.shape(0).count()}};
    return plan;
  }

 protected:
  std::vector<Shape> ShapesOnHost(HostBlobs& bottom) override {
    int64_t count = 0;
    for (double x : bottom[0].data.Values<double>()) count += x > 0 ? 1 : 0;
    return {Shape{count}};
  }

  void ForwardOnHost(HostBlobs& bottom, HostBlobs& top) override {
    double* y = top[0].data.mutable_data<double>();
    for (double x : bottom[0].data.Values<double>()) {
      if (x > 0) *y++ = x;
    }
  }
};

template <class L>
void RegisterOnAll(const char* type) {
  for (const DeviceKind device : TestDevices()) {
    RegisterLayer(type, device,
                  [](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
                    return std::make_unique<L>(config, phase);
                  });
  }
}

const bool registered = [] {
  RegisterOnAll<RunningSumLayer>("RunningSumOfTests");
  RegisterOnAll<PositivesLayer>("PositivesOfTests");
  return true;
}();

class HostLayerTest : public LayerTest {
 protected:
  RunnerOptions On() const {
    RunnerOptions options;
    options.device = device();
    return options;
  }
};

TEST_P(HostLayerTest, ReadsAndWritesItsBlobs) {
  LayerRunner runner("type: 'RunningSumOfTests'", {Shape{4}}, On());
  runner.SetBottom(0, {1, 2, -4, 0.5});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{1, 3, -1, -0.5}));
  EXPECT_EQ(runner.Bottom(), (std::vector<double>{1, 2, -4, 0.5}));
  runner.SetTopDiff(0, {1, 0, 2, 4});
  runner.Backward();
  EXPECT_EQ(runner.BottomDiff(), (std::vector<double>{7, 6, 6, 4}));
  CheckGradients(runner);
}

TEST_P(HostLayerTest, SeesWhatIsNewInEachPass) {
  LayerRunner runner("type: 'RunningSumOfTests'", {Shape{2}}, On());
  for (double first : {1.0, 5.0}) {
    runner.SetBottom(0, {first, 1});
    runner.Forward();
    EXPECT_EQ(runner.Top(), (std::vector<double>{first, first + 1}));
  }
}

TEST_P(HostLayerTest, ShapesMayFollowTheData) {
  LayerRunner runner("type: 'PositivesOfTests'", {Shape{2, 3}}, On());
  runner.SetBottom(0, {1, -2, 3, 0, 5, -6});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{1, 3, 5}));
  runner.SetBottom(0, {-1, -2, -3, 0, -5, 6});
  runner.Forward();
  EXPECT_EQ(runner.Top(), (std::vector<double>{6}));
}

TEST_P(HostLayerTest, AnotherTypeIsAnError) {
  RunnerOptions options = On();
  options.dtype = DType::kFloat32;
  LayerRunner runner("type: 'RunningSumOfTests'", {Shape{2}}, options);
  ExpectError([&] { runner.Forward(); }, {"float32", "float64"});
}

TEST_P(HostLayerTest, WithoutAnOverrideThereIsNoGradient) {
  LayerRunner runner("type: 'PositivesOfTests'", {Shape{2}}, On());
  ExpectError([&] { runner.Backward({true}); }, {"(PositivesOfTests)", "no gradient"});
}

CREMA_ON_ALL_DEVICES(HostLayerTest);

}  // namespace
}  // namespace crema::test
