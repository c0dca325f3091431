// Fusion: a layer takes over the work of the one that alone reads what it makes. Which layers can
// do that for which others is theirs to say (Fusible::Absorb); here is only where it would be
// right.
#include <algorithm>

#include "base/strings.h"
#include "crema/layer/fusible.h"
#include "net/passes.h"

namespace crema {
namespace {

class Fusion {
 public:
  Fusion(Graph* graph, size_t host) : graph_(*graph), host_(host) {}

  // Takes as many followers as the layer will.
  void Run() {
    while (HasTopOfItsOwn() && FindFollower() && Suits() && Asks()) Take();
    const LayerNode& node = host();
    if (node.absorbed.empty() || node.bottoms.empty()) return;
    if (node.bottoms[0] == node.tops[0] && !node.traits.may_run_in_place) SeparateInput();
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

  bool IsShared(int blob) const {
    return std::any_of(graph_.blobs.begin(), graph_.blobs.end(), [&](const BlobNode& other) {
      return other.shares_data_with == blob || other.shares_diff_with == blob;
    });
  }

  // The fused layer may have to get an input of another name.
  bool RunsInPlaceOnWhatOthersSee() {
    const LayerNode& node = host();
    if (node.bottoms.empty() || node.bottoms[0] != node.tops[0]) return false;
    const int blob = node.bottoms[0];
    if (graph_.layers[graph_.blobs[blob].producer].traits.tops_take_any_shape) return true;
    for (size_t l = 0; l < host_; ++l) {
      const LayerNode& earlier = graph_.layers[l];
      for (size_t t = 0; t < earlier.tops.size(); ++t) {
        if (earlier.tops[t] == blob && earlier.loss_weights[t] != 0) return true;
      }
    }
    return false;
  }

  // Every value has one reader, or a Split.
  bool FindFollower() {
    const int top = host().tops[0];
    const size_t last = host().absorbed.empty() ? host_ : host().absorbed.back();
    for (next_ = last + 1; next_ < graph_.layers.size(); ++next_) {
      for (size_t b = 0; b < next().bottoms.size(); ++b) {
        bottom_ = static_cast<int>(b);
        if (next().bottoms[b] == top) return true;
      }
    }
    return false;
  }

  bool Suits() {
    const int top = host().tops[0];
    if (next().absorbed_by >= 0 || next().tops.size() != 1) return false;
    const BlobNode& result = graph_.blobs[next().tops[0]];
    if (result.shape != graph_.blobs[top].shape || result.shares_data_with >= 0) return false;
    // The value between them is lost, unless it would be anyhow.
    const bool is_wanted = graph_.keep_blobs || graph_.blobs[top].is_output;
    if (is_wanted && next().tops[0] != top) return false;
    // In place, those who share see what the follower makes.
    if (IsShared(top) && next().tops[0] != top) return false;
    if (host().runs_backward && !(next().runs_backward && next().propagate_down[bottom_])) {
      return false;
    }
    for (size_t b = 0; b < next().bottoms.size(); ++b) {
      if (static_cast<int>(b) == bottom_) continue;
      if (next().bottoms[b] == next().tops[0] || !IsThereBefore(next().bottoms[b])) return false;
    }
    return true;
  }

  bool IsWrittenAfter(size_t layer, int blob) const {
    for (size_t l = layer + 1; l < graph_.layers.size(); ++l) {
      const std::vector<int>& tops = graph_.layers[l].tops;
      if (std::find(tops.begin(), tops.end(), blob) != tops.end()) return true;
    }
    return false;
  }

  // Whether `blob` has its final value when the host runs.
  bool IsThereBefore(int blob) {
    if (blob == host().tops[0] || graph_.blobs[blob].producer >= static_cast<int>(host_)) {
      return false;
    }
    for (size_t l = host_; l < next_; ++l) {
      const std::vector<int>& tops = graph_.layers[l].tops;
      if (std::find(tops.begin(), tops.end(), blob) != tops.end()) return false;
    }
    return true;
  }

  bool Asks() {
    auto* fusible = dynamic_cast<Fusible*>(host().layer.get());
    // In place, the follower alone would find its result written over, too.
    const int made = next().tops[0];
    const bool is_kept = made == host().tops[0] || !IsWrittenAfter(next_, made);
    if (fusible == nullptr) return false;
    try {
      return fusible->Absorb({next().layer.get(), bottom_, next().runs_backward, is_kept});
    } catch (...) {
      RethrowFor(*host().layer);
    }
  }

  void Take() {
    LayerNode& node = host();
    const int between = node.tops[0];
    for (size_t b = 0; b < next().bottoms.size(); ++b) {
      if (static_cast<int>(b) == bottom_) continue;
      node.bottoms.push_back(next().bottoms[b]);
      node.propagate_down.push_back(next().propagate_down[b]);
    }
    node.tops = next().tops;
    node.loss_weights = next().loss_weights;
    node.starts_gradient = next().starts_gradient;
    node.runs_backward = node.runs_backward || next().runs_backward;
    node.absorbed.push_back(static_cast<int>(next_));
    node.between.push_back(between);
    next().absorbed_by = static_cast<int>(host_);
    next().runs_backward = false;
    NeedNothing(&next());
    if (node.tops[0] != between) {
      const bool is_input = node.bottoms[0] == between;  // the host ran in place
      if (!is_input) graph_.blobs[between].has_diff = false;
      graph_.blobs[node.tops[0]].producer = static_cast<int>(host_);
    }
    PlanAnew();
  }

  void PlanAnew() {
    LayerNode& node = host();
    std::vector<Shape> shapes;
    for (int bottom : node.bottoms) shapes.push_back(graph_.blobs[bottom].shape);
    node.traits = node.layer->traits();
    node.plan = PlanLayer(*node.layer, shapes, graph_.dtype);
    CREMA_CHECK(node.plan.tops[0] == graph_.blobs[node.tops[0]].shape, LayerTitle(*node.layer));
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
    graph_.blobs[result].shares_diff_with = -1;
    graph_.blobs.push_back(blob);
    host().bottoms[0] = input;
    for (size_t l = 0; l < host_; ++l) {
      for (auto* list : {&graph_.layers[l].bottoms, &graph_.layers[l].tops}) {
        std::replace(list->begin(), list->end(), result, input);
      }
    }
  }

  Graph& graph_;
  size_t host_, next_ = 0;
  int bottom_ = 0;
};

// A bottom of a layer that is not absorbed.
struct Reader {
  LayerNode* node = nullptr;
  int bottom = 0;
};

// The only one of `blob`; none where there are several, or others that see its memory.
Reader SoleReader(Graph* graph, int blob) {
  for (const BlobNode& other : graph->blobs) {
    if (other.shares_data_with == blob || other.shares_diff_with == blob) return {};
  }
  Reader reader;
  for (LayerNode& node : graph->layers) {
    if (node.absorbed_by >= 0) continue;
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      if (node.bottoms[b] != blob) continue;
      if (reader.node != nullptr) return {};
      reader = {&node, static_cast<int>(b)};
    }
  }
  return reader;
}

int WritersOf(const Graph& graph, int blob) {
  int writers = 0;
  for (const LayerNode& node : graph.layers) {
    if (node.absorbed_by >= 0) continue;
    writers += static_cast<int>(std::count(node.tops.begin(), node.tops.end(), blob));
  }
  return writers;
}

// The backward half of a ReLU goes to the layer that sends the gradient, where that one has the
// values anyway: the host's own result may then be forgotten after the forward pass.
void HandReluOn(Graph* graph, LayerNode* host) {
  auto* fusible = dynamic_cast<Fusible*>(host->layer.get());
  if (fusible == nullptr || !host->runs_backward || !fusible->ReluOfGradient()) return;
  const int top = host->tops[0];
  if (graph->keep_blobs || host->loss_weights[0] != 0) return;
  const Reader reader = SoleReader(graph, top);
  if (reader.node == nullptr || !reader.node->runs_backward) return;
  auto* passer = dynamic_cast<ReluPasser*>(reader.node->layer.get());
  const bool takes = passer != nullptr && reader.node->propagate_down[reader.bottom] &&
                     WritersOf(*graph, reader.node->tops[0]) == 1;
  if (!takes || !passer->TakeReluOf(reader.bottom, *fusible->ReluOfGradient())) return;
  fusible->LeaveReluToReader();
  for (LayerNode* node : {host, reader.node}) node->traits = node->layer->traits();
}

}  // namespace

void NeedNothing(LayerNode* node) {
  node->plan.state.clear();
  node->plan.scratch_bytes = 0;
}

void FuseLayers(Graph* graph) {
  for (size_t l = 0; l < graph->layers.size(); ++l) Fusion(graph, l).Run();
  for (LayerNode& node : graph->layers) {
    if (node.absorbed_by < 0) HandReluOn(graph, &node);
  }
}

}  // namespace crema
