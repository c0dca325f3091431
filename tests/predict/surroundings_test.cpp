// A predictor leaves the program that it runs in as it was.
#include <omp.h>

#include <algorithm>
#include <cfenv>
#include <clocale>
#include <cmath>
#include <csignal>
#include <limits>
#include <thread>

#include "predict/predict_test_util.h"
#include "util/comma_locale.h"
#include "util/forked_child.h"

namespace crema::test {
namespace {

class PredictorSurroundingsTest : public PredictTest {};
INSTANTIATE_TEST_SUITE_P(Cpu, PredictorSurroundingsTest, testing::Values(DeviceKind::kCpu));

// What a program may have set, as text.
std::string StateOfProgram() {
  std::string state = std::setlocale(LC_ALL, nullptr);
  state += Concat("; streams ", std::locale().name(), "; threads ", omp_get_max_threads());
  state += Concat("; rounding ", std::fegetround(), "; denormals ");
  const volatile float least = std::numeric_limits<float>::min();
  const volatile float half = least / 2;
  state += half > 0 ? "kept" : "flushed";
  for (int signal :
       {SIGINT, SIGTERM, SIGHUP, SIGSEGV, SIGABRT, SIGFPE, SIGPIPE, SIGXFSZ, SIGCHLD}) {
    struct sigaction action = {};
    sigaction(signal, nullptr, &action);
    state += Concat("; signal ", signal, " ", reinterpret_cast<uintptr_t>(action.sa_handler));
  }
  return state;
}

void ExpectStateStays(const std::string& net, const std::string& weights) {
  std::fesetround(FE_UPWARD);
  const std::string before = StateOfProgram();
  {
    PredictorOptions options;
    options.threads = omp_get_max_threads() + 1;
    Predictor predictor(net, weights, options);
    EXPECT_EQ(StateOfProgram(), before);
    predictor.Run();
    EXPECT_EQ(StateOfProgram(), before);
    predictor.SetBatch(1);
    Predictor other = predictor.Share();
    other.Run();
    EXPECT_EQ(StateOfProgram(), before);
  }
  EXPECT_EQ(StateOfProgram(), before);
}

// In a thread of its own, because the threads that compute for it round as it does from then on.
TEST_P(PredictorSurroundingsTest, StayAsTheyWere) {
  const std::string text = Classifier(kImages);
  const std::string net = WriteNet(text), weights = WriteWeights(text);
  std::thread([&] { ExpectStateStays(net, weights); }).join();
}

// Also where the threads that compute do not exist yet in the thread that runs.
TEST_P(PredictorSurroundingsTest, AnotherThreadMayRun) {
  const std::string text = Classifier(kImages);
  PredictorOptions options;
  options.threads = 3;
  Predictor predictor(WriteNet(text), WriteWeights(text), options);
  predictor.Input().Set(RandomFloats(predictor.Input().count(), 1));
  predictor.Run();
  const std::vector<float> here = ToVector(predictor.Output());
  std::vector<float> there;
  int threads_before = 0, threads_after = 0;
  std::thread([&] {
    threads_before = omp_get_max_threads();
    predictor.Run();
    there = ToVector(predictor.Output());
    threads_after = omp_get_max_threads();
  }).join();
  EXPECT_EQ(here, there);
  EXPECT_EQ(threads_before, threads_after);
}

// GNU's OpenMP would wait for ever for the threads that a fork has taken.
TEST_P(PredictorSurroundingsTest, AForkedChildComputesWithOneThread) {
  const std::string text = Classifier(Input("data", {2, 3, 64, 64}));
  const std::string net = WriteNet(text), weights = WriteWeights(text);
  PredictorOptions options;
  options.threads = 2;
  Predictor predictor(net, weights, options);
  const std::vector<float> values = RandomFloats(predictor.Input().count(), 1);
  predictor.Input().Set(values);
  predictor.Run();
  const std::vector<float> expected = ToVector(predictor.Output());
  const auto is_right = [&](Predictor child) {
    child.Input().Set(values);
    child.Run();
    const std::vector<float> found = ToVector(child.Output());
    return std::equal(found.begin(), found.end(), expected.begin(), expected.end(),
                      [](float a, float b) { return std::abs(a - b) < 1e-4F; });
  };
  EXPECT_EQ(StatusOfChild([&] {
              const std::string error = ErrorOf([&] { predictor.Run(); });
              if (error.find("not survived the fork") == std::string::npos) return 1;
              if (!is_right(predictor.Share())) return 2;
              return is_right(Predictor(net, weights, options)) ? 0 : 3;
            }),
            0);
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), expected);
}

// One that needs no others goes on.
TEST_P(PredictorSurroundingsTest, APredictorOfOneThreadSurvivesAFork) {
  const std::string text = Classifier(kImages);
  PredictorOptions options;
  options.threads = 1;
  Predictor predictor(WriteNet(text), WriteWeights(text), options);
  predictor.Input().Set(RandomFloats(predictor.Input().count(), 1));
  predictor.Run();
  const std::vector<float> expected = ToVector(predictor.Output());
  EXPECT_EQ(StatusOfChild([&] {
              predictor.Run();
              return ToVector(predictor.Output()) == expected ? 0 : 1;
            }),
            0);
}

TEST_P(PredictorSurroundingsTest, NothingIsPrinted) {
  const std::string text =
      "input: 'data' input_shape { dim: 2 dim: 3 } "
      "layers { name: 'fc' type: INNER_PRODUCT bottom: 'data' top: 'fc' "
      "inner_product_param { num_output: 2 } }";
  const std::string net = WriteNet(text), weights = WriteWeights(text);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  std::string problem;
  {
    Predictor predictor(net, weights);
    predictor.Run();
    predictor.SetBatch(4);
    Predictor other = predictor.Share();
    problem = ErrorOf([&] { other.Input("none"); });
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_NE(problem, "");
}

// Numbers in files are read with points, and errors written with them, whatever the program has.
TEST_P(PredictorSurroundingsTest, TheLocaleMayHaveCommas) {
  const std::string text =
      Input("data", {1, 2}) + Layer("y", "Power", {"data"}, {"y"}, "power_param { scale: 1.5 }");
  const std::string net = WriteNet(text);
  const CommaStreams commas;
  Predictor predictor(net, "");
  predictor.Input().Set({1, 2});
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), (std::vector<float>{1.5, 3}));
  ExpectError([&] { predictor.Input().Set(std::vector<float>(12345)); }, {"12345 values"});
}

}  // namespace
}  // namespace crema::test
