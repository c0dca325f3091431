// Fusion: a layer, the host, takes over the work of its consumer, the layer that alone reads what
// it makes. The host says what it can absorb (Fusible::TryAbsorb); this pass decides where that
// leaves the net's results as they are.
#include <algorithm>
#include <set>
#include <utility>

#include "base/strings.h"
#include "crema/dev/fusible.h"
#include "net/passes.h"

namespace crema {
namespace {

// Which layers read and write each blob, kept up while layers are fused: nets may have very many.
class Uses {
 public:
  explicit Uses(const Graph& graph) : blobs_(graph.blobs.size()) {
    for (const BlobNode& blob : graph.blobs) CountSharers(blob);
    for (size_t l = 0; l < graph.layers.size(); ++l) {
      const LayerNode& node = graph.layers[l];
      const int layer = static_cast<int>(l);
      for (size_t b = 0; b < node.bottoms.size(); ++b) {
        AddReader(node.bottoms[b], layer, static_cast<int>(b));
      }
      for (size_t t = 0; t < node.tops.size(); ++t) {
        AddWriter(node.tops[t], layer, node.loss_weights[t] != 0);
      }
    }
  }

  // The (layer, bottom) that read it and the layers that write it, in the net's order.
  const std::set<std::pair<int, int>>& readers(int blob) const { return blobs_[blob].readers; }
  const std::set<int>& writers(int blob) const { return blobs_[blob].writers; }
  // Whether others see its memory.
  bool IsShared(int blob) const { return blobs_[blob].sharers > 0; }
  // Whether it was a loss when a layer before this one had made it.
  bool IsLossBefore(int blob, size_t layer) const {
    const std::set<int>& losses = blobs_[blob].losses;
    return !losses.empty() && *losses.begin() < static_cast<int>(layer);
  }
  bool IsWrittenWithin(size_t first, size_t last, int blob) const {
    const std::set<int>& writers = blobs_[blob].writers;
    const auto it = writers.lower_bound(static_cast<int>(first));
    return it != writers.end() && *it < static_cast<int>(last);
  }

  void AddReader(int blob, int layer, int bottom) { blobs_[blob].readers.emplace(layer, bottom); }
  void AddWriter(int blob, int layer, bool is_loss) {
    blobs_[blob].writers.insert(layer);
    if (is_loss) blobs_[blob].losses.insert(layer);
  }
  void RemoveWriter(int blob, int layer) { blobs_[blob].writers.erase(layer); }
  void AddBlob(const BlobNode& blob) {
    blobs_.emplace_back();
    CountSharers(blob);
  }
  // `blob` shares the gradient of another no longer, or of none.
  void DropDiffSharer(const BlobNode& blob) {
    if (blob.shares_diff_with >= 0) --blobs_[blob.shares_diff_with].sharers;
  }

  // Makes the uses by layers before `layer`, and by its bottom 0, those of the blob `to`, which had
  // none, and returns them.
  std::set<std::pair<int, int>> MoveReaders(int from, int to, int layer) {
    Move(std::pair<int, int>{layer, 1}, &blobs_[from].readers, &blobs_[to].readers);
    return blobs_[to].readers;
  }
  std::set<int> MoveWriters(int from, int to, int layer) {
    Move(layer, &blobs_[from].writers, &blobs_[to].writers);
    Move(layer, &blobs_[from].losses, &blobs_[to].losses);
    return blobs_[to].writers;
  }

 private:
  struct Blob {
    std::set<std::pair<int, int>> readers;
    std::set<int> writers, losses;
    int sharers = 0;
  };

  void CountSharers(const BlobNode& blob) {
    if (blob.shares_data_with >= 0) ++blobs_[blob.shares_data_with].sharers;
    if (blob.shares_diff_with >= 0) ++blobs_[blob.shares_diff_with].sharers;
  }

  // Those below `end`.
  template <class T>
  static void Move(const T& end, std::set<T>* from, std::set<T>* to) {
    const auto last = from->lower_bound(end);
    to->insert(from->begin(), last);
    from->erase(from->begin(), last);
  }

  std::vector<Blob> blobs_;
};

class Fusion {
 public:
  Fusion(Graph* graph, Uses* uses, size_t host) : graph_(*graph), uses_(*uses), host_(host) {}

  // Fuses as many consumers as the host absorbs.
  void Run() {
    if (dynamic_cast<Fusible*>(host().layer.get()) == nullptr) return;
    while (HasTopOfItsOwn() && FindConsumer() && CanFuse() && TryAbsorb()) Commit();
    const LayerNode& node = host();
    if (node.absorbed.empty() || node.bottoms.empty()) return;
    if (RunsInPlace(node) && !node.traits.may_run_in_place) SeparateInput();
  }

 private:
  LayerNode& host() { return graph_.layers[host_]; }
  LayerNode& next() { return graph_.layers[next_]; }

  // One top, which nothing but its reader's bottom depends on.
  bool HasTopOfItsOwn() {
    const LayerNode& node = host();
    if (node.absorbed_by >= 0 || node.tops.size() != 1 || node.loss_weights[0] != 0) return false;
    if (graph_.blobs[node.tops[0]].shares_data_with >= 0) return false;
    return !RunsInPlaceOnWhatOthersSee();
  }

  // The fused layer may have to get an input of another name.
  bool RunsInPlaceOnWhatOthersSee() {
    const LayerNode& node = host();
    if (!RunsInPlace(node)) return false;
    const int blob = node.bottoms[0];
    const LayerNode& producer = graph_.layers[graph_.blobs[blob].producer];
    return producer.traits.tops_take_any_shape || uses_.IsLossBefore(blob, host_);
  }

  // Every value has one reader, or a Split.
  bool FindConsumer() {
    const int last = host().absorbed.empty() ? static_cast<int>(host_) : host().absorbed.back();
    const auto& readers = uses_.readers(host().tops[0]);
    const auto it = readers.lower_bound({last + 1, 0});
    if (it == readers.end()) return false;
    next_ = static_cast<size_t>(it->first);
    bottom_ = it->second;
    return true;
  }

  // Whether the net would compute the same with the two as one.
  bool CanFuse() {
    const int top = host().tops[0];
    constexpr size_t kMostBottoms = 16;  // no layer takes over the work of one with so many
    if (next().absorbed_by >= 0 || next().tops.size() != 1) return false;
    if (next().bottoms.size() > kMostBottoms) return false;
    const BlobNode& result = graph_.blobs[next().tops[0]];
    const BlobNode& between = graph_.blobs[top];
    if (result.shape != between.shape || result.dtype != between.dtype) return false;
    if (result.shares_data_with >= 0) return false;
    // The value between them is lost, unless it would be anyhow.
    const bool is_wanted = graph_.keep_blobs || graph_.blobs[top].is_output;
    if (is_wanted && next().tops[0] != top) return false;
    // In place, those who share see what the consumer makes.
    if (uses_.IsShared(top) && next().tops[0] != top) return false;
    if (host().runs_backward && !(next().runs_backward && next().propagate_down[bottom_])) {
      return false;
    }
    for (size_t b = 0; b < next().bottoms.size(); ++b) {
      if (static_cast<int>(b) == bottom_) continue;
      if (next().bottoms[b] == next().tops[0] || !IsThereBefore(next().bottoms[b])) return false;
    }
    return true;
  }

  // Whether `blob` has its final value when the host runs.
  bool IsThereBefore(int blob) {
    if (blob == host().tops[0] || graph_.blobs[blob].producer >= static_cast<int>(host_)) {
      return false;
    }
    return !uses_.IsWrittenWithin(host_, next_, blob);
  }

  // Asks the host.
  bool TryAbsorb() {
    auto* fusible = dynamic_cast<Fusible*>(host().layer.get());
    // In place nobody writes over a result that the consumer needs, or all that it needs of it, the
    // signs, stay (see infer_shapes.cpp).
    const int made = next().tops[0];
    const bool is_kept =
        made == host().tops[0] || !uses_.IsWrittenWithin(next_ + 1, graph_.layers.size(), made);
    try {
      return fusible->TryAbsorb(
          {next().layer.get(), bottom_, next().runs_backward, is_kept, next().layout});
    } catch (...) {
      RethrowFor(host());
    }
  }

  // Changes the graph: the host has the consumer's top and other bottoms now.
  void Commit() {
    LayerNode& node = host();
    const int between = node.tops[0];
    const int layer = static_cast<int>(host_);
    for (size_t b = 0; b < next().bottoms.size(); ++b) {
      if (static_cast<int>(b) == bottom_) continue;
      uses_.AddReader(next().bottoms[b], layer, static_cast<int>(node.bottoms.size()));
      node.bottoms.push_back(next().bottoms[b]);
      node.propagate_down.push_back(next().propagate_down[b]);
    }
    node.tops = next().tops;
    node.loss_weights = next().loss_weights;
    uses_.RemoveWriter(between, layer);
    uses_.AddWriter(node.tops[0], layer, node.loss_weights[0] != 0);
    node.starts_gradient = next().starts_gradient;
    node.runs_backward = node.runs_backward || next().runs_backward;
    node.absorbed.push_back(static_cast<int>(next_));
    node.between.push_back(between);
    next().absorbed_by = static_cast<int>(host_);
    next().runs_backward = false;
    DropMemory(&next());
    if (node.tops[0] != between) {
      const bool is_input = node.bottoms[0] == between;  // the host ran in place
      if (!is_input) graph_.blobs[between].has_diff = false;
      graph_.blobs[node.tops[0]].producer = static_cast<int>(host_);
    }
    PlanAnew();
  }

  void PlanAnew() {
    LayerNode& node = host();
    PlanLayer(PlanInputOf(graph_, node), &node);
    CREMA_CHECK(node.plan.tops[0].shape == graph_.blobs[node.tops[0]].shape,
                LayerTitle(*node.layer));
  }

  // What the layers before the host have made gets a blob of its own; the one that it was in keeps
  // its name and gets the result.
  void SeparateInput() {
    const int result = host().tops[0];
    const int input = static_cast<int>(graph_.blobs.size());
    BlobNode blob = graph_.blobs[result];
    blob.name = Concat(blob.name, " (before ", host().layer->name(), ")");
    blob.has_diff = host().propagate_down[0];
    blob.loss_weight = 0;
    blob.is_output = false;
    graph_.blobs[result].producer = static_cast<int>(host_);
    uses_.DropDiffSharer(graph_.blobs[result]);
    graph_.blobs[result].shares_diff_with = -1;
    graph_.blobs.push_back(blob);
    uses_.AddBlob(blob);
    // Those before the host, and its bottom 0.
    for (const auto& [layer, bottom] : uses_.MoveReaders(result, input, static_cast<int>(host_))) {
      graph_.layers[layer].bottoms[bottom] = input;
    }
    for (int layer : uses_.MoveWriters(result, input, static_cast<int>(host_))) {
      std::vector<int>& tops = graph_.layers[layer].tops;
      std::replace(tops.begin(), tops.end(), result, input);
    }
  }

  Graph& graph_;
  Uses& uses_;
  size_t host_, next_ = 0;
  int bottom_ = 0;
};

// A bottom of a layer that is not absorbed.
struct Reader {
  LayerNode* node = nullptr;
  int bottom = 0;
};

// The only one of `blob`; none where there are several, or others that see its memory.
Reader SoleReader(const Uses& uses, Graph* graph, int blob) {
  if (uses.IsShared(blob)) return {};
  Reader reader;
  for (const auto& [layer, bottom] : uses.readers(blob)) {
    LayerNode& node = graph->layers[layer];
    if (node.absorbed_by >= 0) continue;
    if (reader.node != nullptr) return {};
    reader = {&node, bottom};
  }
  return reader;
}

bool HasOneWriter(const Uses& uses, const Graph& graph, int blob) {
  int writers = 0;
  for (int layer : uses.writers(blob)) {
    if (graph.layers[layer].absorbed_by < 0 && ++writers > 1) return false;
  }
  return writers == 1;
}

// The backward half of a ReLU goes to the layer that sends the gradient, where that one has the
// values anyway: the host's own result may then be forgotten after the forward pass.
void HandOnReluBackward(const Uses& uses, Graph* graph, LayerNode* host) {
  auto* fusible = dynamic_cast<Fusible*>(host->layer.get());
  if (fusible == nullptr || !host->runs_backward || !fusible->ReluBackwardSlope()) return;
  const int top = host->tops[0];
  if (graph->keep_blobs || host->loss_weights[0] != 0) return;
  const Reader reader = SoleReader(uses, graph, top);
  if (reader.node == nullptr || !reader.node->runs_backward) return;
  auto* taker = dynamic_cast<TakesReluBackward*>(reader.node->layer.get());
  const bool takes = taker != nullptr && reader.node->propagate_down[reader.bottom] &&
                     HasOneWriter(uses, *graph, reader.node->tops[0]);
  if (!takes || !taker->TryTakeReluBackward(reader.bottom, *fusible->ReluBackwardSlope())) return;
  fusible->LeaveReluBackwardToConsumer();
  for (LayerNode* node : {host, reader.node}) node->traits = node->layer->traits();
}

}  // namespace

void DropMemory(LayerNode* node) {
  node->plan.state.clear();
  node->plan.scratch_bytes = 0;
}

void FuseLayers(Graph* graph) {
  Uses uses(*graph);
  for (size_t l = 0; l < graph->layers.size(); ++l) Fusion(graph, &uses, l).Run();
  for (LayerNode& node : graph->layers) {
    if (node.absorbed_by < 0) HandOnReluBackward(uses, graph, &node);
  }
}

}  // namespace crema
