#include "train/check_solver.h"

#include <glog/logging.h>

#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "solvers/learning_rate.h"
#include "solvers/local_rates.h"
#include "solvers/solver_error.h"
#include "train/detection.h"

namespace crema {
namespace {

// The numbers with which a rule makes no sense.
void CheckUpdateNumbers(const proto::SolverParameter& s) {
  const auto check_share = [&](const char* field, double share) {
    if (share >= 0 && share < 1) return;
    FailInSolver("", field, " is ", share, ", but must be at least 0 and less than 1");
  };
  check_share("momentum", s.momentum());
  if (s.weight_decay() < 0) {
    FailInSolver("weight_decay is ", s.weight_decay(), ", but must be at least 0");
  }
  if (s.clip_gradients() == 0) {
    FailInSolver("clip_gradients is 0, which would make all gradients 0; use -1 for no limit");
  }
  if (s.delta() < 0) FailInSolver("delta is ", s.delta(), ", but must be at least 0");
  const bool adam = s.type() == "Adam" || s.type() == "AdamW";
  const bool plain = s.type() == "AdaGrad" || s.type() == "RMSProp";
  if (plain && s.momentum() != 0) {
    FailInSolver("momentum is ", s.momentum(), ", but ", s.type(),
                 " does not use momentum; remove it");
  }
  if (s.type() == "RMSProp") check_share("rms_decay", s.rms_decay());
  if (adam) check_share("momentum2", s.momentum2());
  check_share("ema_decay", s.ema_decay());
}

// Fields of other Caffes that leave no choice here.
void CheckForkFields(const proto::SolverParameter& s) {
  if (s.solver_data_type() == proto::SolverParameter::DOUBLE) {
    FailInSolver("solver_data_type is DOUBLE, but only FLOAT is supported; remove it");
  }
  if (s.solver_data_type() == proto::SolverParameter::FLOAT16) {
    LOG(WARNING) << "solver_data_type: FLOAT16 is treated as FLOAT, which is more precise";
  }
  if (s.has_store_blobs_in_old_format() && !s.store_blobs_in_old_format()) {
    LOG(WARNING) << "store_blobs_in_old_format: false is treated as true: crema writes only the "
                 << "format that BVLC Caffe reads";
  }
  if (s.eval_type() != "classification" && s.eval_type() != "detection") {
    FailInSolver("eval_type is '", s.eval_type(), "'; use \"classification\" or \"detection\"");
  }
  ParseApVersion(s.ap_version());
}

}  // namespace

void CheckSolver(const proto::SolverParameter& s) {
  CheckLearningRate(s);
  const std::string stays = WhyRateStays(s);
  if (!stays.empty()) LOG(WARNING) << stays;
  CheckUpdateNumbers(s);
  CheckLocalRates(s);
  CheckForkFields(s);
  constexpr int kMost = std::numeric_limits<int>::max();
  CheckSolverRange("average_loss", s.average_loss(), 1, kMost);
  CheckSolverRange("iter_size", s.iter_size(), 1, kMost);
  CheckSolverRange("max_iter", s.max_iter(), 0, kMost);
  // Caffe takes -1, which people mean as "never", for 1.
  CheckSolverRange("display", s.display(), 0, kMost);
  CheckSolverRange("snapshot", s.snapshot(), 0, kMost);
  CheckSolverRange("snapshot_keep", s.snapshot_keep(), 0, kMost);
  const bool decays = s.weight_decay() != 0 || s.weight_decay_policy() != "fixed";
  if (s.regularization_type() != "L2" && s.regularization_type() != "L1") {
    if (!decays) {  // which Caffe takes, too
      LOG(WARNING) << Concat("regularization_type is '", s.regularization_type(),
                             "', which has no effect without weight_decay; use \"L2\" or \"L1\"");
      return;
    }
    FailInSolver("regularization_type is '", s.regularization_type(), "'; use \"L2\" or \"L1\"");
  }
}

}  // namespace crema
