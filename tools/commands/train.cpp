// crema train: trains a net, or goes on training it.
#include <glog/logging.h>

#include "base/strings.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/train/trainer.h"
#include "schema/upgrade.h"
#include "train/signals.h"

DEFINE_string(snapshot, "", "Go on from this .solverstate");
DEFINE_string(sigint_effect, "stop", "What SIGINT (Ctrl-C) does: stop, snapshot or none");
DEFINE_string(sighup_effect, "snapshot", "What SIGHUP does: stop, snapshot or none");

namespace crema {
namespace {

Action ToAction(const std::string& flag, const std::string& value) {
  if (value == "stop") return Action::kStop;
  if (value == "snapshot") return Action::kSnapshot;
  if (value == "none") return Action::kNone;
  throw UsageError("--" + flag + "=" + value + ": must be stop, snapshot or none");
}

// --gpu decides; else the solver file, which runs on the CPU, and says so, where no GPU can be
// used: a solver that was written for another machine should still train.
std::shared_ptr<Device> ChooseDevice(const proto::SolverParameter& solver) {
  const bool wants_gpu = FLAGS_gpu.empty() && solver.has_solver_mode() &&
                         solver.solver_mode() == proto::SolverParameter::GPU;
  if (!wants_gpu) return DeviceFromFlags();
  const std::string reason = WhyNoCuda();
  if (reason.empty()) {
    FLAGS_gpu = std::to_string(solver.device_id());
  } else {
    LOG(WARNING) << "The solver asks for solver_mode: GPU, but " << reason
                 << ". Training goes on with the CPU.";
  }
  return DeviceFromFlags();
}

}  // namespace

int RunTrain(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments);
  if (FLAGS_solver.empty()) throw UsageError("--solver=FILE is missing");
  if (!FLAGS_snapshot.empty() && !FLAGS_weights.empty()) {
    throw UsageError("give --snapshot to resume training or --weights to fine-tune, not both");
  }
  SignalWatcher signals(ToAction("sigint_effect", FLAGS_sigint_effect),
                        ToAction("sighup_effect", FLAGS_sighup_effect));
  proto::SolverParameter solver;
  for (const std::string& change : ReadSolverFile(FLAGS_solver, &solver)) {
    LOG(INFO) << FLAGS_solver << ": " << change;
  }
  solver.mutable_train_state()->set_level(FLAGS_level);
  for (const std::string& stage : StagesFromFlags()) {
    solver.mutable_train_state()->add_stage(stage);
  }
  if (!FLAGS_weights.empty()) {
    solver.clear_weights();
    solver.add_weights(FLAGS_weights);
  }
  TrainOptions options;
  options.device = ChooseDevice(solver);
  options.resume_from = FLAGS_snapshot;
  options.poll = [&signals] { return signals.Poll(); };
  Trainer trainer(solver, options);
  LOG(INFO) << "Starting Optimization";
  trainer.Train();
  return 0;
}

}  // namespace crema
