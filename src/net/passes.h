// The passes that turn a net's text into a graph that can run. Each is one file.
#pragma once

#include <algorithm>
#include <map>

#include "crema/dev/compile.h"
#include "crema/dev/registry.h"
#include "tensor/param_block.h"

namespace crema {

namespace proto {
class NetParameter;
class NetState;
}  // namespace proto

// filter.cpp: keeps the layers whose include and exclude rules fit the net's state.
proto::NetParameter FilterLayers(const proto::NetParameter& net);

// insert_splits.cpp: gives every blob with several readers a Split layer, named as Caffe does.
proto::NetParameter InsertSplits(const proto::NetParameter& net);
// What the net's text calls a blob, which may be a copy that such a Split made.
std::string NameInText(const Graph& graph, int blob);

// choose_engines.cpp: creates the layer by the engine that the net's or the layer's text names, or
// by the fastest that can take it. Throws Error where a named one is not in the build or cannot.
struct EngineChoice {
  std::unique_ptr<Layer> layer;
  std::string engine, note;  // why not another one, or ""
};
EngineChoice CreateByEngine(const std::string& net_engine, const EngineQuery& query,
                            DeviceKind device);

// infer_shapes.cpp: creates the layers, connects them and infers all shapes. Blobs that a layer
// changes in place are one, unless the net runs `backward` and a layer below then needs what was
// there before: the layer in place then makes another blob, of the same name. Layers are planned
// with what is known then.
Graph BuildGraph(const proto::NetParameter& net, DType dtype, DeviceKind device, bool backward);

// check_total.cpp: throws Error if the bytes of all that the net needs do not fit in 63 bits. Sums
// of some of them are safe after that.
void CheckTotal(const Graph& graph);

// plan_layout.cpp: which layers run in channels-last: those that need it, and behind them those
// that take it. Puts layers in that change the layout where two others do not agree on it.
void PlanLayout(Graph* graph);
// A blob's name without what such a layer has added to it.
std::string NameWithoutLayout(std::string name);

// plan_layers.cpp: all that is known of the layer, for its Plan.
PlanInput PlanInputOf(const Graph& graph, const LayerNode& node);
// Plans the layer and asks for its traits.
void PlanLayer(const PlanInput& input, LayerNode* node);
// Whether that was the layer's last plan, for as many threads as there are now.
bool IsPlannedFor(const PlanInput& input, const LayerNode& node);
// Plans those layers anew of which more is known than when they were planned. After it, what a
// layer asks for is what it needs.
void CompletePlans(Graph* graph);
// Whether top 0 is written over bottom 0.
inline bool RunsInPlace(const LayerNode& node) {
  return !node.tops.empty() && !node.bottoms.empty() && node.tops[0] == node.bottoms[0];
}
// A blob as a layer sees it, which may run for a part of the samples at a time.
Shape SeenShape(const LayerNode& node, const BlobNode& blob);

// reinfer_shapes.cpp: infers the shapes of all layers from number `first` on anew, after those of
// the blobs they read have changed. Tops that take any shape keep theirs. A layer that was planned
// for its input before is not planned again, if graph->plan_cache can help it. Throws Error where a
// layer does not accept its bottoms or would need other parameters; some shapes are then new, some
// old.
void ReinferShapes(size_t first, Graph* graph);

// fuse.cpp: lets layers take over the work of those that follow them, where they can.
void FuseLayers(Graph* graph);
// Takes away the memory that a layer asked for that does not run.
void DropMemory(LayerNode* node);

// recompute.cpp: marks the layers that are to be recomputed and can be; with a limit, as many more
// as it takes to meet it.
void MarkRecomputed(Graph* graph);
void MeetMemoryLimit(size_t limit, Graph* graph);

// slice_batch.cpp: lets layers take a few images at a time, see graph->slice_bytes.
void SliceBatch(Graph* graph);
// All layers take the whole batch again; the shapes are then to be inferred anew.
void UndoSlices(Graph* graph);

// The one of graph.slices, which are in the order of their layers, that the layer is in; -1: none.
inline int SlicesOf(const Graph& graph, size_t layer) {
  const auto ends_before = [&](const Slices& slices) { return slices.last <= layer; };
  const auto begin = graph.slices.begin(), end = graph.slices.end();
  const auto it = std::partition_point(begin, end, ends_before);
  return it == end || it->first > layer ? -1 : static_cast<int>(it - begin);
}

// The shape of all images for that of one of `parts` parts, and the other way round.
inline Shape WholeShape(Shape part, int parts) {
  part.at(0) *= parts;
  return part;
}
inline Shape PartShape(Shape whole, int parts) {
  whole.at(0) /= parts;
  return whole;
}

// mark_backward.cpp: decides which layers run backward and which blobs get gradients.
void MarkBackward(const proto::NetParameter& net, Graph* graph);
// The same for a net that only runs forward: none.
void MarkForwardOnly(Graph* graph);

// A pass has two steps a layer: layer i runs forward in step i, and backward, the last one first,
// in the steps that follow. A life is from one step to another, both included.
inline int ForwardStep(size_t layer) { return static_cast<int>(layer); }
inline int BackwardStep(const Graph& graph, size_t layer) {
  return static_cast<int>(2 * graph.layers.size() - 1 - layer);
}
inline int LayerOfBackwardStep(const Graph& graph, int step) {
  return static_cast<int>(2 * graph.layers.size()) - 1 - step;
}
struct Life {
  int first = -1, last = -1;
  bool empty() const { return first < 0; }
  void Include(int step) {
    first = empty() ? step : std::min(first, step);
    last = std::max(last, step);
  }
  bool Meets(const Life& other) const {
    return !empty() && !other.empty() && first <= other.last && other.first <= last;
  }
  bool EndsWith(int step) const { return !empty() && last == step; }
};

// lifetimes.cpp: by blob, the first of those whose memory holds the same: `shares` is the member of
// BlobNode that tells which other one does.
std::vector<int> RootsOf(const Graph& graph, int BlobNode::*shares);

// lifetimes.cpp: when the values (gradients) of each blob are needed, from the traits. A blob whose
// values lie where those of an earlier one do has that one as its root; others are their own root.
struct BlobLives {
  std::vector<int> root;            // by blob; -1: no memory
  std::vector<Life> lives;          // by blob, of roots
  std::vector<Life> recomputed;     // the second one, of roots that are recomputed
  std::vector<bool> kept;           // of roots: the memory keeps its values to the next pass
  std::vector<int> recomputed_for;  // by layer: the one before whose Backward it runs again; or -1
  int64_t separate = 0;             // bytes of all that are no views of others
};
BlobLives LivesOfValues(const Graph& graph);
BlobLives LivesOfGradients(const Graph& graph);
// By layer: the tops whose gradient the layer will read although nobody sends one.
std::vector<std::vector<int>> FindUnsentGradients(const Graph& graph);

// place_pieces.cpp: gives each piece an offset such that no two whose lives meet overlap. Returns
// the bytes that all take together. Of many thousands, the small ones are packed less tightly.
// `by_middle`: pieces have their middles in common where that costs little: two threads that each
// write a half, whatever its size, then write what they alone wrote before, which need not come
// from the other's caches.
struct MemoryPiece {
  int64_t bytes = 0;
  Life life;
  Life recomputed;  // a second one, with other values; or empty
  int64_t offset = -1;

  bool Meets(const MemoryPiece& other) const {
    return life.Meets(other.life) || life.Meets(other.recomputed) || recomputed.Meets(other.life) ||
           recomputed.Meets(other.recomputed);
  }
};
int64_t PlacePieces(bool by_middle, std::vector<MemoryPiece>* pieces);

// plan_memory.cpp: where each blob's values and gradient lie, in bytes from the start of the arena,
// whose parts have several users in a pass, or of a lane there, or of the memory that keeps its
// values.
struct Place {
  int64_t offset = -1;  // -1: no memory
  bool kept = false;
  int64_t bytes = 0;
};
// What lies between the layers of a slice, and what they work with, once for each lane, one after
// the other. Offsets are from the start of a lane.
struct LaneMemory {
  std::vector<MemoryPiece> pieces;
  int64_t bytes = 0;  // of one lane
  Place place;        // of all, in the arena
};
struct MemoryPlan {
  std::vector<Place> data, diff;                                            // by blob
  std::vector<Place> forward_scratch, backward_scratch, recompute_scratch;  // by layer
  std::vector<std::vector<int>> recomputed;  // by layer: those to recompute before its Backward
  std::vector<std::vector<int>> unsent;      // by layer, see FindUnsentGradients
  std::vector<MemoryPiece> pieces;           // of the arena
  std::vector<LaneMemory> lanes;             // by graph.slices
  NetMemory memory;                          // without parameters
};
MemoryPlan PlanMemory(const Graph& graph);

// Offsets in buffers are multiples of this, in bytes.
constexpr int64_t kAlignment = 64;
inline int64_t AlignUp(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// What one parameter takes in the buffer of all, in bytes.
inline size_t ParamBytes(const ParamNode& param, DType dtype) {
  const int64_t blocks = (param.decl.shape.count() + kParamBlock - 1) / kParamBlock;
  return static_cast<size_t>(blocks * kParamBlock) * SizeOf(dtype);
}

// What a tensor takes there.
inline int64_t AlignedBytes(const Shape& shape, DType dtype) {
  return AlignUp(shape.count() * static_cast<int64_t>(SizeOf(dtype)));
}
inline int64_t AlignedBytes(const BlobNode& blob) { return AlignedBytes(blob.shape, blob.dtype); }
// Of a state; `dtype` is the net's.
inline int64_t AlignedBytes(const TensorSpec& spec, DType dtype) {
  return AlignedBytes(spec.shape, spec.dtype.value_or(dtype));
}
// The same without rounding up.
inline int64_t BytesOf(const BlobNode& blob) {
  return blob.shape.count() * static_cast<int64_t>(SizeOf(blob.dtype));
}
inline int64_t BytesOf(const TensorSpec& spec, DType dtype) {
  return spec.shape.count() * static_cast<int64_t>(SizeOf(spec.dtype.value_or(dtype)));
}

// compile.cpp: false for a net for testing, and for one that only borrows its parameters.
bool KeepsParamGradients(const Graph& graph);

// For catch (...) around the code of a layer: throws the exception that is being handled as an
// Error that names the layer. Such code may throw what is no Error, as oneDNN's does, and a
// plug-in's anything. Where another `engine` than CAFFE runs the layer, CAFFE is proposed.
[[noreturn]] void RethrowFor(const InLayer& layer, const std::string& engine);
[[noreturn]] void RethrowFor(const LayerNode& node);

// "layer 'conv1' (Convolution)".
InLayer LayerTitle(const Layer& layer);

}  // namespace crema
