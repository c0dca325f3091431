#include "train/progress_reporter.h"

#include <chrono>

#include "train/report.h"

namespace crema {
namespace {

double Now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

void ProgressReporter::StartClock(int64_t iteration) {
  started_ = Now();
  last_display_ = iteration;
}

double ProgressReporter::Lap() {
  const double now = Now(), seconds = now - started_;
  started_ = now;
  return seconds;
}

void ProgressReporter::Display(int64_t iteration, double loss, double rate, double seconds,
                               const Net& net) {
  TrainPoint point;
  point.iteration = iteration;
  point.loss = loss;
  point.outputs = ReadOutputs(net);
  point.learning_rate = rate;
  point.seconds = seconds;
  point.iterations = iteration - last_display_;
  point.waited = WaitedShare(seconds, net);
  last_display_ = iteration;
  ForEach([&](TrainObserver& observer) { observer.OnDisplay(point); });
}

std::optional<double> ProgressReporter::WaitedShare(double seconds, const Net& net) {
  const std::optional<double> waited = net.WaitedSeconds();
  if (!waited.has_value()) return std::nullopt;
  const double share = seconds > 0 ? (*waited - waited_before_) / seconds : 0;
  waited_before_ = *waited;
  return share;
}

void ProgressReporter::RestartWaiting(const Net& net) {
  waited_before_ = net.WaitedSeconds().value_or(0);
}

}  // namespace crema
