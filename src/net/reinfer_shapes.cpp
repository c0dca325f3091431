// Shapes of a graph that is compiled, after some have changed.
#include <optional>

#include "crema/dev/host_tasks.h"
#include "net/passes.h"
#include "net/plan_cache.h"

namespace crema {
namespace {

// The weights are made for the first shapes: an InnerProduct cannot take images of another size.
void CheckParams(const LayerNode& node, const LayerPlan& before) {
  CREMA_CHECK(node.plan.params.size() == before.params.size(), LayerTitle(*node.layer));
  for (size_t p = 0; p < before.params.size(); ++p) {
    const Shape& old_shape = before.params[p].shape;
    const Shape& new_shape = node.plan.params[p].shape;
    if (old_shape == new_shape) continue;
    Fail(LayerTitle(*node.layer), ": its parameter ", p, " has shape ", old_shape.ToString(),
         ", but the new size of its bottom needs ", new_shape.ToString(),
         "; keep the size, or use a convolution, which accepts any size");
  }
}

void SetTop(const LayerNode& node, const Shape& seen, BlobNode* blob) {
  blob->shape = node.parts == 1 || blob->is_part ? seen : WholeShape(seen, node.parts);
}

// Where the layer refuses, or would need other parameters, the old plan stays.
void Replan(size_t layer, Graph* graph) {
  LayerNode& node = graph->layers[layer];
  const PlanInput input = PlanInputOf(*graph, node);
  if (IsPlannedFor(input, node)) return;
  graph->plan_cache->Keep(layer, node);
  if (graph->plan_cache->Restore(layer, input, &node)) return;
  const LayerPlan before = node.plan;
  PlanLayer(input, &node);
  try {
    CheckParams(node, before);
  } catch (...) {
    node.plan = before;
    node.planned_threads = 0;
    throw;
  }
}

}  // namespace

void ReinferShapes(size_t first, Graph* graph) {
  for (size_t l = first; l < graph->layers.size(); ++l) {
    LayerNode& node = graph->layers[l];
    if (node.traits.tops_take_any_shape) continue;
    const int slices = SlicesOf(*graph, l);
    std::optional<PlansForThreads> in_lane;
    if (slices >= 0 && graph->slices[slices].lanes > 1) in_lane.emplace(1);
    Replan(l, graph);
    if (node.absorbed_by >= 0) DropMemory(&node);
    for (int blob : node.between) SetTop(node, node.plan.tops[0].shape, &graph->blobs[blob]);
    for (size_t t = 0; t < node.tops.size(); ++t) {
      SetTop(node, node.plan.tops[t].shape, &graph->blobs[node.tops[t]]);
    }
  }
}

}  // namespace crema
