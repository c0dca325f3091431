// The training loop. What its steps do stands in the files of its parts, see training_parts.h.
#include "crema/trainer.h"

#include <glog/logging.h>

#include <utility>

#include "crema.pb.h"
#include "crema/dev/host_tasks.h"
#include "crema/error.h"
#include "solvers/update_rule.h"
#include "train/check_solver.h"
#include "train/last_look.h"
#include "train/report.h"
#include "train/rollback.h"
#include "train/snapshot_files.h"
#include "train/snapshot_saver.h"
#include "train/training_parts.h"
#include "train/training_state.h"

namespace crema {

Trainer::Trainer(const proto::SolverParameter& solver, const TrainOptions& given) {
  TrainOptions options = given;
  if (options.device == nullptr) options.device = OpenDevice(DeviceKind::kCpu);
  options.threads = ThreadsToUse(options.threads);
  const PlansForThreads threads(options.threads);
  CheckSolver(solver);
  auto rule = CreateUpdateRule(solver.type(), options.device->kind());
  proto::SolverState state;
  const std::string& resume_from = options.resume_from;
  const bool resumes = !resume_from.empty();
  if (resumes) ReadSolverState(resume_from, &state);
  // A run that is done already saves nothing, and may look at what it has where nobody can write.
  const bool may_save = !resumes || state.iter() < solver.max_iter();
  if (may_save) SnapshotSaver::CheckFolder(solver);
  parts_ =
      std::make_unique<TrainingParts>(solver, options, std::move(rule), resumes ? &state : nullptr);
  TrainingParts& p = *parts_;
  p.reporter.Add(std::make_shared<LogObserver>(solver.display()));
  rollback_ = std::make_unique<Rollback>(
      Rollback::Parts{p.nets.get(), p.average.get(), p.metrics.get(), p.tester.get(), &p.reporter},
      p.passes->can_be_interrupted(), solver.snapshot_diff());
  snapshots_ = std::make_unique<SnapshotSaver>(parts_.get(), rollback_.get());
  if (resumes) {
    RestoreState(state, resume_from, parts_.get());
    snapshots_->Restore(state.progress(), resume_from);
  } else if (SavesSnapshots(solver)) {
    // Now that the run will begin: in front of an error it would be about nothing.
    WarnOfOldSnapshots(solver.snapshot_prefix());
  }
}

Trainer::~Trainer() = default;

bool Trainer::Train() {
  TrainingParts& p = *parts_;
  const PlansForThreads threads(p.options.threads);
  const TrainStart start{p.nets->train().name(), p.solver->lr_policy(), p.iteration,
                         p.solver->max_iter()};
  p.reporter.ForEach([&](TrainObserver& observer) { observer.OnStart(start); });
  stop_ = false;  // Step may have nothing to do
  if (p.iteration < start.max_iter) {
    Step(start.max_iter - p.iteration);
  } else if (p.iteration > 0) {
    LOG(INFO) << Concat("Nothing is left to train: the run has reached iteration ", p.iteration,
                        ", and max_iter is ", start.max_iter, "; raise max_iter to go on");
  }
  p.passes->CheckHealth();
  SaveAndLook(p.iteration > start.iteration);
  // A resumed run tests once more.
  if (!stop_ && p.test_schedule.IsTestIteration(p.iteration)) TestAll();
  LOG(INFO) << (stop_ ? "Optimization stopped early." : "Optimization Done.");
  return !stop_;
}

bool Trainer::Step(int64_t iterations) {
  TrainingParts& p = *parts_;
  const PlansForThreads threads(p.options.threads);
  const int64_t end = p.iteration + iterations;
  stop_ = false;
  p.reporter.StartClock(p.iteration);
  while (p.iteration < end && !stop_) {
    if (p.test_schedule.ShouldTest(p.iteration) && !TestAll()) break;
    if (!RunIteration()) break;
    ApplyUpdate();
    p.reporter.ForEach(
        [&](TrainObserver& observer) { observer.OnIteration(p.iteration, p.solver->max_iter()); });
    ActOnRequests();
  }
  return !stop_;
}

// Up to the gradients, before the update. Returns false if it was interrupted.
bool Trainer::RunIteration() {
  TrainingParts& p = *parts_;
  Net& net = p.nets->train();
  const bool display = p.solver->display() > 0 && p.iteration % p.solver->display() == 0;
  net.SetDebugInfo(display && p.solver->debug_info());
  if (!rollback_->RunIteration(p.iteration, [&] { p.passes->Run(p.iteration, display); })) {
    LOG(INFO) << "Iteration " << p.iteration << " interrupted.";
    stop_ = true;
    return false;
  }
  p.passes->Accept(p.iteration, display);
  const double rate = p.RateNow();
  if (display) {
    const double seconds = p.reporter.Lap();
    p.reporter.Display(p.iteration, p.losses->Mean(), rate, seconds, net);
  }
  p.reporter.ForEach([&](TrainObserver& observer) {
    if (!observer.WantsParameters(p.iteration)) return;
    observer.OnParameters(p.iteration, net, 1.0 / p.solver->iter_size());
  });
  return true;
}

void Trainer::ApplyUpdate() {
  TrainingParts& p = *parts_;
  const PlansForThreads threads(p.options.threads);
  p.optimizer->Update(p.iteration, p.RateNow());
  ++p.iteration;
  p.average->Update(p.iteration);
}

// After an iteration: a snapshot that is due or asked for, or the end.
void Trainer::ActOnRequests() {
  const TrainOptions& options = parts_->options;
  const Action action = Poll();
  if (snapshots_->IsDue() || action == Action::kSnapshot) snapshots_->TrySave();
  if (action == Action::kStop || (options.interrupt && options.interrupt())) stop_ = true;
}

Action Trainer::Poll() const {
  return parts_->options.poll ? parts_->options.poll() : Action::kNone;
}

// After training: the last snapshot, and the last line of the log. `stepped`: this run got further.
void Trainer::SaveAndLook(bool stepped) {
  std::shared_ptr<PendingSnapshot> snapshot;
  if (snapshots_->IsDueAtEnd(stepped)) snapshot = snapshots_->Prepare();
  if (stop_ || !HasLastLook(*parts_)) {
    if (snapshot != nullptr) snapshots_->Commit(snapshot.get());
    return;
  }
  const auto point = TakeLastLook(parts_.get(), snapshots_.get(), snapshot.get());
  if (point.has_value()) {
    parts_->reporter.ForEach([&](TrainObserver& observer) { observer.OnDisplay(*point); });
  } else {
    stop_ = true;
  }
}

// Returns false if it was stopped on the way.
bool Trainer::TestAll() {
  parts_->passes->CheckHealth();
  rollback_->RunTests(parts_->iteration, [this] {
    for (int i = 0; i < test_nets() && !stop_; ++i) {
      const std::vector<double> results = RunTest(i);
      if (!stop_) snapshots_->NoteTest(i, results);
    }
    return !stop_;
  });
  if (stop_) LOG(INFO) << "Test interrupted.";
  return !stop_;
}

std::vector<double> Trainer::Test(int i) {
  const PlansForThreads threads(parts_->options.threads);
  if (i < 0 || i >= test_nets()) {
    Fail("there is no test net number ", i, "; the solver has ", test_nets(), ", counted from 0");
  }
  stop_ = false;
  std::vector<double> results;
  rollback_->RunTests(parts_->iteration, [&] {
    results = RunTest(i);
    return !stop_;
  });
  return results;
}

std::vector<double> Trainer::RunTest(int i) {
  const auto results =
      parts_->tester->Test(i, parts_->iteration, [this] { return GoesOnTesting(); });
  if (!results.has_value()) {
    stop_ = true;
    return {};
  }
  parts_->metrics->NoteTest(i, *results);
  return *results;
}

// Before each batch of a test.
bool Trainer::GoesOnTesting() {
  const Action action = Poll();
  if (action == Action::kSnapshot && !snapshots_->IsSaved()) snapshots_->TrySave();
  if (action == Action::kStop) stop_ = true;
  return !stop_;
}

void Trainer::Snapshot() {
  const PlansForThreads threads(parts_->options.threads);
  snapshots_->Save();
}

void Trainer::AddObserver(std::shared_ptr<TrainObserver> observer) {
  parts_->reporter.Add(std::move(observer));
}

int64_t Trainer::iteration() const { return parts_->iteration; }
Net& Trainer::net() { return parts_->nets->train(); }
int Trainer::test_nets() const { return parts_->nets->tests(); }
Net& Trainer::test_net(int i) { return parts_->nets->test(i); }

}  // namespace crema
