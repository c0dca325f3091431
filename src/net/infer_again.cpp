#include <optional>

#include "crema/math/host_tasks.h"
#include "net/passes.h"

namespace crema {
namespace {

// The weights are made for the first shapes: an InnerProduct cannot take images of another size.
void CheckParams(const LayerNode& node, const LayerPlan& plan) {
  CREMA_CHECK(plan.params.size() == node.plan.params.size(), LayerTitle(*node.layer));
  for (size_t p = 0; p < plan.params.size(); ++p) {
    const Shape& old_shape = node.plan.params[p].shape;
    const Shape& new_shape = plan.params[p].shape;
    if (old_shape == new_shape) continue;
    Fail(LayerTitle(*node.layer), ": its parameter ", p, " has shape ", old_shape.ToString(),
         ", but the new size of its bottom needs ", new_shape.ToString(),
         "; keep the size, or use a convolution, which accepts any size");
  }
}

// As the layer sees it, which may run for a part of the images at a time.
Shape SeenShape(const LayerNode& node, const BlobNode& blob) {
  return node.parts == 1 || blob.is_part ? blob.shape : PartShape(blob.shape, node.parts);
}

void SetTop(const LayerNode& node, const Shape& seen, BlobNode* blob) {
  blob->shape = node.parts == 1 || blob->is_part ? seen : WholeShape(seen, node.parts);
}

}  // namespace

void InferShapesAgain(size_t first, Graph* graph) {
  for (size_t l = first; l < graph->layers.size(); ++l) {
    LayerNode& node = graph->layers[l];
    if (node.traits.tops_take_any_shape) continue;
    std::vector<Shape> bottoms;
    for (int bottom : node.bottoms) bottoms.push_back(SeenShape(node, graph->blobs[bottom]));
    const int slices = SlicesOf(*graph, l);
    std::optional<PlansForThreads> in_lane;
    if (slices >= 0 && graph->slices[slices].lanes > 1) in_lane.emplace(1);
    const LayerPlan plan = PlanLayer(*node.layer, bottoms, graph->dtype);
    CheckParams(node, plan);
    node.plan = plan;
    if (node.absorbed_by >= 0) NeedNothing(&node);
    for (int blob : node.between) SetTop(node, plan.tops[0], &graph->blobs[blob]);
    for (size_t t = 0; t < node.tops.size(); ++t) {
      SetTop(node, plan.tops[t], &graph->blobs[node.tops[t]]);
    }
  }
}

}  // namespace crema
