// When each blob's values and gradients are needed.
#include "net/passes.h"

namespace crema {
namespace {

// The blobs' roots as one follows from another: `shares` is the member of BlobNode that tells.
int RootOf(const Graph& graph, int BlobNode::*shares, int blob) {
  const int other = graph.blobs[blob].*shares;
  return other < 0 ? blob : RootOf(graph, shares, other);
}

// What lies between fused layers.
void DropUnused(BlobLives* all) {
  for (int& root : all->root) {
    if (root >= 0 && all->lives[root].empty()) root = -1;
  }
}

// Makes `blob`, a root, live where the root `other` does.
void Join(int blob, int other, BlobLives* all) {
  all->lives[other].Include(all->lives[blob].first);
  all->lives[other].Include(all->lives[blob].last);
  all->kept[other] = all->kept[other] || all->kept[blob];
  for (int& root : all->root) {
    if (root == blob) root = other;
  }
}

bool SameSize(const Graph& graph, int a, int b) {
  return graph.blobs[a].shape.count() == graph.blobs[b].shape.count();
}

// No other bottom of the layer lies where the first does.
bool FirstBottomIsAlone(const LayerNode& node, const BlobLives& all) {
  for (size_t b = 1; b < node.bottoms.size(); ++b) {
    if (all.root[node.bottoms[b]] == all.root[node.bottoms[0]]) return false;
  }
  return true;
}

// Lets layers that may run in place write over a bottom that nobody reads after them.
void WriteOverBottoms(const Graph& graph, BlobLives* all) {
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (!node.traits.may_run_in_place || node.absorbed_by >= 0) continue;
    if (node.bottoms.empty() || node.tops.empty()) continue;
    const int bottom = all->root[node.bottoms[0]], top = all->root[node.tops[0]];
    if (bottom == top || all->kept[bottom] || all->kept[top]) continue;
    if (all->lives[bottom].last != ForwardStep(l) || all->lives[top].first != ForwardStep(l)) {
      continue;
    }
    if (SameSize(graph, bottom, top) && FirstBottomIsAlone(node, *all)) Join(top, bottom, all);
  }
}

// The same for gradients, which flow the other way.
void WriteOverTops(const Graph& graph, BlobLives* all) {
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (!node.traits.may_run_in_place || node.bottoms.empty() || node.tops.empty()) continue;
    if (!node.runs_backward || !node.propagate_down[0]) continue;
    const int bottom = all->root[node.bottoms[0]], top = all->root[node.tops[0]];
    if (bottom == top || top < 0 || all->kept[bottom] || all->kept[top]) continue;
    const int step = BackwardStep(graph, l);
    if (all->lives[bottom].first != step || all->lives[top].last != step) continue;
    if (SameSize(graph, bottom, top) && FirstBottomIsAlone(node, *all)) Join(top, bottom, all);
  }
}

}  // namespace

BlobLives LivesOfValues(const Graph& graph) {
  BlobLives all;
  all.lives.resize(graph.blobs.size());
  all.kept.resize(graph.blobs.size());
  for (size_t i = 0; i < graph.blobs.size(); ++i) {
    const BlobNode& blob = graph.blobs[i];
    all.root.push_back(RootOf(graph, &BlobNode::shares_data_with, static_cast<int>(i)));
    if (all.root[i] == static_cast<int>(i)) {
      all.separate += AlignedBytes(blob.shape, graph.dtype);
    }
    const bool is_input = graph.layers[blob.producer].traits.tops_take_any_shape;
    if (graph.keep_blobs || is_input || blob.is_output) all.kept[all.root[i]] = true;
  }
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (node.absorbed_by >= 0) continue;
    const auto include = [&](const std::vector<int>& blobs, bool in_backward) {
      for (int blob : blobs) {
        Life& life = all.lives[all.root[blob]];
        life.Include(ForwardStep(l));
        if (in_backward) life.Include(BackwardStep(graph, l));
      }
    };
    include(node.bottoms, node.runs_backward && node.traits.backward_needs_bottom_data);
    include(node.tops, node.runs_backward && node.traits.backward_needs_top_data);
  }
  DropUnused(&all);
  WriteOverBottoms(graph, &all);
  return all;
}

BlobLives LivesOfGradients(const Graph& graph) {
  BlobLives all;
  all.lives.resize(graph.blobs.size());
  all.kept.resize(graph.blobs.size());
  for (size_t i = 0; i < graph.blobs.size(); ++i) {
    const BlobNode& blob = graph.blobs[i];
    const int root = RootOf(graph, &BlobNode::shares_diff_with, static_cast<int>(i));
    all.root.push_back(!blob.has_diff               ? -1
                       : graph.blobs[root].has_diff ? root
                                                    : static_cast<int>(i));
    if (all.root[i] == static_cast<int>(i)) {
      all.separate += AlignedBytes(blob.shape, graph.dtype);
    }
    // What no layer reads is there for the user, and where he may set a gradient himself.
    const bool is_last = !graph.layers[blob.producer].runs_backward;
    const bool keeps = graph.keep_blobs || blob.is_output || is_last;
    if (blob.has_diff && keeps) all.kept[all.root[i]] = true;
  }
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (!node.runs_backward) continue;
    const int step = BackwardStep(graph, l);
    for (int top : node.tops) {
      if (all.root[top] >= 0) all.lives[all.root[top]].Include(step);
    }
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      if (node.propagate_down[b]) all.lives[all.root[node.bottoms[b]]].Include(step);
    }
  }
  WriteOverTops(graph, &all);
  return all;
}

std::vector<std::vector<int>> FindUnsentGradients(const Graph& graph) {
  std::vector<std::vector<int>> unsent(graph.layers.size());
  std::vector<bool> sent(graph.blobs.size());  // to the value that the blob has above the layer
  for (size_t l = graph.layers.size(); l-- > 0;) {
    const LayerNode& node = graph.layers[l];
    if (!node.runs_backward) continue;
    for (size_t t = 0; t < node.tops.size(); ++t) {
      const int top = node.tops[t];
      const bool starts = node.starts_gradient[t];
      if (!sent[top] && !starts && !graph.blobs[top].is_output) {
        unsent[l].push_back(static_cast<int>(t));
      }
      sent[top] = false;
    }
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      if (node.propagate_down[b]) sent[node.bottoms[b]] = true;
    }
  }
  return unsent;
}

}  // namespace crema
