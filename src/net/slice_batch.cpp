// Slices: eight images of a convolutional net do not fit into the caches, one or two do. So layers
// that treat images apart run one after another for a few of them, then for the next ones. Where
// there are enough images, each processor runs the layers for its own: what one of them made need
// not come to another, from whose caches it would take longer than from memory where the two do not
// share one, and none waits for another after each layer.
#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "net/passes.h"

namespace crema {
namespace {

// In growing order.
std::vector<int64_t> DivisorsOf(int64_t n) {
  std::set<int64_t> divisors;
  for (int64_t d = 1; d * d <= n; ++d) {
    if (n % d == 0) divisors.insert({d, n / d});
  }
  return {divisors.begin(), divisors.end()};
}

class Slicer {
 public:
  explicit Slicer(Graph* graph) : graph_(*graph) {}

  void Run() {
    if (graph_.slice_bytes == 0) return;
    roots_ = RootsOf(graph_, &BlobNode::shares_data_with);
    CountUses(0, graph_.layers.size(), 1);
    for (int output : graph_.outputs) ++uses_[roots_[output]];
    const size_t end = FirstDataShapedLayer();
    size_t first = 0;
    while (first < end) {
      size_t last = first;
      const int64_t batch = BatchOf(graph_.layers[first]);
      while (batch > 1 && last < end && Joins(graph_.layers[last], batch)) ++last;
      CutByLanes(first, last, batch);
      first = std::max(last, first + 1);
    }
  }

 private:
  // Layers from there on may find another batch in each pass.
  size_t FirstDataShapedLayer() const {
    const auto follows = [](const LayerNode& n) { return n.traits.shapes_depend_on_data; };
    const auto begin = graph_.layers.begin(), end = graph_.layers.end();
    return static_cast<size_t>(std::find_if(begin, end, follows) - begin);
  }

  // How many images the layer treats apart; 0 where it does not.
  int64_t BatchOf(const LayerNode& node) const {
    if (!node.traits.is_per_sample || node.layer->phase() != Phase::kTest) return 0;
    if (node.absorbed_by >= 0 || node.bottoms.empty() || node.tops.empty()) return 0;
    for (float weight : node.loss_weights) {
      if (weight != 0) return 0;
    }
    const Shape& first = graph_.blobs[node.bottoms[0]].shape;
    if (first.rank() == 0) return 0;
    for (const auto* blobs : {&node.bottoms, &node.tops}) {
      for (int blob : *blobs) {
        const Shape& shape = graph_.blobs[blob].shape;
        if (shape.rank() == 0 || shape[0] != first[0] || shape.count() == 0) return 0;
      }
    }
    for (int absorbed : node.absorbed) {
      if (!graph_.layers[absorbed].traits.is_per_sample) return 0;
    }
    return first[0];
  }

  // Layers that are a part of others do not run.
  bool Joins(const LayerNode& node, int64_t batch) const {
    return node.absorbed_by >= 0 || BatchOf(node) == batch;
  }

  // Of a batch, which most layers have in common.
  const std::vector<int64_t>& Divisors(int64_t batch) const {
    std::vector<int64_t>& divisors = divisors_[batch];
    if (divisors.empty()) divisors = DivisorsOf(batch);
    return divisors;
  }

  // In the engine's order weights may be larger, by Winograd's way four times.
  int64_t WeightBytes(const LayerNode& node) const {
    int64_t weights = 0, state = 0;
    for (int param : node.params) {
      weights += BytesOf(TensorSpec(graph_.params[param].decl.shape), graph_.dtype);
    }
    for (const TensorSpec& kept : node.plan.state) state += BytesOf(kept, graph_.dtype);
    return std::max(weights, std::min(state, 4 * weights));
  }

  int64_t ImageBytes(const LayerNode& node, int64_t batch) const {
    int64_t image = 0;
    for (int blob : node.bottoms) image += BytesOf(graph_.blobs[blob]) / batch;
    for (int blob : node.tops) image += BytesOf(graph_.blobs[blob]) / batch;
    return image;
  }

  // One lane after the other has a part, so that some may wait at the end; not for long.
  bool KeepsLanesBusy(int64_t parts) const {
    const int64_t rounds = (parts + graph_.processors - 1) / graph_.processors;
    return 20 * rounds * graph_.processors <= 23 * parts;
  }

  // The most images of a part with which all lanes have work; 0 where there are too few.
  int64_t MostInLane(int64_t batch) const {
    if (graph_.processors == 1) return 0;
    int64_t most = 0;
    for (int64_t d : Divisors(batch)) {
      if (KeepsLanesBusy(batch / d)) most = d;
    }
    return most;
  }

  // Each lane reads the weights for each of its parts, and meanwhile should do enough with them.
  bool WorksInLane(const LayerNode& node, int64_t batch, int64_t images) const {
    constexpr double kWorkOfByte = 32;  // a processor does some tens while it reads one
    constexpr int64_t kFewBytes = 1 << 16;
    const int64_t bytes = WeightBytes(node);
    const double work = node.layer->ForwardFlops() / static_cast<double>(batch);
    return bytes <= kFewBytes || work * images >= kWorkOfByte * bytes;
  }

  bool CanRunInLane(const LayerNode& node, int64_t batch) const {
    const int64_t most = MostInLane(batch);
    return most > 0 && node.traits.forward_is_reentrant && WorksInLane(node, batch, most);
  }

  struct Images {
    int64_t least, best;  // at a time
  };

  // The best number is what the caches hold. At least: the weights, which each run reads anew, are
  // not more than what they are used on.
  Images ImagesFor(const LayerNode& node, int64_t batch) const {
    const int64_t image = ImageBytes(node, batch);
    const int64_t fits = graph_.slice_bytes * graph_.processors / image;
    const int64_t least = WeightBytes(node) / image;
    Images images{1, 1};
    for (int64_t d : Divisors(batch)) {
      if (images.least < least) images.least = d;
      if (images.best < least || d <= fits) images.best = d;
    }
    return images;
  }

  Images ImagesInLane(const LayerNode& node, int64_t batch) const {
    const int64_t fits = graph_.slice_bytes / ImageBytes(node, batch), most = MostInLane(batch);
    Images images{0, 0};
    for (int64_t d : Divisors(batch)) {
      if (d > most || !KeepsLanesBusy(batch / d)) continue;
      if (images.least == 0 && WorksInLane(node, batch, d)) images.least = d;
      if (images.best == 0 || d <= fits) images.best = d;
    }
    return images;
  }

  // Layers first to last - 1, which may be none, run in lanes where they can.
  void CutByLanes(size_t first, size_t last, int64_t batch) {
    size_t begin = first;
    bool in_lanes = false;
    for (size_t l = first; l <= last; ++l) {
      if (l < last && graph_.layers[l].absorbed_by >= 0) continue;
      const bool works = l < last && CanRunInLane(graph_.layers[l], batch);
      if (l < last && l > first && works == in_lanes) continue;
      CutRun(begin, l, batch, in_lanes);
      begin = l;
      in_lanes = works;
    }
  }

  // Layers first to last - 1, in pieces that take more and more images at a time, as images become
  // smaller from layer to layer: each change writes and reads the whole batch.
  void CutRun(size_t first, size_t last, int64_t batch, bool in_lanes) {
    if (first == last) return;
    std::vector<int64_t> images(last - first, batch);
    int64_t next = batch;
    for (size_t l = last; l-- > first;) {
      const LayerNode& node = graph_.layers[l];
      if (node.absorbed_by < 0) {
        const Images own = in_lanes ? ImagesInLane(node, batch) : ImagesFor(node, batch);
        next = std::max(own.least, std::min(next, own.best));
      }
      images[l - first] = next;
    }
    for (size_t i = 1; i < images.size(); ++i) images[i] = std::max(images[i], images[i - 1]);
    size_t begin = first;
    for (size_t l = first; l <= last; ++l) {
      if (l < last && images[l - first] == images[begin - first]) continue;
      Cut(begin, l, batch / images[begin - first], in_lanes);
      begin = l;
    }
  }

  void Cut(size_t first, size_t last, int64_t parts, bool in_lanes) {
    const auto runs = [](const LayerNode& node) { return node.absorbed_by < 0; };
    const auto begin = graph_.layers.begin();
    const int64_t layers = std::count_if(begin + static_cast<int64_t>(first),
                                         begin + static_cast<int64_t>(last), runs);
    if (parts == 1 || layers < 2 || parts > std::numeric_limits<int>::max()) return;
    const int count = static_cast<int>(parts);
    Slices slices{first, last, count, in_lanes ? graph_.processors : 1, {}};
    CountUses(first, last, -1);  // what is left are those of other layers and of users
    std::set<int> whole;
    for (size_t l = first; l < last; ++l) {
      LayerNode& node = graph_.layers[l];
      if (node.absorbed_by >= 0) continue;
      node.parts = count;
      for (int absorbed : node.absorbed) graph_.layers[absorbed].parts = count;
      for (int blob : node.between) graph_.blobs[blob].is_part = true;
      for (const auto* blobs : {&node.bottoms, &node.tops}) {
        for (int blob : *blobs) {
          graph_.blobs[blob].is_part = uses_[roots_[blob]] == 0;
          if (!graph_.blobs[blob].is_part) whole.insert(blob);
        }
      }
    }
    CountUses(first, last, 1);
    slices.whole.assign(whole.begin(), whole.end());
    graph_.slices.push_back(std::move(slices));
  }

  // Adds `sign` for each bottom and top of these layers.
  void CountUses(size_t first, size_t last, int64_t sign) {
    uses_.resize(graph_.blobs.size());
    for (size_t l = first; l < last; ++l) {
      const LayerNode& node = graph_.layers[l];
      if (node.absorbed_by >= 0) continue;
      for (int blob : node.bottoms) uses_[roots_[blob]] += sign;
      for (int blob : node.tops) uses_[roots_[blob]] += sign;
    }
  }

  Graph& graph_;
  std::vector<int> roots_;     // by blob
  std::vector<int64_t> uses_;  // by root: by layers that run, and by users
  mutable std::map<int64_t, std::vector<int64_t>> divisors_;  // by batch
};

}  // namespace

void UndoSlices(Graph* graph) {
  graph->slices.clear();
  for (LayerNode& node : graph->layers) node.parts = 1;
  for (BlobNode& blob : graph->blobs) blob.is_part = false;
}

void SliceBatch(Graph* graph) {
  Slicer(graph).Run();
  if (graph->slices.empty()) return;
  const size_t first = graph->slices[0].first;
  try {
    ReinferShapes(first, graph);
  } catch (const Error&) {  // a layer takes the batch, but no part of it
    UndoSlices(graph);
    ReinferShapes(first, graph);
  }
}

}  // namespace crema
