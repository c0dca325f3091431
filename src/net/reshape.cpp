// Nets that change shape: new sizes from the user, or as many elements as the data ask for.
#include "base/strings.h"
#include "crema/math/host_tasks.h"
#include "crema/net/net.h"
#include "net/passes.h"

namespace crema {
namespace {

std::string InputNames(const Graph& graph) {
  std::vector<std::string> names;
  for (const BlobNode& blob : graph.blobs) {
    if (graph.layers[blob.producer].traits.tops_take_any_shape) names.push_back(blob.name);
  }
  return names.empty() ? "it has none" : Concat("it has ", Join(names, ", "));
}

}  // namespace

void Net::Reshape(const std::map<std::string, Shape>& inputs) {
  const PlansForThreads threads(threads_);
  std::vector<Shape> before, after;
  for (const BlobNode& blob : graph_.blobs) before.push_back(blob.shape);
  after = before;
  for (const auto& input : inputs) {
    const auto found = blob_index_.find(input.first);
    const bool fits =
        found != blob_index_.end() &&
        graph_.layers[graph_.blobs[found->second].producer].traits.tops_take_any_shape;
    if (!fits) {
      Fail("net '", name(), "': '", input.first, "' is not an input, so it cannot be reshaped; ",
           InputNames(graph_));
    }
    after[found->second] = Shape(input.second.dims());  // at() checks nothing
  }
  Room room;
  try {
    InferAgain(after);
    room = FindRoom();
  } catch (...) {
    InferAgain(before);
    StayHere();
    throw;
  }
  MoveIn(std::move(room));
}

// After all, with the plan there was.
void Net::StayHere() {
  LeaveArena();
  ConnectLayers();
  if (arena_use_.arena->buffer != nullptr) FollowArena();  // else before the next pass
}

void Net::InferAgain(const std::vector<Shape>& shapes) {
  for (size_t i = 0; i < shapes.size(); ++i) graph_.blobs[i].shape = shapes[i];
  UndoSlices(&graph_);
  InferShapesAgain(0, &graph_);
  SliceBatch(&graph_);
}

// Blobs after the layer keep their places, which are large enough for all of the data.
void Net::FollowData(int layer) {
  LayerNode& node = graph_.layers[layer];
  const std::vector<Shape> shapes = node.layer->ShapesOfTops(*context_, bottoms_[layer]);
  CREMA_CHECK(shapes.size() == node.tops.size(), LayerTitle(*node.layer));
  std::vector<Shape> before;
  for (int top : node.tops) before.push_back(graph_.blobs[top].shape);
  bool same = true;
  for (size_t t = 0; t < shapes.size(); ++t) {
    CREMA_CHECK(shapes[t].count() <= node.plan.tops[t].count(), LayerTitle(*node.layer));
    same = same && graph_.blobs[node.tops[t]].shape == shapes[t];
    graph_.blobs[node.tops[t]].shape = shapes[t];
  }
  if (same) return;
  const size_t next = static_cast<size_t>(layer) + 1;
  try {
    InferShapesAgain(next, &graph_);
  } catch (...) {  // the next pass shall find the change, too
    for (size_t t = 0; t < before.size(); ++t) graph_.blobs[node.tops[t]].shape = before[t];
    InferShapesAgain(next, &graph_);
    throw;
  }
  ViewBlobs();
  BindLayers();
}

}  // namespace crema
