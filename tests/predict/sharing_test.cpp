// Predictors that share weights, also in several threads at once.
#include <thread>

#include "predict/predict_test_util.h"

namespace crema::test {
namespace {

class PredictorSharingTest : public PredictTest {
 protected:
  static std::vector<float> RunOn(Predictor& predictor, uint64_t seed) {
    predictor.Input().Set(RandomFloats(predictor.Input().count(), seed));
    predictor.Run();
    return ToVector(predictor.Output());
  }
};
CREMA_ON_ALL_DEVICES(PredictorSharingTest);

TEST_P(PredictorSharingTest, WeightsAreThereOnce) {
  Predictor first = MakePredictor(FullyConvolutional(kImages));
  Predictor second = first.Share();
  EXPECT_EQ(RunOn(first, 1), RunOn(second, 1));
  EXPECT_EQ(RunOn(first, 2), RunOn(second, 2));
  const size_t weights = first.net().memory().params;
  EXPECT_GT(weights, 0u);
  EXPECT_EQ(second.net().memory().params, 0u);
  EXPECT_EQ(second.memory_bytes() + weights, first.memory_bytes());
  for (size_t p = 0; p < first.net().graph().params.size(); ++p) {
    const int i = static_cast<int>(p);
    EXPECT_EQ(first.net().param(i).data_tensor().raw(), second.net().param(i).data_tensor().raw());
  }
}

TEST_P(PredictorSharingTest, InputsOutputsAndShapesAreTheirOwn) {
  Predictor first = MakePredictor(FullyConvolutional(kImages));
  first.Input().Reshape(Shape{1, 3, 8, 4});
  const std::vector<float> before = RunOn(first, 1);
  Predictor second = first.Share();
  EXPECT_EQ(second.Input().shape(), (Shape{1, 3, 8, 4}));
  EXPECT_EQ(second.Input().data()[0], 0);
  EXPECT_EQ(RunOn(second, 1), before);
  second.Input().Reshape(Shape{3, 3, 16, 16});
  RunOn(second, 2);
  EXPECT_EQ(first.Input().shape(), (Shape{1, 3, 8, 4}));
  EXPECT_EQ(ToVector(first.Output()), before);
  EXPECT_EQ(RunOn(first, 1), before);
}

TEST_P(PredictorSharingTest, AnyOfThemMayEndFirst) {
  auto first = std::make_unique<Predictor>(MakePredictor(FullyConvolutional(kImages)));
  const std::vector<float> before = RunOn(*first, 1);
  auto second = std::make_unique<Predictor>(first->Share());
  Predictor third = second->Share();
  first.reset();
  EXPECT_EQ(RunOn(*second, 1), before);
  second.reset();
  EXPECT_EQ(RunOn(third, 1), before);
  Predictor fourth = third.Share();
  EXPECT_EQ(RunOn(fourth, 1), before);
}

// Each thread has images and sizes of its own, and shares a predictor of its own on the way.
TEST_P(PredictorSharingTest, FourThreadsGiveTheBitsOfOne) {
  constexpr int kThreads = 4, kRounds = 8;
  Predictor original = MakePredictor(FullyConvolutional(kImages));
  const auto results_of = [&](Predictor& predictor, int thread) {
    std::vector<std::vector<float>> results;
    for (int round = 0; round < kRounds; ++round) {
      const int64_t size = 4 * (1 + (thread + round) % 3);
      predictor.Input().Reshape(Shape{1 + round % 2, 3, size, size});
      results.push_back(RunOn(predictor, static_cast<uint64_t>(kRounds * thread + round)));
    }
    Predictor another = predictor.Share();
    results.push_back(RunOn(another, static_cast<uint64_t>(thread)));
    return results;
  };
  std::vector<std::vector<std::vector<float>>> in_turn, at_once(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    Predictor predictor = original.Share();
    in_turn.push_back(results_of(predictor, thread));
  }
  std::vector<Predictor> predictors;
  for (int thread = 0; thread < kThreads; ++thread) predictors.push_back(original.Share());
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] { at_once[thread] = results_of(predictors[thread], thread); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(at_once, in_turn);
}

// Nothing of loading is shared, so that each thread may load its own.
TEST_P(PredictorSharingTest, FourThreadsLoadAtOnce) {
  if (device() != DeviceKind::kCpu) GTEST_SKIP() << "files are read on the host";
  const std::string text = Classifier(kImages);
  const std::string net = WriteNet(text), weights = WriteWeights(text);
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& result : results) {
    threads.emplace_back([&] {
      Predictor predictor(net, weights);
      result = RunOn(predictor, 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Predictor predictor(net, weights);
  for (const std::vector<float>& result : results) EXPECT_EQ(result, RunOn(predictor, 1));
}

}  // namespace
}  // namespace crema::test
