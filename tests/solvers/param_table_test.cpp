#include "solvers/param_table.h"

#include "tensor/param_block.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// Remembers what it is asked to update.
class Recorder : public UpdateRule {
 public:
  int history_count() const override { return 0; }
  int first_square() const override { return 0; }
  void Update(const Context&, const UpdateStep& step) const override {
    runs.emplace_back(step.first_block, step.blocks);
  }
  mutable std::vector<std::pair<int64_t, int64_t>> runs;
};

using Runs = std::vector<std::pair<int64_t, int64_t>>;

class ParamTableTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (!IsSkipped()) on_ = OpenTestDevice(device());
  }
  Runs RunsOf(int64_t elements, const std::vector<ParamSegment>& segments) {
    const ParamTable table(on_, DType::kFloat32, elements, segments);
    const Recorder rule;
    table.Update(Context(on_), rule, UpdateStep());
    return rule.runs;
  }
  std::shared_ptr<Device> on_;
};
CREMA_ON_ALL_DEVICES(ParamTableTest);

// Whatever the multipliers, what learns is updated in one pass; what does not is left out.
TEST_P(ParamTableTest, OnePassWhereEverythingLearns) {
  EXPECT_EQ(RunsOf(256, {{0, 100, 1, 1}, {128, 1, 2, 0}, {192, 64, 1, 1}}), (Runs{{0, 4}}));
  EXPECT_EQ(RunsOf(256, {{0, 100, 0, 1}, {128, 1, 2, 0}, {192, 64, 1, 1}}), (Runs{{2, 2}}));
  EXPECT_EQ(RunsOf(256, {{0, 100, 1, 1}, {128, 1, 0, 0}, {192, 64, 1, 1}}), (Runs{{0, 2}, {3, 1}}));
  EXPECT_EQ(RunsOf(64, {{0, 10, 0, 1}}), Runs{});
  EXPECT_EQ(RunsOf(0, {}), Runs{});
}

// Weights 1 with gradient 1 of three parameters, the second frozen: w - rate (1 + decay).
TEST_P(ParamTableTest, GoldenMultipliers) {
  const int64_t n = 4 * kParamBlock;
  const ParamTable table(on_, DType::kFloat64, n,
                         {{0, 100, 1, 1}, {128, 1, 0, 7}, {192, 64, 2, 3}});
  UpdateStep step;
  step.weights = step.gradients = Tensor(on_, DType::kFloat64, Shape{n});
  step.weights.FromHost(std::vector<double>(n, 1));
  step.gradients = Tensor(on_, DType::kFloat64, Shape{n});
  step.gradients.FromHost(std::vector<double>(n, 1));
  step.history = {Tensor(on_, DType::kFloat64, Shape{n})};
  step.history[0].FromHost(std::vector<double>(n, 0));
  step.gradient_factor = Tensor(on_, DType::kFloat64, Shape{1});
  step.gradient_factor.FromHost(std::vector<double>{1});
  step.rate = 0.25;
  step.decay = 0.5;
  table.Update(Context(on_), *CreateUpdateRule("SGD", device()), step);
  const std::vector<double> w = step.weights.ToHost<double>();
  EXPECT_EQ(w[0], 1 - 0.25 * 1.5);
  EXPECT_EQ(w[127], 1 - 0.25 * 1.5);
  EXPECT_EQ(w[128], 1);
  EXPECT_EQ(w[191], 1);
  EXPECT_EQ(w[192], 1 - 0.5 * 2.5);
  EXPECT_EQ(w[255], 1 - 0.5 * 2.5);
}

}  // namespace
}  // namespace crema::test
