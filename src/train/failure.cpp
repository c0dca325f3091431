// Losses, gradients and weights that are not finite: noticed on the device with one pass over the
// gradients an iteration, and explained once it has happened.
#include <glog/logging.h>

#include <algorithm>
#include <cmath>

#include "crema.pb.h"
#include "crema/base/error.h"
#include "crema/math/host_tasks.h"
#include "crema/math/vector_ops.h"
#include "crema/train/trainer.h"
#include "net/passes.h"
#include "train/report.h"

namespace crema {
namespace {

// "3 of 40 values are not finite"; "" where all are.
std::string Problem(const Tensor& tensor) {
  const std::vector<double> values = tensor.ToHost<double>();
  const auto bad = std::count_if(values.begin(), values.end(),
                                 [](double value) { return !std::isfinite(value); });
  return bad == 0 ? "" : Concat(bad, " of ", values.size(), " values are not finite");
}

// Layers that only take (HDF5Output) must not run twice.
proto::NetParameter WithoutSinks(const proto::NetParameter& config, const Graph& graph) {
  proto::NetParameter kept = config;
  kept.clear_layer();
  for (const proto::LayerParameter& layer : config.layer()) {
    const auto is_sink = [&](const LayerNode& node) {
      return node.tops.empty() && node.layer->name() == layer.name();
    };
    if (std::none_of(graph.layers.begin(), graph.layers.end(), is_sink)) *kept.add_layer() = layer;
  }
  return kept;
}

std::string BadParam(const Net& net, const LayerNode& node) {
  for (size_t p = 0; p < node.params.size(); ++p) {
    const std::string problem = Problem(net.param(node.params[p]).data_tensor());
    if (problem.empty()) continue;
    return Concat("parameter ", p, " of ", LayerTitle(*node.layer), " (", problem, ")");
  }
  return "";
}

// Runs forward. Each blob is looked at as soon as it is written: a layer in place, or one that is
// given the same memory, may change it.
std::string BadValue(uint64_t step, Net* net) {
  net->BeginPass(step);
  for (size_t l = 0; l < net->graph().layers.size(); ++l) {
    const LayerNode& node = net->graph().layers[l];
    const std::string param = BadParam(*net, node);
    if (!param.empty()) return param;
    net->ForwardLayer(static_cast<int>(l));
    for (int top : node.tops) {
      const std::string problem = Problem(net->blob(top).data_tensor());
      if (problem.empty()) continue;
      return Concat("blob '", NameInText(net->graph(), top), "' of ", LayerTitle(*node.layer), " (",
                    problem, ")");
    }
  }
  return "";
}

// Runs backward, after BadValue.
std::string BadGradient(Net* net) {
  for (int l = static_cast<int>(net->graph().layers.size()) - 1; l >= 0; --l) {
    const LayerNode& node = net->graph().layers[l];
    if (!node.runs_backward) continue;
    net->BackwardLayer(l);
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      const Blob& blob = net->blob(node.bottoms[b]);
      const bool written = node.propagate_down[b] && blob.has_diff();
      const std::string problem = written ? Problem(blob.diff_tensor()) : "";
      if (problem.empty()) continue;
      return Concat("the gradient of blob '", NameInText(net->graph(), node.bottoms[b]), "' from ",
                    LayerTitle(*node.layer), " (", problem, ")");
    }
  }
  return "";
}

}  // namespace

// Queued on the device; the first iteration stays noted until somebody looks.
void Trainer::NoteNonFinite() {
  const PlansForThreads threads(options_.threads);
  const VectorOps& ops = VectorOpsFor(net_->context().kind());
  const auto mark = static_cast<double>(iteration_);
  ops.NoteNonFinite(net_->context(), LossSlot(), mark, non_finite_);
  const Tensor& gradients = net_->flat_gradients();
  if (!gradients.empty()) ops.NoteNonFinite(net_->context(), gradients, mark, non_finite_);
}

void Trainer::CheckHealth() {
  net_->CheckAfterForward();
  CheckFinite();
}

void Trainer::CheckFinite() {
  const double first = non_finite_.ToHost<double>()[0];
  if (first < 0 || told_of_non_finite_) return;
  if (!solver_->stop_at_non_finite()) {
    told_of_non_finite_ = true;
    LOG(WARNING) << Concat(
        "Iteration ", first,
        ": the loss or a gradient is not finite; training continues because of stop_at_non_finite: "
        "false, but does not save weights that are not finite");
    return;
  }
  Fail("iteration ", static_cast<int64_t>(first),
       ": the loss or a gradient is infinite or not a number, first ", FirstBadBlobOfTraining(),
       "; training stopped and snapshots are unchanged: lower base_lr, set clip_gradients, or "
       "check the data (stop_at_non_finite: false continues anyway)");
}

// Passes that a net has just made.
struct Trainer::Passes {
  const Net& net;
  const proto::NetParameter& config;
  uint64_t first_step, count;
  bool backward;
};

// A loss of a test net; any other output may be what it likes.
void Trainer::CheckTestLoss(int i, int batch, uint64_t step) {
  const Net& net = *test_nets_[i];
  if (std::isfinite(net.loss().ToHost<double>()[0]) || told_of_test_) return;
  const std::string what = Concat("iteration ", iteration_, ": in batch ", batch, " of test net #",
                                  test_numbers_[i], " the loss is infinite or not a number");
  if (!solver_->stop_at_non_finite()) {
    told_of_test_ = true;
    LOG(WARNING) << what << "; training continues because of stop_at_non_finite: false";
    return;
  }
  const std::string bad = FirstBadBlob({net, *test_configs_[i], step, 1, false});
  Fail(what, ", first ", bad.empty() ? "the loss" : bad,
       "; training stopped and snapshots are unchanged: check the test data, or lower base_lr "
       "(stop_at_non_finite: false continues anyway)");
}

// The passes once more, in a net of its own: in the first one later blobs may have the memory of
// earlier ones by now. "" where nothing is found.
std::string Trainer::FirstBadBlob(const Passes& passes) const {
  const std::vector<double> before = net_->flat_params().ToHost<double>();
  std::string found;
  try {
    NetOptions options;
    options.dtype = options_.dtype;
    options.threads = options_.threads;
    options.seed = seed_;
    options.share_params_with = options.share_memory_with = &passes.net;
    options.memory_limit = passes.backward ? train_net_limit_ : 0;
    options.fuse = false;
    options.slice_bytes = 0;  // layer by layer
    options.backward = passes.backward;
    Net again(WithoutSinks(passes.config, passes.net.graph()), options_.device, options);
    again.SeekData(passes.net.DataPositionsBefore(passes.count));
    for (uint64_t pass = 0; pass < passes.count && found.empty(); ++pass) {
      found = BadValue(passes.first_step + pass, &again);
      if (found.empty() && passes.backward) found = BadGradient(&again);
    }
  } catch (const Error&) {  // no memory for it, or data that cannot be had twice
  }
  net_->flat_params().FromHost(before);  // statistics have moved
  return found;
}

std::string Trainer::FirstBadBlobOfTraining() const {
  const std::string found = FirstBadBlob({*net_, *train_config_, last_step_, last_passes_, true});
  return found.empty() ? FirstBadGradient() : found;
}

std::string Trainer::FirstBadGradient() const {
  for (size_t i = 0; i < net_->graph().params.size(); ++i) {
    const ParamNode& node = net_->graph().params[i];
    const std::string problem =
        net_->param(i).has_diff() ? Problem(net_->param(i).diff_tensor()) : "";
    if (problem.empty()) continue;
    return Concat("the gradient of parameter ", node.index, " of ",
                  LayerTitle(*net_->graph().layers[node.layer].layer), " (", problem, ")");
  }
  return "the loss";
}

void Trainer::CheckWeightsFinite() const {
  const PlansForThreads threads(options_.threads);
  const Tensor& weights = net_->flat_params();
  if (weights.empty() || weights.count() == 0) return;
  const Tensor note(options_.device, DType::kFloat64, Shape{1});
  note.FromHost(std::vector<double>{-1});
  const VectorOps& ops = VectorOpsFor(net_->context().kind());
  ops.NoteNonFinite(net_->context(), weights, 0, note);
  if (!average_.empty()) ops.NoteNonFinite(net_->context(), average_, 0, note);
  if (note.ToHost<double>()[0] < 0) return;
  std::string bad;
  for (const LayerNode& node : net_->graph().layers) {
    if (bad.empty()) bad = BadParam(*net_, node);
  }
  if (bad.empty()) bad = "the average of the weights (ema_decay) is not finite";
  Fail("iteration ", iteration_, ": ", bad,
       "; such weights are not saved: lower base_lr or set clip_gradients");
}

}  // namespace crema
