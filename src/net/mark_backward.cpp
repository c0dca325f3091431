#include <algorithm>
#include <set>

#include "crema.pb.h"
#include "net/passes.h"

namespace crema {
namespace {

bool Contains(const std::vector<int>& list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool CanSendGradient(const Graph& graph, const LayerNode& node, int bottom) {
  return node.traits.has_backward && !Contains(node.traits.no_gradient_bottoms, bottom) &&
         IsFloat(graph.blobs[node.bottoms[bottom]].dtype);
}

// Whether gradients flow down to a bottom: never where the layer has none to send. Then what the
// net's text says goes first; to force means wherever one can be sent.
bool Propagates(const Graph& graph, const LayerNode& node, int bottom, bool needs_gradient,
                bool force) {
  if (Contains(node.traits.zero_gradient_bottoms, bottom)) return false;
  const proto::LayerParameter& config = node.layer->config();
  if (force && CanSendGradient(graph, node, bottom)) return true;
  if (config.propagate_down_size() > 0) return config.propagate_down(bottom);
  return needs_gradient && !force;
}

// Forward in the graph: whatever depends on a learned parameter wants gradients.
void MarkDependents(bool force, Graph* graph) {
  for (LayerNode& node : graph->layers) {
    bool needed = false;
    node.propagate_down.clear();
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      const bool depends = graph->blobs[node.bottoms[b]].needs_gradient;
      const bool propagates = Propagates(*graph, node, static_cast<int>(b), depends, force);
      needed = needed || (propagates && (depends || force));
      node.propagate_down.push_back(propagates);
    }
    for (int p : node.params) needed = needed || graph->params[p].wants_gradient;
    node.runs_backward = needed;
    for (int top : node.tops) {
      graph->blobs[top].needs_gradient = needed && IsFloat(graph->blobs[top].dtype);
    }
  }
}

// Backward: only what contributes to a loss is computed, unless forced.
void DropGradientsWithoutLoss(bool force, Graph* graph) {
  std::set<int> wanted;  // blobs whose gradient comes from above
  for (auto it = graph->layers.rbegin(); it != graph->layers.rend(); ++it) {
    LayerNode& node = *it;
    bool contributes = false;
    for (size_t t = 0; t < node.tops.size(); ++t) {
      const bool is_loss = node.loss_weights[t] != 0;
      // In place the blob has an earlier value too, which this one's readers do not read.
      const bool from_reader = wanted.erase(node.tops[t]) > 0;
      node.starts_gradient.push_back(is_loss && !from_reader);
      contributes = contributes || is_loss || from_reader;
    }
    node.runs_backward = node.runs_backward && (contributes || force);
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      node.propagate_down[b] = node.propagate_down[b] && node.runs_backward;
      if (node.propagate_down[b] && contributes) wanted.insert(node.bottoms[b]);
    }
  }
}

// A net for testing may well compute a loss that has no gradient.
void DropMissingGradients(Graph* graph) {
  for (LayerNode& node : graph->layers) {
    node.runs_backward = node.runs_backward && node.traits.has_backward;
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      const bool may = node.runs_backward && CanSendGradient(*graph, node, static_cast<int>(b));
      node.propagate_down[b] = node.propagate_down[b] && may;
    }
  }
}

void CheckGradientsExist(const Graph& graph) {
  for (const LayerNode& node : graph.layers) {
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      const int bottom = static_cast<int>(b);
      if (!node.propagate_down[b]) continue;
      if (CanSendGradient(graph, node, bottom)) continue;
      Fail(LayerTitle(*node.layer), ": a gradient is needed for bottom ", b, " ('",
           NameInText(graph, node.bottoms[b]),
           "'), but this layer cannot compute one; set propagate_down: false for it");
    }
  }
}

}  // namespace

void MarkBackward(const proto::NetParameter& net, Graph* graph) {
  const bool force = net.force_backward();
  if (force) {
    for (ParamNode& param : graph->params) param.wants_gradient = param.decl.learned;
  }
  MarkDependents(force, graph);
  if (graph->phase == Phase::kTest) DropMissingGradients(graph);
  DropGradientsWithoutLoss(force, graph);
  CheckGradientsExist(*graph);
  for (LayerNode& node : graph->layers) {
    if (!node.runs_backward) continue;
    for (int top : node.tops) graph->blobs[top].has_diff = IsFloat(graph->blobs[top].dtype);
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      if (node.propagate_down[b]) graph->blobs[node.bottoms[b]].has_diff = true;
    }
  }
}

void MarkForwardOnly(Graph* graph) {
  for (ParamNode& param : graph->params) param.wants_gradient = false;
  for (LayerNode& node : graph->layers) {
    node.runs_backward = false;
    node.propagate_down.assign(node.bottoms.size(), false);
  }
}

}  // namespace crema
