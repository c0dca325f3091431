#include "train/optimizer.h"

#include <algorithm>

#include "tensor/param_block.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// Two parameters, of 5 x 20 and of 2 elements, in flat buffers of three blocks. The second one's
// multipliers are 2 and 3.
FlatParams TwoParams(const std::shared_ptr<Device>& device) {
  FlatParams params;
  params.weights = Tensor(device, DType::kFloat64, Shape{3 * kParamBlock});
  params.gradients = Tensor(device, DType::kFloat64, Shape{3 * kParamBlock});
  params.segments = {{0, 100, 1, 1}, {2 * kParamBlock, 2, 2, 3}};
  params.shapes = {Shape{5, 20}, Shape{2}};
  return params;
}

// All elements of the parameters; what lies between them is 0.
void SetAll(const Tensor& tensor, double value) {
  std::vector<double> values(3 * kParamBlock, 0);
  std::fill_n(values.begin(), 100, value);
  std::fill_n(values.begin() + 2 * kParamBlock, 2, value);
  tensor.FromHost(values);
}

class OptimizerTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (IsSkipped()) return;
    ctx_ = std::make_unique<Context>(OpenTestDevice(device()));
    params_ = TwoParams(ctx_->shared_device());
    SetAll(params_.weights, 1);
    SetAll(params_.gradients, 1);
  }
  std::unique_ptr<Optimizer> Make(const proto::SolverParameter& solver) const {
    return std::make_unique<Optimizer>(solver, CreateUpdateRule(solver.type(), device()), params_,
                                       *ctx_);
  }
  double Weight(int64_t i) const { return params_.weights.ToHost<double>()[i]; }
  std::unique_ptr<Context> ctx_;
  FlatParams params_;
};
CREMA_ON_ALL_DEVICES(OptimizerTest);

// history = momentum history + rate lr_mult (g + decay decay_mult w), and w falls by it.
TEST_P(OptimizerTest, GoldenSteps) {
  const auto solver = ParseSolver("momentum: 0.5 weight_decay: 0.5");
  const auto optimizer = Make(solver);
  optimizer->Update(0, 0.25);
  EXPECT_EQ(Weight(0), 1 - 0.375);
  EXPECT_EQ(Weight(99), 1 - 0.375);
  EXPECT_EQ(Weight(2 * kParamBlock), 1 - 1.25);
  optimizer->Update(1, 0.25);
  EXPECT_EQ(Weight(0), 0.625 - (0.1875 + 0.25 * (1 + 0.5 * 0.625)));
  optimizer->Update(2, 0);
  const double second = 0.1875 + 0.25 * (1 + 0.5 * 0.625);
  EXPECT_EQ(Weight(0), 0.625 - second - 0.5 * second);
}

TEST_P(OptimizerTest, DividesByIterSize) {
  const auto solver = ParseSolver("iter_size: 4");
  SetAll(params_.gradients, 8);
  Make(solver)->Update(0, 0.25);
  EXPECT_EQ(Weight(0), 1 - 0.25 * 2);
}

// The whole gradient is made as long as the limit, that of one update only.
TEST_P(OptimizerTest, ClipsLongGradients) {
  const auto solver = ParseSolver("clip_gradients: 0.5");
  const auto optimizer = Make(solver);
  std::vector<double> gradients(3 * kParamBlock, 0);
  gradients[0] = 3;
  gradients[2 * kParamBlock] = -4;
  params_.gradients.FromHost(gradients);
  optimizer->Update(0, 1);
  EXPECT_DOUBLE_EQ(Weight(0), 1 - 0.3);
  EXPECT_DOUBLE_EQ(Weight(2 * kParamBlock), 1 + 2 * 0.4);
  EXPECT_EQ(Weight(1), 1);
  gradients[0] = 0.25;
  gradients[2 * kParamBlock] = 0;
  params_.gradients.FromHost(gradients);
  optimizer->Update(1, 1);
  EXPECT_DOUBLE_EQ(Weight(0), 1 - 0.3 - 0.25);
}

TEST_P(OptimizerTest, GoesOnFromItsState) {
  for (const char* text :
       {"type: 'Adam' momentum: 0.9", "momentum: 0.9 larc: true larc_turbo: true",
        "type: 'AdaDelta' momentum: 0.95 delta: 1e-6"}) {
    SetUp();
    const auto solver = ParseSolver(text);
    const auto first = Make(solver);
    for (int i = 0; i < 3; ++i) first->Update(i, 0.125);
    proto::SolverState state;
    first->Save(&state);
    const auto weights = params_.weights.ToHost<double>();
    first->Update(3, 0.125);
    const auto expected = params_.weights.ToHost<double>();
    EXPECT_NE(expected, weights) << text;
    params_.weights.FromHost(weights);
    const auto second = Make(solver);
    second->Restore(state, "x.solverstate");
    second->Update(3, 0.125);
    EXPECT_EQ(params_.weights.ToHost<double>(), expected) << text;
  }
}

// As Caffe has them: all first histories, then all second ones, each in the parameter's shape.
TEST_P(OptimizerTest, SavesHistoriesInCaffesOrder) {
  const auto solver = ParseSolver("type: 'Adam' momentum: 0.75");
  const auto optimizer = Make(solver);
  optimizer->Update(0, 0.125);
  proto::SolverState state;
  optimizer->Save(&state);
  ASSERT_EQ(state.history_size(), 4);
  EXPECT_EQ(state.history(0).shape().dim_size(), 2);
  EXPECT_EQ(state.history(0).shape().dim(1), 20);
  EXPECT_EQ(state.history(0).double_data(99), 0.25);  // (1 - momentum) g
  EXPECT_EQ(state.history(1).double_data_size(), 2);
  EXPECT_EQ(state.history(1).double_data(1), 0.25);
  EXPECT_EQ(state.history(2).double_data_size(), 100);
  EXPECT_NEAR(state.history(2).double_data(0), 0.001, 1e-7);  // (1 - momentum2) g g
}

TEST_P(OptimizerTest, RefusesStatesOfOthers) {
  const auto solver = ParseSolver("momentum: 0.9");
  const auto optimizer = Make(solver);
  proto::SolverState whole;
  optimizer->Save(&whole);
  const auto error = [&](const proto::SolverState& state) {
    return ErrorOf([&] { optimizer->Restore(state, "x.solverstate"); });
  };
  EXPECT_EQ(error(whole), "");
  proto::SolverState state = whole;
  state.mutable_history()->RemoveLast();
  state.clear_progress();
  EXPECT_EQ(error(state),
            "x.solverstate: has 1 history blobs, but this net and solver have 2; resume with the "
            "same net and solver type, or check that the file was copied completely");
  state = whole;
  state.mutable_history()->SwapElements(0, 1);
  EXPECT_EQ(
      error(state),
      "x.solverstate: history blob 0 has 2 values, but the parameter has 100; resume with the "
      "same net");
  state = whole;
  state.mutable_progress()->add_larc_correlation(1);
  EXPECT_EQ(error(state),
            "x.solverstate: has the larc_turbo means of 1 parameters, but the net has 2; resume "
            "with the same net");
}

// Equally many histories of the same sizes, which mean something else.
TEST_P(OptimizerTest, RefusesStatesOfOtherTypes) {
  const std::vector<std::string> types = {"SGD", "Nesterov", "AdaGrad", "RMSProp",
                                          "SAG", "Adam",     "AdamW",   "AdaDelta"};
  for (const std::string& from : types) {
    SetUp();
    const auto solver = ParseSolver("type: '" + from + "'");
    proto::SolverState state;
    Make(solver)->Save(&state);
    state.set_learned_net("x.caffemodel");
    for (const std::string& to : types) {
      const auto other = ParseSolver("type: '" + to + "'");
      const std::string error = ErrorOf([&] { Make(other)->Restore(state, "x.solverstate"); });
      const std::string expected =
          Concat("x.solverstate: is the state of a solver of type ", from, ", but this one is of ",
                 "type ", to, ", to which its histories mean nothing; resume with type: \"", from,
                 "\", or start from the weights only, with --weights=x.caffemodel");
      EXPECT_EQ(error, from == to ? "" : expected);
    }
  }
}

// As Caffe's states are, which do not tell their type.
TEST_P(OptimizerTest, RefusesSquaresThatAreNegative) {
  const auto refusal = [&](const char* type, int blob) {
    SetUp();
    const auto solver = ParseSolver(Concat("type: '", type, "'"));
    proto::SolverState state;
    Make(solver)->Save(&state);
    state.clear_progress();
    proto::BlobProto& history = *state.mutable_history(blob);
    if (history.data_size() > 0) history.set_data(1, -0.5F);
    if (history.double_data_size() > 0) history.set_double_data(1, -0.5);
    return ErrorOf([&] { Make(solver)->Restore(state, "x.solverstate"); });
  };
  for (const char* type : {"SGD", "Nesterov", "SAG"}) EXPECT_EQ(refusal(type, 1), "") << type;
  for (const char* type : {"Adam", "AdamW"}) EXPECT_EQ(refusal(type, 1), "") << type;
  for (const char* type : {"Adam", "AdamW", "AdaDelta"}) {
    EXPECT_NE(refusal(type, 3), "") << type;
  }
  for (const char* type : {"AdaGrad", "RMSProp", "AdaDelta"}) {
    EXPECT_EQ(refusal(type, 1),
              Concat("x.solverstate: history blob 1 holds -0.5, but a solver of type ", type,
                     " keeps squares there, which are not negative; resume with the type that "
                     "wrote the state, or start from the weights only, with --weights"));
  }
}

}  // namespace
}  // namespace crema::test
