#include "solvers/local_rates.h"

#include "tensor/param_block.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// Three parameters: |w| = 5, |g| = 10; zeros; a frozen one. A history that is alike to half.
class LocalRatesTest : public LayerTest {
 protected:
  void Make(const std::string& solver, DType dtype = DType::kFloat64) {
    on_ = OpenTestDevice(device());
    const std::vector<ParamSegment> segments = {{0, 70, 3, 1}, {128, 2, 1, 1}, {192, 1, 0, 1}};
    rates_ = std::make_unique<LocalRates>(ParseSolver(solver), on_, dtype, 256, segments);
    step_.weights = Flat(dtype, 3, 69, 4);
    step_.gradients = Flat(dtype, 12, 69, 16);
    step_.history = {Flat(dtype, 3, 1, 0)};
    step_.gradient_factor = Tensor(on_, dtype, Shape{1});
    step_.gradient_factor.FromHost(std::vector<double>{0.5});
    step_.rate = 0.25;
    step_.momentum = 0.5;
    step_.decay = 0.5;
  }
  Tensor Flat(DType dtype, double first, int index, double value) {
    std::vector<double> values(256, 0);
    values[0] = first;
    values[index] = value;
    Tensor tensor(on_, dtype, Shape{256});
    tensor.FromHost(values);
    return tensor;
  }
  // The rates of the four blocks. The first parameter has the first two.
  std::vector<double> Rates() {
    UpdateStep step = step_;
    rates_->Apply(Context(on_), &step);
    EXPECT_EQ(step.rate, 1);
    return step.rate_mults.ToHost<double>();
  }
  std::shared_ptr<Device> on_;
  std::unique_ptr<LocalRates> rates_;
  UpdateStep step_;
};
CREMA_ON_ALL_DEVICES(LocalRatesTest);

// 0.5 * eta * 5 / 10 times the rate, or not more than the rate; 1 for the zeros.
TEST_P(LocalRatesTest, GoldenLarc) {
  for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
    Make("larc: true larc_eta: 0.5", dtype);
    const std::vector<double> scaled = Rates();
    ExpectNear({scaled[0], scaled[1], scaled[2]}, {0.03125, 0.03125, 0.25}, 1e-7);
    Make("larc: true larc_eta: 0.5 larc_policy: 'clip'", dtype);
    const std::vector<double> clipped = Rates();
    ExpectNear({clipped[0], clipped[1], clipped[2]}, {0.125, 0.125, 0.25}, 1e-7);
  }
}

// 0.5 * 5 / (10 + 0.5 * 5) times the rate.
TEST_P(LocalRatesTest, GoldenLars) {
  Make("local_lr_auto: true local_gw_ratio: 0.5");
  const std::vector<double> rates = Rates();
  ExpectNear({rates[0], rates[1], rates[2]}, {0.05, 0.05, 0.25}, 1e-15);
}

// The cosine of (12, 16) and (3, 0) is 0.6, its running mean 0.03, then 0.0585.
TEST_P(LocalRatesTest, GoldenTurbo) {
  Make("larc: true larc_eta: 0.5 larc_turbo: true");
  EXPECT_NEAR(Rates()[1], 0.25 * (0.125 - 0.9 * 0.03), 1e-8);
  EXPECT_NEAR(Rates()[1], 0.25 * (0.125 - 0.9 * 0.0585), 1e-8);
  const std::vector<double> kept = rates_->correlations();
  Make("larc: true larc_eta: 0.5 larc_turbo: true");
  rates_->set_correlations(kept);
  EXPECT_NEAR(Rates()[0], 0.25 * (0.125 - 0.9 * (0.95 * 0.0585 + 0.05 * 0.6)), 1e-8);
}

TEST(LocalRateOptionsTest, Errors) {
  const auto error = [](const std::string& text, const std::vector<std::string>& parts) {
    ExpectError([&] { CheckLocalRates(ParseSolver(text)); }, parts);
  };
  error("larc: true local_lr_auto: true", {"larc", "local_lr_auto", "set only one"});
  error("larc: true larc_policy: 'clamp'", {"'clamp'", "\"clip\""});
  error("larc_turbo: true", {"larc_turbo needs larc"});
  error("larc: true larc_eta: 0", {"larc_eta is 0"});
  error("local_lr_auto: true local_gw_ratio: -1", {"local_gw_ratio is -1"});
}

}  // namespace
}  // namespace crema::test
