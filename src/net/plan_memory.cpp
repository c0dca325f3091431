// Who lies where: the values and gradients of blobs.
#include "net/passes.h"

namespace crema {
namespace {

class Planner {
 public:
  explicit Planner(const Graph& graph) : graph_(graph) {}

  MemoryPlan Run() {
    plan_.lanes.resize(graph_.slices.size());
    const BlobLives values = LivesOfValues(graph_);
    plan_.memory.data = AddBlobs(values, &plan_.data);
    plan_.memory.gradients = AddBlobs(LivesOfGradients(graph_), &plan_.diff);
    plan_.forward_scratch.resize(graph_.layers.size());
    plan_.backward_scratch.resize(graph_.layers.size());
    plan_.recompute_scratch.resize(graph_.layers.size());
    plan_.recomputed.resize(graph_.layers.size());
    for (size_t l = 0; l < graph_.layers.size(); ++l) AddLayer(l, values.recomputed_for[l]);
    for (size_t s = 0; s < plan_.lanes.size(); ++s) PlaceLanes(graph_.slices[s], &plan_.lanes[s]);
    plan_.memory.arena = static_cast<size_t>(PlacePieces(ThreadsShareLayers(), &plan_.pieces));
    for (const Waiting& each : waiting_) each.place->offset = (*each.pieces)[each.piece].offset;
    plan_.unsent = FindUnsentGradients(graph_);
    return std::move(plan_);
  }

 private:
  using Pieces = std::vector<MemoryPiece>;
  struct Waiting {  // for the offset of a piece
    Place* place;
    Pieces* pieces;
    size_t piece;
  };

  // `place` gets the piece's offset when all pieces have one.
  void AddPiece(int64_t bytes, const Life& life, const Life& recomputed, Pieces* pieces,
                Place* place) {
    place->bytes = bytes;
    if (bytes == 0) {
      place->offset = 0;
      return;
    }
    pieces->push_back({bytes, life, recomputed});
    waiting_.push_back({place, pieces, pieces->size() - 1});
  }

  // Of the arena or, for what a layer of a slice has for itself, of a lane.
  Pieces* PiecesFor(size_t layer, bool is_part) {
    const int slices = is_part ? SlicesOf(graph_, layer) : -1;
    return slices < 0 ? &plan_.pieces : &plan_.lanes[slices].pieces;
  }

  // A lane is as far as the next one from the start to the end: when one writes, another may read.
  void PlaceLanes(const Slices& slices, LaneMemory* lanes) {
    lanes->bytes = PlacePieces(slices.lanes == 1 && ThreadsShareLayers(), &lanes->pieces);
    const Life life{ForwardStep(slices.first), ForwardStep(slices.last - 1)};
    AddPiece(slices.lanes * lanes->bytes, life, {}, &plan_.pieces, &lanes->place);
  }

  // In a net that only runs forward; what a training net works with does not stay in the caches.
  bool ThreadsShareLayers() const { return graph_.slice_bytes > 0 && graph_.processors > 1; }

  // Memory that keeps its values.
  Place Keep(int64_t bytes) {
    const Place place{static_cast<int64_t>(plan_.memory.kept), true, bytes};
    plan_.memory.kept += static_cast<size_t>(bytes);
    return place;
  }

  // Returns the bytes that the blobs would take if none gave its memory to another.
  size_t AddBlobs(const BlobLives& all, std::vector<Place>* places) {
    const size_t blobs = graph_.blobs.size();
    std::vector<Waiting> waiting(blobs);  // of roots
    places->resize(blobs);
    for (size_t i = 0; i < blobs; ++i) {
      if (all.root[i] != static_cast<int>(i)) continue;
      const int64_t bytes = AlignedBytes(graph_.blobs[i]);
      if (all.kept[i]) {
        (*places)[i] = Keep(bytes);
      } else {
        const BlobNode& blob = graph_.blobs[i];
        Pieces* const pieces = PiecesFor(blob.producer, blob.is_part);
        const Life recomputed = all.recomputed.empty() ? Life{} : all.recomputed[i];
        AddPiece(bytes, all.lives[i], recomputed, pieces, &(*places)[i]);
        waiting[i] = {nullptr, pieces, pieces->size() - 1};
      }
    }
    for (size_t i = 0; i < blobs; ++i) {
      const int root = all.root[i];
      if (root < 0 || root == static_cast<int>(i)) continue;
      (*places)[i] = (*places)[root];
      const bool waits = (*places)[root].offset < 0;
      if (waits) waiting_.push_back({&(*places)[i], waiting[root].pieces, waiting[root].piece});
    }
    return static_cast<size_t>(all.separate);
  }

  // What a layer saves for its backward pass lives as long as the net; its scratch memory, for one
  // step. It is recomputed before the Backward of layer `recomputed_for`, unless that is -1.
  void AddLayer(size_t layer, int recomputed_for) {
    const LayerNode& node = graph_.layers[layer];
    for (const TensorSpec& state : node.plan.state) {
      plan_.memory.state += static_cast<size_t>(AlignedBytes(state, graph_.dtype));
    }
    if (graph_.device == DeviceKind::kCpu) plan_.memory.host += node.plan.host_bytes;
    const int64_t scratch = AlignUp(static_cast<int64_t>(node.plan.scratch_bytes));
    plan_.memory.scratch = std::max(plan_.memory.scratch, static_cast<size_t>(scratch));
    Pieces* const pieces = PiecesFor(layer, true);
    const auto add = [&](int step, Place* place) {
      AddPiece(scratch, {step, step}, {}, pieces, place);
    };
    if (node.absorbed_by < 0) add(ForwardStep(layer), &plan_.forward_scratch[layer]);
    if (node.runs_backward) add(BackwardStep(graph_, layer), &plan_.backward_scratch[layer]);
    if (recomputed_for < 0) return;
    add(BackwardStep(graph_, recomputed_for), &plan_.recompute_scratch[layer]);
    plan_.recomputed[recomputed_for].push_back(static_cast<int>(layer));
  }

  const Graph& graph_;
  MemoryPlan plan_;
  std::vector<Waiting> waiting_;
};

}  // namespace

MemoryPlan PlanMemory(const Graph& graph) {
  CheckTotal(graph);
  return Planner(graph).Run();
}

}  // namespace crema
