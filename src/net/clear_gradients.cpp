// Where sums of gradients begin. Zeros that are only written to be added to cost a pass over
// memory, and another one for reading them again, so layers that can write their gradients do.
#include <limits>
#include <set>

#include "crema/math/host_tasks.h"
#include "crema/math/vector_ops.h"
#include "crema/net/net.h"
#include "net/passes.h"

namespace crema {
namespace {

// Of the param whose memory it uses.
int OwnerOf(const Graph& graph, int param) {
  const int owner = graph.params[param].owner;
  return owner >= 0 ? owner : param;
}

}  // namespace

// A gradient may be fresh where all layers that add to it can write it. All that lies between two
// such is cleared together.
void Net::PlanClearing() {
  may_be_fresh_.assign(params_.size(), true);
  is_fresh_.assign(params_.size(), false);  // there are zeros
  for (const LayerNode& node : graph_.layers) {
    const bool writes =
        node.runs_backward && node.absorbed_by < 0 && node.traits.overwrites_gradients;
    std::set<int> owners;  // what a layer adds to by two params is not begun by either
    for (int p : node.params) {
      const int owner = OwnerOf(graph_, p);
      const bool adds = graph_.params[p].wants_gradient && params_[p]->has_diff();
      if (!writes || !adds || !owners.insert(owner).second) may_be_fresh_[owner] = false;
    }
  }
  cleared_.clear();
  int64_t first = -1;  // of those that are cleared together
  const auto end_before = [&](int64_t end) {
    if (first >= 0) {
      const auto element = static_cast<int64_t>(SizeOf(graph_.dtype));
      cleared_.emplace_back(flat_gradients_.buffer(), static_cast<size_t>(first), graph_.dtype,
                            Shape{(end - first) / element});
    }
    first = -1;
  };
  for (size_t p = 0; p < params_.size(); ++p) {
    const bool owns = graph_.params[p].owner < 0 && params_[p]->has_diff();
    may_be_fresh_[p] = may_be_fresh_[p] && owns;
    if (!owns) continue;
    const int64_t offset = static_cast<const char*>(params_[p]->diff_tensor().raw()) -
                           static_cast<const char*>(flat_gradients_.raw());
    if (may_be_fresh_[p]) {
      end_before(offset);
    } else if (first < 0) {
      first = offset;
    }
  }
  end_before(static_cast<int64_t>(flat_gradients_.bytes()));
}

void Net::ClearGradients() {
  const PlansForThreads threads(threads_);
  const VectorOps& ops = VectorOpsFor(context_->kind());
  for (const Tensor& part : cleared_) ops.Fill(*context_, part, 0);
  is_fresh_ = may_be_fresh_;
  if (!check_memory_) return;
  for (size_t p = 0; p < params_.size(); ++p) {
    if (!is_fresh_[p]) continue;
    const Tensor& gradient = params_[p]->diff_tensor();
    ops.Fill(*context_, gradient, std::numeric_limits<double>::quiet_NaN());
  }
}

void Net::TellFresh(const LayerNode& node) {
  if (!node.traits.overwrites_gradients) return;
  for (size_t i = 0; i < node.params.size(); ++i) {
    const int owner = OwnerOf(graph_, node.params[i]);
    node.layer->SetOverwriteGradient(static_cast<int>(i), is_fresh_[owner]);
    is_fresh_[owner] = false;
  }
}

}  // namespace crema
