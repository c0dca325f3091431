// crema time: how long a net's passes take, as a whole and by layer.
#include <glog/logging.h>

#include <chrono>
#include <iomanip>

#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/net/net.h"
#include "train/report.h"

namespace crema {
namespace {

class Stopwatch {
 public:
  double Milliseconds() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

struct Times {
  std::vector<double> forward, backward;  // by layer, ms, summed over the iterations
  double all_forward = 0, all_backward = 0;
};

// Waits after each layer, so that on a GPU the time is the layer's own.
void TimeIteration(Net* net, int iteration, Times* times) {
  Device& device = net->context().device();
  const int layers = static_cast<int>(net->graph().layers.size());
  const Stopwatch forward;
  net->BeginPass(static_cast<uint64_t>(iteration));
  for (int i = 0; i < layers; ++i) {
    const Stopwatch watch;
    net->ForwardLayer(i);
    device.Synchronize();
    times->forward[i] += watch.Milliseconds();
  }
  times->all_forward += forward.Milliseconds();
  const Stopwatch backward;
  net->ClearGradients();
  for (int i = layers - 1; i >= 0; --i) {
    const Stopwatch watch;
    net->BackwardLayer(i);
    device.Synchronize();
    times->backward[i] += watch.Milliseconds();
  }
  times->all_backward += backward.Milliseconds();
}

}  // namespace

int RunTime(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments);
  if (FLAGS_iterations < 1) throw UsageError("--iterations must be 1 or more");
  const proto::NetParameter config = NetFromFlags(PhaseFromFlags(Phase::kTrain));
  Net net(config, DeviceFromFlags());
  const size_t layers = net.graph().layers.size();

  LOG(INFO) << "Performing Forward";
  net.Forward(0);
  LOG(INFO) << "Initial loss: " << FormatNumber(net.loss().ToHost<double>()[0]);
  net.CheckAfterForward();
  LOG(INFO) << "Performing Backward";
  net.Backward();
  net.context().device().Synchronize();

  LOG(INFO) << "*** Benchmark begins ***";
  LOG(INFO) << "Testing for " << FLAGS_iterations << " iterations.";
  Times times{std::vector<double>(layers, 0), std::vector<double>(layers, 0)};
  const Stopwatch total;
  for (int i = 0; i < FLAGS_iterations; ++i) {
    const Stopwatch watch;
    TimeIteration(&net, i + 1, &times);
    LOG(INFO) << "Iteration: " << i + 1 << " forward-backward time: " << watch.Milliseconds()
              << " ms.";
  }
  const double total_ms = total.Milliseconds();
  const double n = FLAGS_iterations;
  LOG(INFO) << "Average time per layer: ";
  for (size_t i = 0; i < layers; ++i) {
    const std::string& name = net.graph().layers[i].layer->name();
    LOG(INFO) << std::setw(10) << name << "\tforward: " << times.forward[i] / n << " ms.";
    LOG(INFO) << std::setw(10) << name << "\tbackward: " << times.backward[i] / n << " ms.";
  }
  LOG(INFO) << "Average Forward pass: " << times.all_forward / n << " ms.";
  LOG(INFO) << "Average Backward pass: " << times.all_backward / n << " ms.";
  LOG(INFO) << "Average Forward-Backward: " << total_ms / n << " ms.";
  LOG(INFO) << "Total Time: " << total_ms << " ms.";
  LOG(INFO) << "*** Benchmark ends ***";
  return 0;
}

}  // namespace crema
