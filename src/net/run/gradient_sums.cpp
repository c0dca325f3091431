// Which gradients are cleared, and which are written instead.
#include "net/run/gradient_sums.h"

#include <limits>
#include <set>

#include "math/vector_ops.h"

namespace crema {
namespace {

// Of the param whose memory it uses.
int OwnerOf(const Graph& graph, int param) {
  const int owner = graph.params[param].owner;
  return owner >= 0 ? owner : param;
}

}  // namespace

GradientSums::GradientSums(const Graph& graph, const NetParameters& parameters)
    : graph_(graph),
      parameters_(parameters),
      may_write_(graph.params.size(), true),
      writes_next_(graph.params.size(), false) {
  FindWritten();
  FindCleared();
}

// A gradient may be written where all layers that add to it can write it.
void GradientSums::FindWritten() {
  for (const LayerNode& node : graph_.layers) {
    const bool writes =
        node.runs_backward && node.absorbed_by < 0 && node.traits.overwrites_gradients;
    std::set<int> owners;  // what a layer adds to by two params is not begun by either
    for (int p : node.params) {
      const int owner = OwnerOf(graph_, p);
      const bool adds = graph_.params[p].wants_gradient && parameters_.blob(p).has_diff();
      if (!writes || !adds || !owners.insert(owner).second) may_write_[owner] = false;
    }
  }
}

// All that lies between two gradients that are written is cleared together.
void GradientSums::FindCleared() {
  const Tensor& all = parameters_.gradients();
  int64_t first = -1;  // of those that are cleared together
  const auto end_before = [&](int64_t end) {
    if (first >= 0) {
      const auto element = static_cast<int64_t>(SizeOf(graph_.dtype));
      cleared_.emplace_back(all.buffer(), static_cast<size_t>(first), graph_.dtype,
                            Shape{(end - first) / element});
    }
    first = -1;
  };
  for (int p = 0; p < parameters_.count(); ++p) {
    const bool owns = graph_.params[p].owner < 0 && parameters_.blob(p).has_diff();
    may_write_[p] = may_write_[p] && owns;
    if (!owns) continue;
    const int64_t offset = static_cast<const char*>(parameters_.blob(p).diff_tensor().raw()) -
                           static_cast<const char*>(all.raw());
    if (may_write_[p]) {
      end_before(offset);
    } else if (first < 0) {
      first = offset;
    }
  }
  end_before(static_cast<int64_t>(all.bytes()));
}

void GradientSums::Begin(const Context& ctx, bool poison) {
  const VectorOps& ops = VectorOpsFor(ctx.kind());
  for (const Tensor& part : cleared_) ops.Fill(ctx, part, 0);
  writes_next_ = may_write_;
  if (!poison) return;
  for (int p = 0; p < parameters_.count(); ++p) {
    if (!writes_next_[p]) continue;
    const Tensor& gradient = parameters_.blob(p).diff_tensor();
    ops.Fill(ctx, gradient, std::numeric_limits<double>::quiet_NaN());
  }
}

void GradientSums::SetOverwriteGradients(const LayerNode& node) {
  if (!node.traits.overwrites_gradients) return;
  for (size_t i = 0; i < node.params.size(); ++i) {
    const int owner = OwnerOf(graph_, node.params[i]);
    node.layer->SetOverwriteGradient(static_cast<int>(i), writes_next_[owner]);
    writes_next_[owner] = false;
  }
}

}  // namespace crema
