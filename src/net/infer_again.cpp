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
    Fail(LayerTitle(*node.layer), ": its parameter ", p, " has the shape ", old_shape.ToString(),
         ", but with the new size of its bottom would need ", new_shape.ToString(),
         "; keep the size, or make the layer a convolution, which takes any");
  }
}

}  // namespace

void InferShapesAgain(size_t first, Graph* graph) {
  for (size_t l = first; l < graph->layers.size(); ++l) {
    LayerNode& node = graph->layers[l];
    if (node.traits.tops_take_any_shape) continue;
    std::vector<Shape> bottoms;
    for (int bottom : node.bottoms) bottoms.push_back(graph->blobs[bottom].shape);
    const LayerPlan plan = PlanLayer(*node.layer, bottoms, graph->dtype);
    CheckParams(node, plan);
    node.plan = plan;
    if (node.absorbed_by >= 0) NeedNothing(&node);
    for (int blob : node.between) graph->blobs[blob].shape = plan.tops[0];
    for (size_t t = 0; t < node.tops.size(); ++t) {
      graph->blobs[node.tops[t]].shape = node.plan.tops[t];
    }
  }
}

}  // namespace crema
