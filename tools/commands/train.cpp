// crema train: trains a net, or goes on training it.
#include <glog/logging.h>

#include <csignal>
#include <optional>

#include "base/in_source.h"
#include "base/same_file.h"
#include "base/strings.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "crema/trainer.h"
#include "early_signals.h"
#include "files_of_nets.h"
#include "progress.h"
#include "schema/upgrade.h"
#include "solvers/solver_error.h"
#include "train/event_file.h"
#include "train/metrics_file.h"
#include "train/prefix_lock.h"
#include "train/report.h"
#include "train/signals.h"
#include "train/snapshot_files.h"

DEFINE_string(snapshot, "", "Resume from this .solverstate file");
DEFINE_string(resume, "",
              "With the value auto, resume from the newest complete snapshot, or start from the "
              "beginning if there is none");
DEFINE_string(metrics, "", "Append losses, test results and speed to this file, as JSON lines");
DEFINE_string(tensorboard, "", "Write an event file for TensorBoard into this folder");
DEFINE_int32(histograms, 0,
             "Write histograms of weights and gradients for TensorBoard every N iterations; 0 "
             "writes none");
DEFINE_string(sigint_effect, "stop", "What SIGINT (Ctrl-C) does: stop, snapshot or none");
DEFINE_string(sighup_effect, "snapshot", "What SIGHUP does: stop, snapshot or none");
DEFINE_string(sigterm_effect, "stop", "What SIGTERM does: stop, snapshot or none");

namespace crema {
namespace {

Action ToAction(const std::string& flag, const std::string& value) {
  if (value == "stop") return Action::kStop;
  if (value == "snapshot") return Action::kSnapshot;
  if (value == "none") return Action::kNone;
  throw UsageError("--" + flag + "=" + value + ": must be stop, snapshot or none");
}

bool AsksForGpu(const proto::SolverParameter& solver) {
  return FLAGS_gpu.empty() && solver.has_solver_mode() &&
         solver.solver_mode() == proto::SolverParameter::GPU;
}

// --gpu decides; else the solver file. If that asks for a GPU and there is none, training runs on
// the CPU: a solver that was written for another machine should still train.
std::shared_ptr<Device> ChooseDevice(const proto::SolverParameter& solver) {
  if (AsksForGpu(solver) && WhyNoCuda().empty()) FLAGS_gpu = std::to_string(solver.device_id());
  return DeviceFromFlags(Gpus::kOne);
}

// When the run is about to begin; in front of an error it would be about nothing.
void WarnOfNoGpu(const proto::SolverParameter& solver) {
  if (!AsksForGpu(solver)) return;
  LOG(WARNING) << "The solver sets solver_mode: GPU, but " << WhyNoCuda()
               << ". Training on the CPU instead.";
}

void AddObservers(Trainer* trainer) {
  trainer->AddObserver(std::make_shared<ProgressObserver>());
  if (!FLAGS_metrics.empty()) trainer->AddObserver(std::make_shared<MetricsFile>(FLAGS_metrics));
  if (FLAGS_tensorboard.empty()) return;
  const auto events = std::make_shared<EventFile>(FLAGS_tensorboard, FLAGS_histograms);
  LOG(INFO) << "Writing TensorBoard events to " << events->path();
  trainer->AddObserver(events);
}

std::string NewestSnapshot(const proto::SolverParameter& solver) {
  const std::string& prefix = solver.snapshot_prefix();
  const std::string state = FindNewestSnapshot(prefix);
  if (state.empty()) {
    LOG(INFO) << "No snapshot of " << prefix << " to resume from; starting a new run";
  }
  return state;
}

void CheckInputs(Trainer& trainer) {
  const char* const advice =
      "train reads its data from layers such as Data or ImageData, so name a net that has one "
      "(usually called train_val.prototxt) in the solver";
  CheckNoOpenInputs(trainer.net(), advice);
  for (int i = 0; i < trainer.test_nets(); ++i) CheckNoOpenInputs(trainer.test_net(i), advice);
}

std::vector<Net*> NetsOf(Trainer& trainer) {
  std::vector<Net*> nets = {&trainer.net()};
  for (int i = 0; i < trainer.test_nets(); ++i) nets.push_back(&trainer.test_net(i));
  return nets;
}

// `state`: that of a run that is resumed, or "".
std::vector<std::string> InputsOf(Trainer& trainer, const proto::SolverParameter& solver,
                                  const std::string& state) {
  std::vector<std::string> files = {FLAGS_solver, solver.net(), solver.train_net(), state};
  files.insert(files.end(), solver.test_net().begin(), solver.test_net().end());
  for (const std::string& list : solver.weights()) {
    for (const std::string& weights : SplitList(list)) files.push_back(weights);
  }
  for (const Net* net : NetsOf(trainer)) {
    for (const std::string& file : FilesReadBy(*net)) files.push_back(file);
  }
  return files;
}

// Before any of them is made.
void CheckOutputs(Trainer& trainer, const std::vector<std::string>& inputs) {
  for (const Net* net : NetsOf(trainer)) CheckWrittenFiles(*net, inputs);
  if (!FLAGS_metrics.empty()) {
    InSource("--metrics", [&] { CheckIsNoInput(FLAGS_metrics, inputs); });
  }
  if (FLAGS_tensorboard.empty()) return;
  InSource("--tensorboard", [&] { CheckIsNoInput(FLAGS_tensorboard + "/events.out", inputs); });
}

// A run that is resumed at its end only looks once more at what it has, and leaves the files that
// its nets wrote on the way.
void EndFiles(Trainer& trainer, bool keeps) {
  for (const Net* net : NetsOf(trainer)) keeps ? FinishFiles(*net) : DropFiles(*net);
}

void CheckFlags() {
  if (FLAGS_solver.empty()) throw UsageError("--solver=FILE is missing");
  NamesFromFlag("weights", FLAGS_weights);
  if (!FLAGS_snapshot.empty() && !FLAGS_weights.empty()) {
    throw UsageError("use --snapshot to resume training or --weights to fine-tune, not both");
  }
  if (FLAGS_histograms < 0) throw UsageError("--histograms must not be negative");
  if (FLAGS_histograms > 0 && FLAGS_tensorboard.empty()) {
    throw UsageError("--histograms needs --tensorboard=DIR, where they are written");
  }
  if (!FLAGS_resume.empty() && FLAGS_resume != "auto") {
    throw UsageError("--resume=" + FLAGS_resume +
                     ": must be auto; use --snapshot=FILE for a given state");
  }
  if (!FLAGS_resume.empty() && !FLAGS_snapshot.empty()) {
    throw UsageError("use --resume or --snapshot, not both");
  }
}

// For a run that was not to save anything until a signal asked for it.
bool MaySave(const std::string& prefix, std::optional<PrefixLock>* lock) {
  try {
    if (!lock->has_value() && !prefix.empty()) lock->emplace(prefix);
    return true;
  } catch (const Error& error) {
    LOG(WARNING) << "No snapshot is saved: " << error.what();
    return false;
  }
}

proto::SolverParameter SolverFromFlags() {
  proto::SolverParameter solver;
  for (const std::string& change : ReadSolverFile(FLAGS_solver, &solver)) {
    LOG(INFO) << FLAGS_solver << ": " << change;
  }
  if (!solver.has_max_iter()) {
    FailInSolver("max_iter is missing, so no iteration would be trained; set it");
  }
  solver.mutable_train_state()->set_level(FLAGS_level);
  for (const std::string& stage : StagesFromFlags()) {
    solver.mutable_train_state()->add_stage(stage);
  }
  if (!FLAGS_weights.empty()) {
    solver.clear_weights();
    solver.add_weights(FLAGS_weights);
  }
  return solver;
}

int Train(const std::vector<std::string>& arguments) {
  SignalWatcher signals(ToAction("sigint_effect", FLAGS_sigint_effect),
                        ToAction("sighup_effect", FLAGS_sighup_effect),
                        ToAction("sigterm_effect", FLAGS_sigterm_effect));
  signals.SetStopEndsProcess(true);  // while the nets are built
  ReleaseSignals();
  TakesNoArguments(arguments, "solver");
  CheckFlags();
  const proto::SolverParameter solver = SolverFromFlags();
  // Before the newest snapshot is looked for, which another run might be about to replace.
  std::optional<PrefixLock> lock;
  if (SavesSnapshots(solver) && !solver.snapshot_prefix().empty()) {
    lock.emplace(solver.snapshot_prefix());
  }
  TrainOptions options;
  options.verbose = FLAGS_verbose;
  options.device = ChooseDevice(solver);
  options.threads = ThreadsFromFlags();
  options.fuse = !FLAGS_no_fuse;
  options.engine = EngineFromFlags();
  options.resume_from = FLAGS_resume.empty() ? FLAGS_snapshot : NewestSnapshot(solver);
  options.poll = [&] {
    const Action action = signals.Poll();
    const bool saves = action == Action::kSnapshot;
    return saves && !MaySave(solver.snapshot_prefix(), &lock) ? Action::kNone : action;
  };
  options.interrupt = [&signals] { return signals.Stopping(); };
  Trainer trainer(solver, options);
  CheckInputs(trainer);
  CheckOutputs(trainer, InputsOf(trainer, solver, options.resume_from));
  WarnOfNoGpu(solver);
  for (const Net* net : NetsOf(trainer)) WarnOfLargeOutputs(*net);
  AddObservers(&trainer);
  signals.SetStopEndsProcess(false);
  LOG(INFO) << "Starting Optimization";
  const int64_t start = trainer.iteration();
  const bool done = trainer.Train();
  EndFiles(trainer, options.resume_from.empty() || trainer.iteration() > start);
  // Who sends SIGTERM (a cluster) wants to tell "stopped" from "done"; Ctrl-C is 0, as in Caffe.
  return !done && signals.stopped_by() == SIGTERM ? 128 + SIGTERM : 0;
}

}  // namespace

int RunTrain(const std::vector<std::string>& arguments) {
  try {
    return Train(arguments);
  } catch (const SolverError& error) {
    throw error.InFileOf(FLAGS_solver);  // which the library does not know
  }
}

}  // namespace crema
