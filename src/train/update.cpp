// What an update needs beside the gradients: tables, rates, and the average of the weights.
#include <glog/logging.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/math/host_tasks.h"
#include "crema/math/vector_ops.h"
#include "crema/train/trainer.h"
#include "schema/weights_io.h"
#include "solvers/learning_rate.h"
#include "solvers/local_rates.h"
#include "solvers/param_table.h"
#include "solvers/plateau.h"
#include "train/average_shown.h"
#include "train/report.h"
#include "train/test_totals.h"

namespace crema {

// A parameter that has no gradient does not learn.
void Trainer::MakeParamTable() {
  const Tensor& flat = net_->flat_params();
  std::vector<ParamSegment> segments;
  for (size_t i = 0; i < net_->graph().params.size(); ++i) {
    const ParamNode& node = net_->graph().params[i];
    if (node.owner >= 0) continue;
    const Tensor& values = net_->param(i).data_tensor();
    ParamSegment segment;
    segment.first =
        (static_cast<const char*>(values.raw()) - static_cast<const char*>(flat.raw())) /
        static_cast<int64_t>(SizeOf(flat.dtype()));
    segment.count = values.count();
    segment.lr_mult = net_->param(i).has_diff() ? node.lr_mult : 0;
    segment.decay_mult = node.decay_mult;
    segments.push_back(segment);
  }
  table_ = std::make_unique<ParamTable>(options_.device, flat.dtype(), flat.count(), segments);
}

void Trainer::MakeSchedule() {
  const Tensor& flat = net_->flat_params();
  if (LocalRates::AskedFor(*solver_)) {
    local_rates_ = std::make_unique<LocalRates>(*solver_, options_.device, flat.dtype(),
                                                flat.count(), table_->segments());
  }
  if (solver_->lr_policy() != "plateau") return;
  plateau_ = std::make_unique<Plateau>(*solver_);
  FindPlateauMetric();
}

void Trainer::FindPlateauMetric() {
  const std::string& mode = solver_->plateau_mode();
  if (solver_->has_plateau_mode() && mode != "min" && mode != "max") {
    Fail("solver: plateau_mode is '", mode, "'; use \"min\" or \"max\"");
  }
  plateau_takes_least_ = mode != "max";
  const std::string& metric = solver_->plateau_metric();
  if (metric.empty()) return;
  std::set<std::string> names;  // several elements and nets may have the same
  for (int i = 0; i < test_nets() && plateau_net_ < 0; ++i) {
    const std::vector<OutputElement> results = TestTotals(*solver_).ResultsOf(*test_nets_[i]);
    for (size_t k = 0; k < results.size() && plateau_net_ < 0; ++k) {
      names.insert(results[k].blob);
      if (results[k].blob != metric) continue;
      plateau_net_ = i;
      plateau_element_ = static_cast<int>(k);
      if (!solver_->has_plateau_mode()) plateau_takes_least_ = results[k].loss_weight != 0;
    }
  }
  if (plateau_net_ >= 0) return;
  Fail("solver: plateau_metric '", metric, "' is not an output of a test net; ",
       names.empty() ? "there are none: set test_iter and test_interval"
                     : "the outputs are: " + Join({names.begin(), names.end()}));
}

// As in SSD's Caffe, a warm-up does not count.
double Trainer::NextRate() {
  if (plateau_ == nullptr) return LearningRate(*solver_, iteration_);
  if (!WarmsUp(*solver_, iteration_)) ObservePlateau();
  return LearningRate(*solver_, iteration_, plateau_->steps());
}

// Once an iteration, since a plateau counts how often it is asked.
void Trainer::FindRate() {
  if (rate_of_ == iteration_) return;
  rate_ = NextRate();
  rate_of_ = iteration_;
}

void Trainer::ObservePlateau() {
  if (plateau_net_ >= 0 && !findings_.plateau_value.has_value()) return;  // no test so far
  const double metric = plateau_net_ >= 0 ? *findings_.plateau_value : SmoothedLoss();
  if (!plateau_->Observe(metric, plateau_takes_least_, iteration_)) return;
  LOG(INFO) << Concat("Plateau Status: Iteration ", iteration_, ", step = ", plateau_->steps());
}

UpdateStep Trainer::NextStep() const {
  UpdateStep step;
  step.weights = net_->flat_params();
  step.gradients = net_->flat_gradients();
  step.history = flat_history_;
  step.iteration = iteration_;
  step.rate = rate_;
  step.momentum = Momentum(*solver_, iteration_, rate_);
  step.momentum2 = solver_->momentum2();
  step.rms_decay = solver_->rms_decay();
  step.delta = solver_->delta();
  step.decay = WeightDecay(*solver_, iteration_);
  step.l1 = solver_->regularization_type() == "L1";
  step.gradient_factor = gradient_factor_;
  return step;
}

// The average begins as the weights.
void Trainer::MakeAverage() {
  if (solver_->ema_decay() == 0) return;
  const Tensor& flat = net_->flat_params();
  average_ = Tensor(options_.device, flat.dtype(), flat.shape());
  options_.device->Copy(average_.raw(), flat.raw(), flat.bytes());
}

// Young averages forget faster, or the first weights would stay in them for long.
void Trainer::UpdateAverage() {
  if (average_.empty()) return;
  const auto updates = static_cast<double>(iteration_);
  const double keep = std::min<double>(solver_->ema_decay(), (1 + updates) / (10 + updates));
  const Context& ctx = net_->context();
  VectorOpsFor(ctx.kind()).MoveToward(ctx, net_->flat_params(), 1 - keep, average_);
}

// Puts the averaged weights into the nets, or the trained ones back; see AverageShown.
void Trainer::ShowAverage(bool show) {
  if (average_.empty() || show == shows_average_) return;
  const PlansForThreads threads(options_.threads);
  const Context& ctx = net_->context();
  VectorOpsFor(ctx.kind()).Swap(ctx, net_->flat_params(), average_);
  shows_average_ = show;
}

Trainer::AverageShown::AverageShown(Trainer* trainer)
    : trainer_(trainer), before_(trainer->shows_average_) {
  trainer_->ShowAverage(true);
}

Trainer::AverageShown::~AverageShown() {
  try {
    trainer_->ShowAverage(before_);
  } catch (const std::exception& error) {  // the device is gone
    LOG(ERROR) << "The trained weights could not be restored: " << error.what();
  }
}

namespace {

// One parameter of a flat buffer.
Tensor ViewOf(const Tensor& flat, const ParamSegment& segment) {
  const auto offset = static_cast<size_t>(segment.first) * SizeOf(flat.dtype());
  return Tensor(flat.buffer(), offset, flat.dtype(), Shape{segment.count});
}

}  // namespace

// The weights file has the average, so the trained weights go into the state.
void Trainer::SaveUpdateState(proto::SolverState* state) const {
  if (plateau_ != nullptr) plateau_->Save(state);
  proto::SolverProgress* progress = state->mutable_progress();
  if (findings_.plateau_value.has_value()) {
    progress->set_plateau_value(*findings_.plateau_value);
  }
  if (findings_.best_value.has_value()) {
    progress->set_best_value(*findings_.best_value);
    progress->set_best_iteration(findings_.best_iteration);
  }
  if (local_rates_ != nullptr && solver_->larc_turbo()) {
    for (double c : local_rates_->correlations()) progress->add_larc_correlation(c);
  }
  if (average_.empty()) return;
  const Tensor& trained = shows_average_ ? average_ : net_->flat_params();
  for (const ParamSegment& segment : table_->segments()) {
    SavedBlob blob;
    const Tensor values = ViewOf(trained, segment);
    blob.shape = values.shape().dims();
    blob.data = values.ToHost<float>();
    if (options_.dtype == DType::kFloat64) blob.double_data = values.ToHost<double>();
    ToProto(blob, false, progress->add_trained_weights());
  }
}

// After the weights file has been loaded.
void Trainer::RestoreUpdateState(const proto::SolverState& state) {
  const std::string& path = options_.resume_from;
  const proto::SolverProgress& progress = state.progress();
  const std::vector<ParamSegment>& segments = table_->segments();
  if (plateau_ != nullptr) plateau_->Restore(state);
  if (progress.has_plateau_value()) findings_.plateau_value = progress.plateau_value();
  const auto check_count = [&](int count, const char* what) {
    if (count == 0 || count == static_cast<int>(segments.size())) return;
    Fail(path, ": has ", what, " of ", count, " parameters, but the net has ", segments.size(),
         "; resume with the same net");
  };
  check_count(progress.larc_correlation_size(), "the larc_turbo means");
  if (local_rates_ != nullptr && progress.larc_correlation_size() > 0) {
    local_rates_->set_correlations(
        {progress.larc_correlation().begin(), progress.larc_correlation().end()});
  }
  MakeAverage();
  check_count(progress.trained_weights_size(), "the trained weights");
  for (int i = 0; i < progress.trained_weights_size(); ++i) {
    const SavedBlob blob = FromProto(progress.trained_weights(i), path);
    if (static_cast<int64_t>(blob.data.size()) != segments[i].count) {
      Fail(path, ": trained weights ", i, " have ", blob.data.size(),
           " values, but the parameter has ", segments[i].count, "; resume with the same net");
    }
    const Tensor values = ViewOf(net_->flat_params(), segments[i]);
    if (blob.double_data.empty()) {
      values.FromHost(blob.data);
    } else {
      values.FromHost(blob.double_data);
    }
  }
}

}  // namespace crema
