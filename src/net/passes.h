// The passes that turn a net's text into a graph that can run. Each is one file.
#pragma once

#include <map>

#include "crema/net/graph.h"

namespace crema {

namespace proto {
class NetParameter;
class NetState;
}  // namespace proto

// filter.cpp: keeps the layers whose include and exclude rules fit the net's state.
proto::NetParameter FilterLayers(const proto::NetParameter& net);

// insert_splits.cpp: gives every blob with several readers a Split layer, named as Caffe does.
proto::NetParameter InsertSplits(const proto::NetParameter& net);

// infer_shapes.cpp: creates the layers, connects them and infers all shapes.
Graph BuildGraph(const proto::NetParameter& net, DType dtype, DeviceKind device);

// mark_backward.cpp: decides which layers run backward and which blobs get gradients.
void MarkBackward(const proto::NetParameter& net, Graph* graph);
// The same for a net that only runs forward: none.
void MarkForwardOnly(Graph* graph);

// plan_memory.cpp: where each blob's values and gradients lie, in bytes from the start of two
// arenas. Blobs that share have the offset of the one they share with; -1: no memory.
struct MemoryPlan {
  std::vector<int64_t> data_offset, diff_offset;  // by blob
  int64_t data_bytes = 0, diff_bytes = 0;
};
MemoryPlan PlanMemory(const Graph& graph);

// Offsets in buffers are multiples of this, in bytes.
constexpr int64_t kAlignment = 64;
inline int64_t AlignUp(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// "layer 'conv1' (Convolution)".
std::string LayerTitle(const Layer& layer);

}  // namespace crema
