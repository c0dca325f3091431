#include "train/non_finite_guard.h"

#include <glog/logging.h>

#include <cmath>
#include <vector>

#include "crema/error.h"
#include "math/vector_ops.h"
#include "train/find_non_finite.h"

namespace crema {
namespace {

// A number on the device for VectorOps::NoteNonFinite: nothing is noted yet.
Tensor EmptyNote(const Context& ctx) {
  const Tensor note(ctx.shared_device(), DType::kFloat64, Shape{1});
  note.FromHost(std::vector<double>{-1});
  return note;
}

}  // namespace

NonFiniteGuard::NonFiniteGuard(const Context& ctx, bool stops)
    : ctx_(ctx), stops_(stops), first_(EmptyNote(ctx)) {}

void NonFiniteGuard::Note(const Tensor& x, int64_t iteration) {
  VectorOpsFor(ctx_.kind()).NoteNonFinite(ctx_, x, static_cast<double>(iteration), first_);
}

void NonFiniteGuard::Check(const Explain& explain) {
  const double first = first_.ToHost<double>()[0];
  if (first < 0 || warned_) return;
  if (!stops_) {
    warned_ = true;
    LOG(WARNING) << Concat(
        "Iteration ", first,
        ": the loss or a gradient is not finite; training continues because of stop_at_non_finite: "
        "false, but does not save weights that are not finite");
    return;
  }
  Fail("iteration ", static_cast<int64_t>(first),
       ": the loss or a gradient is infinite or not a number, first ", explain(),
       "; training stopped and snapshots are unchanged: lower base_lr, set clip_gradients, or "
       "check the data (stop_at_non_finite: false continues anyway)");
}

// Any other output of a test may be what it likes.
void NonFiniteGuard::CheckTestLoss(const Tensor& loss, const TestBatch& at,
                                   const Explain& explain) {
  if (std::isfinite(loss.ToHost<double>()[0]) || warned_of_test_) return;
  const std::string what =
      Concat("iteration ", at.iteration, ": in batch ", at.batch, " of test net #", at.net,
             " the loss is infinite or not a number");
  if (!stops_) {
    warned_of_test_ = true;
    LOG(WARNING) << what << "; training continues because of stop_at_non_finite: false";
    return;
  }
  const std::string bad = explain();
  Fail(what, ", first ", bad.empty() ? "the loss" : bad,
       "; training stopped and snapshots are unchanged: check the test data, or lower base_lr "
       "(stop_at_non_finite: false continues anyway)");
}

void CheckWeightsFinite(Net* net, const Tensor& average, int64_t iteration) {
  const Tensor& weights = net->flat_params();
  if (weights.empty() || weights.count() == 0) return;
  const Context& ctx = net->context();
  const Tensor note = EmptyNote(ctx);
  const VectorOps& ops = VectorOpsFor(ctx.kind());
  ops.NoteNonFinite(ctx, weights, 0, note);
  if (!average.empty()) ops.NoteNonFinite(ctx, average, 0, note);
  if (note.ToHost<double>()[0] < 0) return;
  std::string bad = FindNonFiniteParam(*net);
  if (bad.empty()) bad = "the average of the weights (ema_decay) is not finite";
  Fail("iteration ", iteration, ": ", bad,
       "; such weights are not saved: lower base_lr or set clip_gradients");
}

}  // namespace crema
