// The training loop.
#include "crema/train/trainer.h"

#include <glog/logging.h>

#include <chrono>
#include <cmath>

#include "crema.pb.h"
#include "crema/math/host_tasks.h"
#include "crema/math/vector_ops.h"
#include "solvers/local_rates.h"
#include "solvers/param_table.h"
#include "solvers/plateau.h"
#include "solvers/update_rule.h"
#include "train/average_shown.h"
#include "train/interrupt.h"
#include "train/kept_snapshots.h"
#include "train/pass_state.h"
#include "train/report.h"
#include "train/test_totals.h"

namespace crema {
namespace {

double Now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

bool Trainer::Train() {
  for (auto& observer : observers_) {
    observer->OnStart({net_->name(), solver_->lr_policy(), iteration_, solver_->max_iter()});
  }
  stop_ = false;  // Step may have nothing to do
  const int64_t began = iteration_;
  if (iteration_ < solver_->max_iter()) Step(solver_->max_iter() - iteration_);
  CheckHealth();
  std::shared_ptr<PendingSnapshot> snapshot;
  if (WantsLastSnapshot(iteration_ > began)) snapshot = PrepareSnapshot();
  std::optional<TrainPoint> last;
  if (!stop_ && HasLastPass()) {
    last = LookAtTrainedNet(snapshot.get());
  } else if (snapshot != nullptr) {
    CommitSnapshot(snapshot.get());
  }
  if (last.has_value()) {
    for (auto& observer : observers_) observer->OnDisplay(*last);
  }
  if (!stop_ && IsTestIteration()) TestAll();
  if (stop_) {  // a resumed run looks once more
    LOG(INFO) << "Optimization stopped early.";
    return false;
  }
  LOG(INFO) << "Optimization Done.";
  return true;
}

bool Trainer::IsTestIteration() const {
  const int interval = solver_->test_interval();
  return interval > 0 && (iteration_ - solver_->test_offset()) % interval == 0;
}

bool Trainer::ShouldTest() const {
  return IsTestIteration() && (iteration_ > 0 || solver_->test_initialization());
}

bool Trainer::Step(int64_t iterations) {
  const int64_t end = iteration_ + iterations;
  stop_ = false;
  double started = Now();
  last_display_ = iteration_;
  while (iteration_ < end) {
    if (ShouldTest() && !TestAll()) break;
    const bool display = solver_->display() > 0 && iteration_ % solver_->display() == 0;
    if (!RunIteration(display)) break;
    FindRate();
    if (display) {
      const double now = Now();
      Display(now - started);
      started = now;
    }
    ShowParameters();
    ApplyUpdate();
    for (auto& observer : observers_) observer->OnIteration(iteration_, solver_->max_iter());
    const Action action = Poll();
    const bool due = solver_->snapshot() > 0 && iteration_ % solver_->snapshot() == 0;
    if (due || action == Action::kSnapshot) TrySnapshot();
    if (action == Action::kStop || (options_.interrupt && options_.interrupt())) stop_ = true;
    if (stop_) break;
  }
  return !stop_;
}

// Returns false if it was interrupted.
bool Trainer::RunIteration(bool display) {
  net_->SetDebugInfo(display && solver_->debug_info());
  if (!RunOrTakeBack([&] { RunPasses(display); })) {
    LOG(INFO) << "Iteration " << iteration_ << " interrupted.";
    return false;
  }
  NoteNonFinite();
  ++losses_;
  // On a GPU looking would wait for the device, so it is done only where we wait anyhow.
  if (display || net_->context().kind() == DeviceKind::kCpu) CheckFinite();
  return true;
}

// Forward and backward for iter_size batches.
void Trainer::RunPasses(bool display) {
  MakeRoomForLoss();
  net_->ClearGradients();
  const int passes = solver_->iter_size();
  last_passes_ = static_cast<uint64_t>(passes);
  last_step_ = static_cast<uint64_t>(iteration_) * last_passes_;
  for (int pass = 0; pass < passes; ++pass) {
    Forward(net_.get(), static_cast<uint64_t>(iteration_ * passes + pass));
    // On a GPU the check would wait for the device, so it is made only where we wait anyhow.
    if (display || net_->context().kind() == DeviceKind::kCpu) net_->CheckAfterForward();
    if (pass == 0) VectorOpsFor(net_->context().kind()).Fill(net_->context(), LossSlot(), 0);
    AddToLossSlot(1.0 / passes);
    Backward();
  }
}

// The ring grows as it fills, up to one slot more than the window has losses: so the loss of a pass
// takes the place of none that still counts, and need not be taken back.
void Trainer::MakeRoomForLoss() {
  const int64_t most = int64_t{solver_->average_loss()} + 1, count = loss_window_.count();
  if (losses_ < count || count >= most) return;
  std::vector<double> ring = loss_window_.ToHost<double>();
  ring.resize(static_cast<size_t>(std::min(most, 2 * count)));
  loss_window_ = Tensor(options_.device, options_.dtype, Shape{static_cast<int64_t>(ring.size())});
  loss_window_.FromHost(ring);
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
  for (int64_t i = std::max<int64_t>(0, losses_ - solver_->average_loss()); i < losses_; ++i) {
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
  TrainPoint point;
  point.iteration = iteration_;
  point.loss = SmoothedLoss();
  point.outputs = ReadOutputs(*net_);
  point.learning_rate = rate_;
  point.seconds = seconds;
  point.iterations = iteration_ - last_display_;
  point.waited = WaitedShare(seconds);
  last_display_ = iteration_;
  for (auto& observer : observers_) observer->OnDisplay(point);
}

// Of the time since the last display.
std::optional<double> Trainer::WaitedShare(double seconds) {
  const std::optional<double> waited = net_->WaitedSeconds();
  if (!waited.has_value()) return std::nullopt;
  const double share = seconds > 0 ? (*waited - waited_before_) / seconds : 0;
  waited_before_ = *waited;
  return share;
}

// A last look at the trained net: the loop shows each iteration's state before its update.
bool Trainer::HasLastPass() const {
  return solver_->display() > 0 && iteration_ % solver_->display() == 0 && NotesAll(*net_);
}

// None if it was interrupted. The pass moves statistics, carried states and the position in the
// data, which a later snapshot of this iteration must not have: all of that is taken back, once the
// snapshot, if there is one, is safe.
std::optional<TrainPoint> Trainer::LookAtTrainedNet(PendingSnapshot* snapshot) {
  PassState before(net_.get());
  before.Note();
  const auto take_back = [&] {
    const PlansForThreads threads(options_.threads);
    before.TakeBack();
    waited_before_ = net_->WaitedSeconds().value_or(0);
  };
  std::optional<TrainPoint> point;
  try {
    if (RunLastPass(snapshot)) point = LastPoint();
    if (snapshot != nullptr) CommitSnapshot(snapshot);
  } catch (...) {
    take_back();
    throw;
  }
  take_back();
  return point;
}

// Of the loss in the slot that is the next one.
TrainPoint Trainer::LastPoint() {
  TrainPoint point;
  point.iteration = iteration_;
  ++losses_;
  point.loss = SmoothedLoss();
  --losses_;
  point.outputs = ReadOutputs(*net_);
  point.last = true;
  return point;
}

// A snapshot of weights with a loss that is not finite is not worth its place. Whatever else goes
// wrong now (with the data, say), the weights are good. Returns false if it was interrupted.
bool Trainer::RunLastPass(PendingSnapshot* snapshot) {
  last_passes_ = 1;
  last_step_ = static_cast<uint64_t>(iteration_ * solver_->iter_size());
  try {
    MakeRoomForLoss();
    Forward(net_.get(), last_step_);
    net_->CheckAfterForward();
  } catch (const PassInterrupted&) {
    stop_ = true;
    return false;
  } catch (const std::exception&) {
    if (snapshot != nullptr) CommitSnapshot(snapshot);
    throw;
  }
  const Context& ctx = net_->context();
  const VectorOps& ops = VectorOpsFor(ctx.kind());
  ops.Fill(ctx, LossSlot(), 0);
  AddToLossSlot(1);
  ops.NoteNonFinite(ctx, LossSlot(), static_cast<double>(iteration_), non_finite_);
  CheckFinite();
  return true;
}

void Trainer::ShowParameters() {
  for (auto& observer : observers_) {
    if (!observer->WantsParameters(iteration_)) continue;
    observer->OnParameters(iteration_, *net_, 1.0 / solver_->iter_size());
  }
}

void Trainer::ApplyUpdate() {
  const PlansForThreads threads(options_.threads);
  FindRate();
  const Context& ctx = net_->context();
  UpdateStep step = NextStep();
  if (solver_->clip_gradients() >= 0) {
    VectorOpsFor(ctx.kind())
        .ClipFactor(ctx, net_->flat_gradients(), solver_->clip_gradients(),
                    1.0 / solver_->iter_size(), gradient_factor_);
  }
  if (local_rates_ != nullptr) local_rates_->Apply(ctx, &step);
  table_->Update(ctx, *rule_, step);
  ++iteration_;
  UpdateAverage();
}

bool Trainer::TestAll() {
  CheckHealth();
  RunTests([this] {
    for (int i = 0; i < test_nets() && !stop_; ++i) {
      const std::vector<double> means = OneTest(i);
      if (!stop_) NoteBest(i, means);
    }
  });
  if (stop_) LOG(INFO) << "Test interrupted.";
  return !stop_;
}

std::vector<double> Trainer::Test(int i) {
  if (i < 0 || i >= test_nets()) {
    Fail("there is no test net number ", i, "; the solver has ", test_nets(), ", counted from 0");
  }
  stop_ = false;
  std::vector<double> means;
  RunTests([&] { means = OneTest(i); });
  return means;
}

std::vector<double> Trainer::OneTest(int i) {
  TestPoint point;
  point.iteration = iteration_;
  point.net = test_numbers_[i];
  for (auto& observer : observers_) observer->OnTestStart(iteration_, point.net);
  {
    const AverageShown shown(this);
    if (!RunTest(i, &point)) return {};
  }
  for (auto& observer : observers_) observer->OnTest(point);
  std::vector<double> values;
  for (const OutputElement& output : point.outputs) values.push_back(output.value);
  if (i == plateau_net_) findings_.plateau_value = values[plateau_element_];
  return values;
}

// false: stopped on the way.
bool Trainer::RunTest(int i, TestPoint* point) {
  Net& net = *test_nets_[i];
  const int batches = solver_->test_iter(test_numbers_[i]);
  const int64_t first_step = tests_done_[i]++ * batches;
  TestTotals totals(*solver_);
  double loss = 0;
  for (int batch = 0; batch < batches; ++batch) {
    const Action action = Poll();
    if (action == Action::kSnapshot && last_snapshot_ != iteration_) TrySnapshot();
    if (action == Action::kStop) stop_ = true;
    if (stop_) return false;
    const auto step = static_cast<uint64_t>(first_step + batch);
    try {
      Forward(&net, step);
    } catch (const PassInterrupted&) {
      stop_ = true;
      return false;
    }
    totals.Add(net);
    net.CheckAfterForward();
    CheckTestLoss(i, batch, step);
    if (solver_->test_compute_loss()) loss += net.loss().ToHost<double>()[0];
    for (auto& observer : observers_) observer->OnTestBatch(batch + 1, batches);
  }
  if (solver_->test_compute_loss()) point->loss = loss / batches;
  point->outputs = totals.Results();
  return true;
}

}  // namespace crema
