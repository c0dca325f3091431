// What those who follow a training are told, and when.
#include <gmock/gmock.h>

#include "crema/train_observer.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

using testing::ElementsAre;

// Writes down what it is told, without the speed.
class Recorder : public TrainObserver {
 public:
  std::vector<std::string> events;
  double first_gradient = 0;

  void OnStart(const TrainStart& start) override {
    events.push_back(Concat("start ", start.net, " ", start.lr_policy, " ", start.iteration));
  }
  void OnDisplay(const TrainPoint& point) override {
    events.push_back(Concat(point.last ? "last " : "display ", point.iteration, " after ",
                            point.iterations, ", lr ", point.learning_rate));
    EXPECT_EQ(point.outputs.size(), 1u);
    EXPECT_EQ(point.outputs[0].blob, "loss");
    EXPECT_FLOAT_EQ(point.loss, point.outputs[0].value);
    EXPECT_GE(point.seconds, 0);
    EXPECT_FALSE(point.waited.has_value());  // nothing reads ahead
  }
  void OnTestStart(int64_t iteration, int net) override {
    events.push_back(Concat("test ", iteration, " #", net));
  }
  void OnTest(const TestPoint& point) override {
    events.push_back(Concat("tested ", point.iteration, " #", point.net));
    EXPECT_EQ(point.outputs.size(), 1u);
    EXPECT_FLOAT_EQ(point.loss.value(), point.outputs[0].value);
  }
  bool WantsParameters(int64_t iteration) const override { return iteration == 3; }
  void OnParameters(int64_t iteration, const Net& net, double gradient_factor) override {
    events.push_back(Concat("parameters ", iteration));
    first_gradient = net.param(0).diff_tensor().ToHost<double>()[0] * gradient_factor;
  }
};

TEST(TrainObserver, IsToldInOrder) {
  const auto recorder = std::make_shared<Recorder>();
  Trainer trainer(ParseSolver(TinyNet(),
                              "base_lr: 0.5 lr_policy: 'step' gamma: 0.5 stepsize: 3 "
                              "random_seed: 5 max_iter: 4 display: 2 test_iter: 2 test_interval: 4 "
                              "test_compute_loss: true snapshot_after_train: false"),
                  {});
  trainer.AddObserver(recorder);
  ASSERT_TRUE(trainer.Train());
  EXPECT_THAT(recorder->events,
              ElementsAre("start tiny step 0", "test 0 #0", "tested 0 #0",
                          "display 0 after 0, lr 0.5", "display 2 after 2, lr 0.5", "parameters 3",
                          "last 4 after 0, lr 0", "test 4 #0", "tested 4 #0"));
}

// The update that follows is rate * factor * gradient.
TEST(TrainObserver, SeesTheGradientOfTheUpdate) {
  const auto recorder = std::make_shared<Recorder>();
  Trainer trainer(ParseSolver(TinyNet(),
                              "base_lr: 0.5 lr_policy: 'fixed' iter_size: 3 "
                              "random_seed: 5 max_iter: 9 snapshot_after_train: false"),
                  {});
  trainer.AddObserver(recorder);
  trainer.Step(3);
  const double before = WeightsOf(trainer)[0];
  trainer.Step(1);
  EXPECT_NE(recorder->first_gradient, 0);
  EXPECT_NEAR(WeightsOf(trainer)[0], before - 0.5 * recorder->first_gradient, 1e-6);
}

}  // namespace
}  // namespace crema
