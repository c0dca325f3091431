#include "train/optimizer.h"

#include <algorithm>

#include "crema.pb.h"
#include "crema/error.h"
#include "math/vector_ops.h"
#include "solvers/learning_rate.h"
#include "solvers/local_rates.h"
#include "solvers/param_table.h"
#include "tensor/saved_tensor.h"

namespace crema {
namespace {

// Rules with equally many histories mean different things by them.
void CheckType(const proto::SolverState& state, const std::string& path, const std::string& type) {
  const proto::SolverProgress& progress = state.progress();
  if (!progress.has_solver_type() || progress.solver_type() == type) return;
  Fail(InFile(path), ": is the state of a solver of type ", progress.solver_type(),
       ", but this one is of ", "type ", type,
       ", to which its histories mean nothing; resume with type: \"", progress.solver_type(),
       "\", or start from the weights only, with --weights=", state.learned_net());
}

// States that do not tell their type may be of another one.
void CheckSquares(const SavedBlob& blob, size_t index, const std::string& path,
                  const std::string& type) {
  const auto least = std::min_element(blob.data.begin(), blob.data.end());
  if (least == blob.data.end() || !(*least < 0)) return;
  Fail(InFile(path), ": history blob ", index, " holds ", *least, ", but a solver of type ", type,
       " keeps squares there, which are not negative; resume with the type that wrote the state, ",
       "or start from the weights only, with --weights");
}

}  // namespace

Optimizer::Optimizer(const proto::SolverParameter& solver, std::unique_ptr<UpdateRule> rule,
                     const FlatParams& params, const Context& ctx)
    : solver_(solver), rule_(std::move(rule)), params_(params), ctx_(ctx) {
  const Tensor& flat = params_.weights;
  const std::shared_ptr<Device>& device = ctx.shared_device();
  for (int h = 0; h < rule_->history_count(); ++h) {
    histories_.emplace_back(device, flat.dtype(), flat.shape());
    device->Zero(histories_.back().raw(), histories_.back().bytes());
  }
  table_ = std::make_unique<ParamTable>(device, flat.dtype(), flat.count(), params_.segments);
  if (LocalRates::AskedFor(solver)) {
    local_rates_ =
        std::make_unique<LocalRates>(solver, device, flat.dtype(), flat.count(), params_.segments);
  }
  gradient_factor_ = Tensor(device, flat.dtype(), Shape{1});
  VectorOpsFor(ctx.kind()).Fill(ctx, gradient_factor_, 1.0 / solver.iter_size());
}

Optimizer::~Optimizer() = default;

void Optimizer::Update(int64_t iteration, double rate) {
  UpdateStep step = StepOf(iteration, rate);
  if (solver_.clip_gradients() >= 0) {
    VectorOpsFor(ctx_.kind())
        .ClipFactor(ctx_, params_.gradients, solver_.clip_gradients(), 1.0 / solver_.iter_size(),
                    gradient_factor_);
  }
  if (local_rates_ != nullptr) local_rates_->Apply(ctx_, &step);
  table_->Update(ctx_, *rule_, step);
}

UpdateStep Optimizer::StepOf(int64_t iteration, double rate) const {
  UpdateStep step;
  step.weights = params_.weights;
  step.gradients = params_.gradients;
  step.history = histories_;
  step.iteration = iteration;
  step.rate = rate;
  step.momentum = Momentum(solver_, iteration, rate);
  step.momentum2 = solver_.momentum2();
  step.rms_decay = solver_.rms_decay();
  step.delta = solver_.delta();
  step.decay = WeightDecay(solver_, iteration);
  step.l1 = solver_.regularization_type() == "L1";
  step.gradient_factor = gradient_factor_;
  return step;
}

// In the order of Caffe's states: all first histories, then all second ones.
std::vector<Tensor> Optimizer::HistoryBlobs() const {
  std::vector<Tensor> blobs;
  for (const Tensor& history : histories_) {
    for (size_t i = 0; i < params_.segments.size(); ++i) {
      blobs.push_back(ParamIn(history, params_, i));
    }
  }
  return blobs;
}

void Optimizer::Save(proto::SolverState* state) const {
  for (const Tensor& history : HistoryBlobs()) {
    SaveTensor(history, history.shape(), state->add_history());
  }
  state->mutable_progress()->set_solver_type(solver_.type());
  if (local_rates_ == nullptr || !solver_.larc_turbo()) return;
  for (double c : local_rates_->correlations()) {
    state->mutable_progress()->add_larc_correlation(c);
  }
}

void Optimizer::Restore(const proto::SolverState& state, const std::string& path) {
  RestoreHistory(state, path);
  const auto& correlations = state.progress().larc_correlation();
  CheckSavedCount(path, correlations.size(), "the larc_turbo means", params_);
  if (local_rates_ == nullptr || correlations.empty()) return;
  local_rates_->set_correlations({correlations.begin(), correlations.end()});
}

void Optimizer::RestoreHistory(const proto::SolverState& state, const std::string& path) {
  CheckType(state, path, solver_.type());
  const std::vector<Tensor> histories = HistoryBlobs();
  const size_t first_square = static_cast<size_t>(rule_->first_square()) * params_.segments.size();
  if (static_cast<int>(histories.size()) != state.history_size()) {
    Fail(InFile(path), ": has ", state.history_size(),
         " history blobs, but this net and solver have ", histories.size(),
         "; resume with the same net and solver type",
         state.has_progress() ? "" : ", or check that the file was copied completely");
  }
  for (size_t i = 0; i < histories.size(); ++i) {
    const SavedBlob blob = FromProto(state.history(static_cast<int>(i)), path);
    if (static_cast<int64_t>(blob.data.size()) != histories[i].count()) {
      Fail(InFile(path), ": history blob ", i, " has ", blob.data.size(),
           " values, but the parameter has ", histories[i].count(), "; resume with the same net");
    }
    if (i >= first_square) CheckSquares(blob, i, path, solver_.type());
    RestoreTensor(blob, histories[i]);
  }
}

}  // namespace crema
