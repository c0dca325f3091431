// Other shapes: new sizes from the user, or as many elements as the data ask for.
#include "net/reshape.h"

#include "net/passes.h"

namespace crema {

std::vector<Shape> ShapesOf(const Graph& graph) {
  std::vector<Shape> shapes;
  for (const BlobNode& blob : graph.blobs) shapes.push_back(blob.shape);
  return shapes;
}

bool IsInput(const Graph& graph, int blob) {
  return graph.layers[graph.blobs[blob].producer].traits.tops_take_any_shape;
}

void InferShapesFor(const std::vector<Shape>& shapes, Graph* graph) {
  for (size_t i = 0; i < shapes.size(); ++i) graph->blobs[i].shape = shapes[i];
  UndoSlices(graph);
  ReinferShapes(0, graph);
  SliceBatch(graph);
}

bool SetTopShapes(int layer, const std::vector<Shape>& shapes, Graph* graph) {
  const LayerNode& node = graph->layers[layer];
  CREMA_CHECK(shapes.size() == node.tops.size(), LayerTitle(*node.layer));
  std::vector<Shape> before;
  for (size_t t = 0; t < shapes.size(); ++t) {
    CREMA_CHECK(shapes[t].count() <= node.plan.tops[t].shape.count(), LayerTitle(*node.layer));
    before.push_back(graph->blobs[node.tops[t]].shape);
  }
  if (shapes == before) return false;
  const auto set = [&](const std::vector<Shape>& tops) {
    for (size_t t = 0; t < tops.size(); ++t) graph->blobs[node.tops[t]].shape = tops[t];
    ReinferShapes(static_cast<size_t>(layer) + 1, graph);
  };
  try {
    set(shapes);
  } catch (...) {  // the next pass shall find the change, too
    set(before);
    throw;
  }
  return true;
}

}  // namespace crema
