#include "train/metric_watch.h"

#include <cmath>
#include <set>
#include <utility>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "solvers/solver_error.h"

namespace crema {

std::vector<TestOutput> TestOutputsOf(const Net& net, const proto::SolverParameter& solver) {
  std::vector<TestOutput> outputs;
  for (int output : net.graph().outputs) {
    const BlobNode& blob = net.graph().blobs[output];
    const int64_t values = solver.eval_type() == "detection" ? 1 : blob.shape.count();
    outputs.push_back({blob.name, blob.loss_weight, values});
  }
  return outputs;
}

MetricWatch::MetricWatch(const proto::SolverParameter& solver, const Outputs& outputs)
    : plateau_(), best_(FindBest(solver, outputs)) {
  if (solver.lr_policy() == "plateau") plateau_ = FindPlateauMetric(solver, outputs);
}

// In the first test net that has an output of that name; of several values the first one.
MetricWatch::Element MetricWatch::FindPlateauMetric(const proto::SolverParameter& solver,
                                                    const Outputs& outputs) {
  const std::string& mode = solver.plateau_mode();
  if (solver.has_plateau_mode() && mode != "min" && mode != "max") {
    FailInSolver("plateau_mode is '", mode, "'; use \"min\" or \"max\"");
  }
  Element found;
  found.less_is_better = mode != "max";
  const std::string& metric = solver.plateau_metric();
  if (metric.empty()) return found;
  std::set<std::string> names;  // several elements and nets may have the same
  for (size_t net = 0; net < outputs.size(); ++net) {
    int index = 0;
    for (const TestOutput& output : outputs[net]) {
      for (int64_t value = 0; value < output.values; ++value, ++index) {
        names.insert(output.blob);
        if (output.blob != metric) continue;
        found.test_net = static_cast<int>(net);
        found.index = index;
        if (!solver.has_plateau_mode()) found.less_is_better = output.loss_weight != 0;
        return found;
      }
    }
  }
  FailInSolver("plateau_metric '", metric, "' is not an output of a test net; ",
               names.empty() ? "there are none: set test_iter and test_interval"
                             : "the outputs are: " + Join({names.begin(), names.end()}));
}

// In the first test net that has an output of that name and of one value.
MetricWatch::Element MetricWatch::FindBest(const proto::SolverParameter& solver,
                                           const Outputs& outputs) {
  Element found;
  const std::string& wanted = solver.snapshot_best();
  if (wanted.empty()) {
    if (solver.has_snapshot_best_is()) {
      FailInSolver("snapshot_best_is is set without snapshot_best; set snapshot_best to an output");
    }
    return found;
  }
  std::set<std::string> names;  // several test nets may have the same
  for (size_t net = 0; net < outputs.size(); ++net) {
    int index = 0;
    for (const TestOutput& output : outputs[net]) {
      if (output.values == 1) names.insert(output.blob);
      if (output.blob == wanted && output.values == 1) {
        found.test_net = static_cast<int>(net);
        found.index = index;
        found.less_is_better = solver.has_snapshot_best_is()
                                   ? solver.snapshot_best_is() == proto::SolverParameter::LOWEST
                                   : output.loss_weight != 0;
        return found;
      }
      index += static_cast<int>(output.values);
    }
  }
  FailInSolver("snapshot_best is '", wanted,
               "', but no test net has a single-valued output of that name; there ",
               names.empty() ? "are none; set test_iter and test_interval"
                             : "are: " + Join({names.begin(), names.end()}));
}

void MetricWatch::NoteTest(int test_net, const std::vector<double>& values) {
  if (test_net == plateau_.test_net) now_.plateau_value = values[plateau_.index];
}

std::optional<double> MetricWatch::BetterValue(int test_net,
                                               const std::vector<double>& values) const {
  if (test_net != best_.test_net) return std::nullopt;
  const double value = values[best_.index];
  if (!std::isfinite(value)) return std::nullopt;
  if (!now_.best_value.has_value()) return value;
  const double best = *now_.best_value;
  if (best_.less_is_better ? value >= best : value <= best) return std::nullopt;
  return value;
}

void MetricWatch::SetBest(double value, int64_t iteration) {
  now_.best_value = value;
  now_.best_iteration = iteration;
}

void MetricWatch::Exchange() { std::swap(now_, noted_); }

void MetricWatch::Save(proto::SolverProgress* progress) const {
  if (now_.plateau_value.has_value()) progress->set_plateau_value(*now_.plateau_value);
  if (!now_.best_value.has_value()) return;
  progress->set_best_value(*now_.best_value);
  progress->set_best_iteration(now_.best_iteration);
}

void MetricWatch::Restore(const proto::SolverProgress& progress) {
  if (progress.has_plateau_value()) now_.plateau_value = progress.plateau_value();
  if (!progress.has_best_value()) return;
  now_.best_value = progress.best_value();
  now_.best_iteration = progress.best_iteration();
}

}  // namespace crema
