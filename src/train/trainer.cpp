// The training loop.
#include "crema/train/trainer.h"

#include <glog/logging.h>

#include <chrono>
#include <cmath>

#include "crema.pb.h"
#include "crema/math/vector_ops.h"
#include "solvers/learning_rate.h"
#include "solvers/update_rule.h"
#include "train/report.h"

namespace crema {
namespace {

double Now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

bool Trainer::Train() {
  LOG(INFO) << "Solving " << net_->name();
  LOG(INFO) << "Learning Rate Policy: " << solver_->lr_policy();
  stop_ = false;  // Step may have nothing to do
  if (iteration_ < solver_->max_iter()) Step(solver_->max_iter() - iteration_);
  const bool just_saved = solver_->snapshot() > 0 && iteration_ % solver_->snapshot() == 0;
  if (solver_->snapshot_after_train() && !just_saved) Snapshot();
  if (stop_) {
    LOG(INFO) << "Optimization stopped early.";
    return false;
  }
  // A last look at the trained net: the loop shows each iteration's state before its update.
  FinalDisplay();
  if (solver_->test_interval() > 0 && iteration_ % solver_->test_interval() == 0) TestAll();
  LOG(INFO) << "Optimization Done.";
  return true;
}

bool Trainer::ShouldTest() const {
  return solver_->test_interval() > 0 && iteration_ % solver_->test_interval() == 0 &&
         (iteration_ > 0 || solver_->test_initialization());
}

bool Trainer::Step(int64_t iterations) {
  const int64_t end = iteration_ + iterations;
  stop_ = false;
  double started = Now();
  last_display_ = iteration_;
  while (iteration_ < end) {
    if (ShouldTest() && !TestAll()) break;
    const bool display = solver_->display() > 0 && iteration_ % solver_->display() == 0;
    RunIteration(display);
    if (display) {
      const double now = Now();
      Display(now - started);
      started = now;
    }
    ApplyUpdate(display);
    const Action action = Poll();
    const bool due = solver_->snapshot() > 0 && iteration_ % solver_->snapshot() == 0;
    if (due || action == Action::kSnapshot) Snapshot();
    if (action == Action::kStop) stop_ = true;
    if (stop_) break;
  }
  return !stop_;
}

// Forward and backward for iter_size batches.
void Trainer::RunIteration(bool display) {
  net_->ClearGradients();
  const int passes = solver_->iter_size();
  for (int pass = 0; pass < passes; ++pass) {
    net_->Forward(static_cast<uint64_t>(iteration_ * passes + pass));
    // On a GPU the check would wait for the device, so it is made only where we wait anyhow.
    if (display || net_->context().kind() == DeviceKind::kCpu) net_->CheckAfterForward();
    if (pass == 0) VectorOpsFor(net_->context().kind()).Fill(net_->context(), LossSlot(), 0);
    AddToLossSlot(1.0 / passes);
    net_->Backward();
  }
  ++losses_;
}

Tensor Trainer::LossSlot() const {
  const int64_t slot = losses_ % loss_window_.count();
  return Tensor(loss_window_.buffer(), slot * SizeOf(loss_window_.dtype()), loss_window_.dtype(),
                Shape{1});
}

void Trainer::AddToLossSlot(double weight) {
  VectorOpsFor(net_->context().kind())
      .AddScaledSum(net_->context(), net_->loss(), weight, LossSlot());
}

std::vector<double> Trainer::RecentLosses() const {
  const std::vector<double> ring = loss_window_.ToHost<double>();
  const auto size = static_cast<int64_t>(ring.size());
  std::vector<double> recent;
  for (int64_t i = std::max<int64_t>(0, losses_ - size); i < losses_; ++i) {
    recent.push_back(ring[i % size]);
  }
  return recent;
}

double Trainer::SmoothedLoss() const {
  const std::vector<double> recent = RecentLosses();
  double sum = 0;
  for (double loss : recent) sum += loss;
  return sum / static_cast<double>(recent.size());
}

void Trainer::Display(double seconds) {
  const double rate =
      static_cast<double>(iteration_ - last_display_) / (seconds > 0 ? seconds : 1);
  LOG(INFO) << "Iteration " << iteration_ << " (" << FormatNumber(rate) << " iter/s, "
            << FormatNumber(seconds) << "s/" << solver_->display()
            << " iters), loss = " << FormatNumber(SmoothedLoss());
  last_display_ = iteration_;
  int number = 0;
  for (const OutputElement& output : ReadOutputs(*net_)) {
    LOG(INFO) << "    Train net output #" << number++ << ": " << FormatOutput(output);
  }
}

void Trainer::FinalDisplay() {
  if (solver_->display() == 0 || iteration_ % solver_->display() != 0) return;
  net_->Forward(static_cast<uint64_t>(iteration_ * solver_->iter_size()));
  VectorOpsFor(net_->context().kind()).Fill(net_->context(), LossSlot(), 0);
  AddToLossSlot(1);
  ++losses_;
  LOG(INFO) << "Iteration " << iteration_ << ", loss = " << FormatNumber(SmoothedLoss());
}

void Trainer::ApplyUpdate(bool display) {
  const double rate = LearningRate(*solver_, iteration_);
  if (display) LOG(INFO) << "Iteration " << iteration_ << ", lr = " << FormatNumber(rate);
  const Context& ctx = net_->context();
  const Graph& graph = net_->graph();
  UpdateStep step;
  step.momentum = solver_->momentum();
  step.l1 = solver_->regularization_type() == "L1";
  step.gradient_scale = 1.0 / solver_->iter_size();
  if (solver_->clip_gradients() >= 0) {
    step.clip = solver_->clip_gradients();
    step.sum_of_squares = sum_of_squares_;
    VectorOpsFor(ctx.kind()).SumOfSquares(ctx, net_->flat_gradients(), sum_of_squares_);
  }
  for (size_t i = 0; i < graph.params.size(); ++i) {
    const ParamNode& param = graph.params[i];
    if (param.owner >= 0 || !net_->param(i).has_diff() || param.lr_mult == 0) continue;
    step.rate = rate * param.lr_mult;
    step.decay = solver_->weight_decay() * param.decay_mult;
    rule_->Update(ctx, net_->param(i), history_[i], step);
  }
  ++iteration_;
}

bool Trainer::TestAll() {
  for (int i = 0; i < test_nets() && !stop_; ++i) {
    const std::vector<double> means = Test(i);
    if (stop_) {
      LOG(INFO) << "Test interrupted.";
      return false;
    }
    const std::vector<OutputElement> outputs = ReadOutputs(*test_nets_[i]);
    for (size_t k = 0; k < means.size(); ++k) {
      const OutputElement mean{outputs[k].blob, outputs[k].loss_weight, means[k]};
      LOG(INFO) << "    Test net output #" << k << ": " << FormatOutput(mean);
    }
  }
  return !stop_;
}

std::vector<double> Trainer::Test(int i) {
  LOG(INFO) << "Iteration " << iteration_ << ", Testing net (#" << i << ")";
  Net& net = *test_nets_[i];
  const int batches = solver_->test_iter(i);
  const int64_t first_step = tests_done_[i]++ * batches;
  std::vector<double> sums;
  double loss = 0;
  for (int batch = 0; batch < batches; ++batch) {
    for (Action action = Poll(); action != Action::kNone; action = Poll()) {
      if (action == Action::kSnapshot) Snapshot();
      if (action == Action::kStop) stop_ = true;
    }
    if (stop_) return {};
    net.Forward(static_cast<uint64_t>(first_step + batch));
    const std::vector<OutputElement> outputs = ReadOutputs(net);
    net.CheckAfterForward();
    sums.resize(outputs.size(), 0);
    for (size_t k = 0; k < outputs.size(); ++k) sums[k] += outputs[k].value;
    if (solver_->test_compute_loss()) loss += net.loss().ToHost<double>()[0];
  }
  if (solver_->test_compute_loss()) LOG(INFO) << "Test loss: " << FormatNumber(loss / batches);
  for (double& sum : sums) sum /= batches;
  return sums;
}

}  // namespace crema
